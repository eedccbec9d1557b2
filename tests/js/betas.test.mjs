// The slider over beta on three small models whose numbers lie at the limits of what is said: what is shown, drawn and spoken. With
// the book's own models: views.test.mjs; in a browser: tests/book.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layers, model as modelOf, mounted, near, oneLayer, resized, safetensors, spoken } from "./surface.mjs";
import { network, sigmoid } from "../../vaelib/static/engine.js";
import * as betas from "../../vaelib/static/betas.js";

const [NAMES, BETAS] = [["low", "middle", "high"], [0, 0.5, 4]];
const COLOURS = ["#a00", "#0a0"];
const CODES = 100;
const LABELS = Array.from({ length: CODES }, (_, i) => i % 2);
const Z = [[1, 0.5, -1], [0.25, -0.5, 2]];
const KL = [[9.5, 4.25, 4], [4, 1, 0.25], [6.25, 0.5, 0]];
const ACTIVE = [[1, 1, 1], [1, 1, 0], [0, 1, 0]];
const LATENTS = [[2, 0], [0, 1], [1, 2]];
// Of the first model one code in a hundred lies beyond the map, of the second sixty, some in one axis alone, of the third none: some lie on its edges.
const far = [[[4.5, 0]], [[5, 0], [5, 0], [5, 0], [0, -6], ...Array(55).fill([-9, 7]), [0, -6]], [[4, 0], [-4, 4]]];
const codes = far.map((first) => Array.from({ length: CODES }, (_, i) => first[i] ?? [3 * Math.sin(i), 2 * Math.cos(3 * i)]));
const decoders = NAMES.map((_, k) => oneLayer(784, 3, (pixel, latent) => Math.sin(pixel + latent + k), () => 0));
const files = {
  ...Object.fromEntries(NAMES.map((name, k) => [`weights/${name}.decoder.safetensors`, decoders[k]])),
  "vaelib/betas.safetensors": safetensors({}, {
    z: ["F32", [2, 3], Z.flat()], kl: ["F32", [3, 3], KL.flat()], active: ["U8", [3, 3], ACTIVE.flat()], latents: ["U8", [3, 2], LATENTS.flat()],
    codes: ["F32", [3, CODES, 2], codes.flat(2)], labels: ["U8", [CODES], LABELS], rate: ["F32", [3], [10.25, 5.5, 1.125]], distortion: ["F32", [3], [80.5, 90.25, 120]],
  }),
};
const RATES = [["10.3", "80.5"], ["5.5", "90.3"], ["1.1", "120.0"]];

async function view(position, load = async (path) => files[path]) {
  const all = await mounted(betas, { names: NAMES, betas: BETAS, position, colours: COLOURS }, load);
  const { el } = all;
  const one = (name, i = 0) => el.all((each) => each.classes?.has(name))[i];
  const said = () => ({ sum: one("vaelib-sum").textContent, costs: one("vaelib-note").textContent, axes: one("vaelib-note", 1).textContent, trouble: one("vaelib-hint").textContent });
  return { ...all, one, said };
}
const settled = () => new Promise((go) => setTimeout(go, 5));

test("each beta's sentence, costs and axes are its own: what lies at a limit is not cut off, nor beyond, and one code in a hundred is not spoken of", async () => {
  const { model, said, one } = await view(0);
  const words = [
    ["KL in nats; 2 bars are cut off, the longest is 9.5", "Latent 3 across, 1 up: the two that cost most", "3"],
    ["KL in nats", "Latent 1 across, 2 up: the two that cost most; 60 % lie beyond, drawn at the edge", "2"],
    ["KL in nats; 1 bars are cut off, the longest is 6.3", "Latent 2 across, 3 up: the two that cost most", "1"],
  ];
  for (const k of [0, 1, 2]) {
    model.set("position", k);
    await settled();
    const [costs, axes, active] = words[k];
    assert.deepEqual(said(), { sum: `β = ${BETAS[k]}: rate ${RATES[k][0]} nats, distortion ${RATES[k][1]} nats, ${active} of 3 latents active.`, costs, axes, trouble: "" });
    const [across, up] = LATENTS[k].map((latent) => latent + 1);
    assert.equal(one("vaelib-map").attributes["aria-label"], `Map of the codes at β = ${BETAS[k]}, latents ${across} and ${up}, coloured by digit`);
    assert.equal(one("vaelib-bars").attributes["aria-label"], `KL of each latent at β = ${BETAS[k]}, sorted, in nats: ${KL[k].map((nats) => nats.toFixed(1)).join(", ")}`);
    const bars = one("vaelib-bars").all((each) => each.tag === "i");
    assert.deepEqual(bars.map((bar) => bar.classes.has("vaelib-dark")), ACTIVE[k].map((used) => !used), "dark is what is not active");
    bars.forEach((bar, i) => assert.equal(bar.attributes.style, `height: ${25 * Math.min(4, KL[k][i])}%`));
    const marks = one("vaelib-bars").all((each) => each.tag === "span");
    assert.deepEqual(marks.map((mark) => [mark.textContent, mark.attributes.style]), [["0", "bottom: 0%"], ["2", "bottom: 50%"], ["4", "bottom: 100%"]]);
  }
});

test("the same z are decoded by each beta's own model, and have their number beside them and in their name", async () => {
  const { el, model } = await view(1);
  const samples = el.all((one) => one.classes?.has("vaelib-samples"))[0].children;
  assert.deepEqual(samples.map((one) => one.textContent), ["1", "2"]);
  for (const k of [1, 2, 0]) {
    model.set("position", k);
    await settled();
    for (const [i, { children: [picture] }] of samples.entries()) {
      assert.equal(picture.attributes["aria-label"], `Sample ${i + 1} at β = ${BETAS[k]}`);
      const { data } = picture.drawn("pixels").at(-1).image;
      sigmoid(network(decoders[k])(Z[i])).forEach((level, pixel) => near(255 - data[4 * pixel], 255 * level, 1));
    }
  }
});

test("codes lie on a map from -4 to 4, and those from beyond half in sight at its edge", async () => {
  const { model } = await view(2);
  for (const k of [0, 1, 2]) {
    const before = layers.length;
    model.set("position", k);
    await settled();
    const [, ...squares] = layers.slice(before).findLast((one) => one.drawn("rect").length > CODES).drawn("rect");
    for (const [i, { x, y, width, height, colour }] of squares.entries()) {
      const [a, b] = codes[k][i].map((value) => Math.max(-4.001, Math.min(4.001, value)));
      near(x + width / 2, 36 + ((a + 4) / 8) * 258, 1e-4);
      near(y + height / 2, 280 - ((b + 4) / 8) * 274, 1e-4);
      assert.equal(colour, COLOURS[LABELS[i]]);
    }
    assert.equal(squares.length, CODES);
  }
});

test("what is shown is spoken, as is a decoder that does not come; the slider has the beta as its value, and nothing is busy any more", async () => {
  let broken = false;
  const { el, model, said, made } = await view(0, async (path) => (broken && path.startsWith("weights/") ? Promise.reject(new Error("it is gone")) : files[path]));
  const handle = document.createElement("div");
  el.closest = (wanted) => wanted === ".widget-box" && { querySelector: (part) => (part === ".noUi-handle" ? handle : null) };
  const { setTimeout } = globalThis;
  const speaks = async (change) => {
    const quiet = [];
    globalThis.setTimeout = (work) => quiet.push(work);
    change();
    for (let i = 0; i < 20; i++) await null;
    globalThis.setTimeout = setTimeout;
    quiet.forEach((work) => work());
    return spoken(el, () => {});
  };
  assert.equal(await speaks(() => model.set("position", 1)), said().sum);
  assert.deepEqual([handle.attributes["aria-valuetext"], el.attributes["aria-busy"]], ["0.5", "false"]);
  broken = true;
  const label = made.find((one) => one.classes.has("vaelib-map")).attributes["aria-label"];
  assert.equal(await speaks(() => model.set("position", 2)), "The decoder of β = 4 could not be loaded: it is gone. What you see is still β = 0.5.");
  assert.equal(said().trouble, spoken(el, () => {}));
  assert.deepEqual([handle.attributes["aria-valuetext"], el.attributes["aria-busy"]], ["4", "false"]);
  assert.equal(made.find((one) => one.classes.has("vaelib-map")).attributes["aria-label"], label);
  broken = false;
  assert.equal(await speaks(() => model.set("position", 0)), said().sum);
  assert.equal(said().trouble, "");
});

test("a decoder that is late is complained of in the meantime, but not where the slider has gone on", async () => {
  const complaints = [];
  const el = document.createElement("div");
  const one = modelOf({ names: NAMES, betas: BETAS, position: 0, colours: COLOURS });
  const patiently = (work, complain) => complaints.push(complain) && work;
  await betas.mount({ model: one, el, load: async (path) => files[path], patiently, signal: new AbortController().signal });
  const trouble = () => el.all((each) => each.classes?.has("vaelib-hint"))[0].textContent;
  one.set("position", 1);
  complaints.at(-1)("its files have not come");
  assert.equal(trouble(), "The decoder of β = 0.5 could not be loaded: its files have not come. What you see is still β = 0.");
  assert.equal(el.attributes["aria-busy"], "false", "what is seen can be used");
  await settled();
  assert.equal(trouble(), "");
  const late = complaints.at(-1);
  one.set("position", 2);
  await settled();
  late("its files have not come");
  assert.equal(trouble(), "");
});

test("where the slider is moved while all is loading, to a beta that does not come, the beta of before is shown, and said to be", async () => {
  const el = document.createElement("div");
  const one = modelOf({ names: NAMES, betas: BETAS, position: 0, colours: COLOURS });
  const load = async (path) => (path.includes("high") ? Promise.reject(new Error("it is gone")) : files[path]);
  const ready = betas.mount({ model: one, el, load, patiently: (work) => work, signal: new AbortController().signal });
  one.set("position", 2);
  await ready;
  const [sum, trouble] = ["vaelib-sum", "vaelib-hint"].map((name) => el.all((each) => each.classes?.has(name))[0].textContent);
  assert.ok(sum.startsWith("β = 0: "), sum);
  assert.ok(trouble.endsWith("What you see is still β = 0."), trouble);
});

test("the map is drawn anew where its place is as large as another", async () => {
  const { one } = await view(1);
  const before = layers.length;
  resized(one("vaelib-map"), 200);
  assert.ok(layers.slice(before).some((layer) => layer.width === 200 && layer.drawn("rect").length > CODES));
});
