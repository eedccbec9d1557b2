// The playground: what it says of what has happened, its addresses, its switches and what it draws, with a worker that only notes
// what it is told. In a browser, with the worker: tests/book/test_playground.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Script } from "node:vm";
import { layers, load, model as modelOf, near, resized, stopped } from "./surface.mjs";
import { PlaneMap } from "../../vaelib/static/plane.js";
import * as playground from "../../vaelib/static/playground.js";

const { fromAddress, spreads, toAddress, typical } = playground;
const VAE = { beta: 1, noise: "learned", likelihood: "Bernoulli", sigma: 0.3, reduction: "sum", lr: 0.006, warm_up: 0, mistake: "", seed: 1 };
// The order of their sentences is not that of the exhibits.
const MUSEUM = Object.entries({ first: "Zero is off.", second: "A sign is off.", third: "More is off." }).map(([name, sentence]) => ({ name, sentence, question: `What of the ${name}?`, symptom: "It shows.", source: "a page" }));
const COLOURS = Array.from({ length: 10 }, (_, digit) => `#00000${digit}`);
const N = 40;

/** A look at 200 codes of the given spread and sigma. */
function look(own, { right = own, spread = 1, sigma = 0.1, steps = 500 } = {}) {
  const posterior = Float32Array.from({ length: 800 }, (_, i) => (i % 4 < 2 ? (i % 8 < 4 ? spread : -spread) : 2 * Math.log(sigma)));
  return { steps, own, right, posterior };
}

test("spread and sigma are those of the codes, wherever their middle is, each the mean over both latents", () => {
  const [width, sigma] = spreads(look([0, 0, 0], { spread: 3, sigma: 0.2 }).posterior);
  near(width, 3, 1e-5);
  near(sigma, 0.2, 1e-5);
  const { posterior } = look([0, 0, 0], { spread: 3, sigma: 0.2 });
  near(spreads(posterior.map((value, i) => (i % 4 === 0 ? value + 5 : value)))[0], 3, 1e-5);
  const uneven = posterior.map((value, i) => [value, value / 3, value, value + 2 * Math.log(4)][i % 4]);
  near(spreads(uneven)[0], Math.sqrt((9 + 1) / 2), 1e-5);
  near(spreads(uneven)[1], (0.2 + 0.8) / 2, 1e-5);
});

const says = (seen, settings = {}) => typical(seen, { ...VAE, ...settings });

test("each thing that typically happens has its sentence and its chapter", () => {
  const cases = [
    [look([160, 0.1, -0.8], { right: [160, 1, 1] }), {}, /never below 0/],
    [look([160, -0.8, 0.1], { right: [160, 1, 1] }), {}, /never below 0/],
    [look([-3, 2, 0.5], { right: [160, 1, 1] }), {}, /never below 0/],
    [look([160, -9, -9], { right: [160, 9, 9] }), {}, /never below 0/],
    [look([NaN, NaN, NaN], { steps: 5 }), {}, /no longer a number/],
    [look([160, 2, 2], { right: [160, 2, Infinity], steps: 5 }), {}, /no longer a number/],
    [look([5000, 3, 3]), {}, /too large/],
    [look([1000.4, 3, 3], { steps: 100 }), {}, /too large/],
    [look([205, 0.001, 0.001]), {}, /^Collapse/],
    [look([205, 3, 3], { right: [205, 0.04, 0.05] }), { beta: 0.5 }, /^Collapse/],
    [look([180, 0.001, 3]), {}, /gone dark/],
    [look([180, 3, 0.001]), {}, /gone dark/],
    [look([180, 0, 0.8]), {}, /gone dark/],
    [look([160, 15, 15], { spread: 3, sigma: 0.01 }), { beta: 0 }, /1\/300 of/],
    [look([160, 15, 15], { spread: 3, sigma: 0.009 }), { beta: 0 }, /1\/330 of/],
    [look([160, 15, 15], { spread: 9 }), { beta: 0, noise: "fixed" }, /spread to 9.0, 18 times/],
    [look([160, 15, 15], { spread: 2.6 }), { beta: 0, noise: "fixed" }, /spread to 2.6, 5 times/],
    [look([160, 0, 0], { spread: 9 }), { beta: 0, noise: "off" }, /Nothing holds the codes: their spread is 9\. Draws/],
    [look([160, 0, 0], { spread: 2.6 }), { beta: 0, noise: "off" }, /Nothing holds/],
  ];
  for (const [seen, settings, sentence] of cases) {
    const [text, page] = says(seen, settings);
    assert.match(text, sentence);
    assert.match(page, /^\d\d-/);
  }
});

test("nothing is said where all is well, where it has hardly begun, and where the numbers are not yet so", () => {
  const quiet = [
    ["a VAE that trains well", look([160, 2, 2])],
    ["99 steps", look([500, 0, 0], { steps: 99 })],
    ["an estimate of nearly 0 may come out below", look([160, 0.1, -0.4], { right: [160, 1, 1] })],
    ["half a nat below", look([160, 0.25, -0.75], { right: [160, 1, 1] })],
    ["a sum of 0", look([-4, 2, 2])],
    ["a sum of 1", look([-3, 2, 2])],
    ["a sum above 0", look([-3, 3.5, 0.1])],
    ["a density may be above 1", look([-500, 2, 2]), { likelihood: "Gaussian" }],
    ["and far below", look([5000, 2, 2]), { likelihood: "Gaussian" }],
    ["1,000 nats", look([1000, 3, 3])],
    ["a KL of a tenth", look([200, 0.1, 0])],
    ["little KL", look([200, 0.07, 0.08])],
    ["no KL where it has no price", look([200, 0.01, 0.01]), { beta: 0 }],
    ["no KL where the noise is fixed", look([200, 0.01, 0.01]), { noise: "fixed" }],
    ["a latent at .05 nats", look([180, 0.05, 3])],
    ["a latent that is in use", look([180, 0.07, 3])],
    ["half a nat in all", look([180, 0, 0.5])],
    ["less than half a nat in all", look([180, 0.001, 0.4])],
    ["a dark latent of fixed noise", look([180, 0.001, 3]), { noise: "fixed" }],
    ["small noise", look([160, 2, 2], { spread: 3, sigma: 0.045 })],
    ["fixed noise with a price", look([160, 9, 9], { spread: 9 }), { noise: "fixed" }],
    ["five times the fixed noise", look([160, 9, 9], { spread: 2.5 }), { noise: "fixed", beta: 0 }],
    ["an autoencoder's codes of that spread", look([160, 0, 0], { spread: 2.5 }), { noise: "off", beta: 0 }],
    ["a VAE's codes that are wide", look([160, 9, 9], { spread: 9 })],
  ];
  for (const [name, seen, settings] of quiet) assert.equal(says(seen, settings), null, name);
  // 256 codes, for which a hundredth of the spread is sigma exactly.
  const posterior = Float32Array.from({ length: 1024 }, (_, i) => (i % 4 < 2 ? (i % 8 < 4 ? 100 : -100) : 0));
  assert.equal(says({ ...look([160, 9, 9]), posterior }), null, "a hundredth");
});

test("an address gives back the settings it was made of, and does not name the mistake", () => {
  for (const change of [{ beta: 4, noise: "fixed", seed: 12, mistake: "second" }, { likelihood: "Gaussian", sigma: 0.25, mistake: "first" }, { reduction: "mean", lr: 0.02, warm_up: 350 }]) {
    const settings = { ...VAE, ...change };
    const address = toAddress(settings, VAE, MUSEUM);
    assert.ok(!address.includes(change.mistake));
    assert.equal([...new URLSearchParams(address)].length, Object.keys(change).length, "and holds no more than that");
    assert.deepEqual({ ...VAE, ...fromAddress(`#${address}`, MUSEUM) }, settings);
  }
  assert.equal(toAddress(VAE, VAE, MUSEUM), "");
});

test("of an address only what may be is taken: each number as far as its slider goes", () => {
  assert.deepEqual(fromAddress("#beta=11&beta=&lr=nan&noise=toString&seed=1.4&exhibit=0&museum=1&exhibit=4&exhibit=", MUSEUM), { seed: 1 });
  assert.deepEqual(fromAddress("#some-heading", MUSEUM), {});
  assert.deepEqual(fromAddress("warm_up=20.6&beta=0.75", MUSEUM), { warm_up: 21, beta: 0.75 });
  const ends = { beta: [-0.5, 0, 10, 10.5], lr: [0.00009, 1e-4, 0.1, 0.15], warm_up: [-1, 0, 2000, 2001], sigma: [0.04, 0.05, 1, 1.5], seed: [-1, 0, 9999, 10000] };
  for (const [name, [below, low, high, above]] of Object.entries(ends)) {
    for (const value of [low, high]) assert.deepEqual(fromAddress(`#${name}=${value}`, MUSEUM), { [name]: value });
    for (const value of [below, above]) assert.deepEqual(fromAddress(`#${name}=${value}`, MUSEUM), {});
  }
});

// --- on its page ---------------------------------------------------------------------------------------------------------

const text = (el, name) => el.all((one) => one.classes?.has(name)).map((one) => one.textContent);
const mapOf = (box) => Object.assign(Object.create(PlaneMap.prototype), { box, type: 1, side: 300, high: 300, left: 0, uniform: false });
const wait = () => new Promise((go) => setImmediate(go));

/** The playground with a worker that only notes what it is told; says(more) is a look that it posts. */
async function playing(settings = {}, { files = load, patiently = (work) => work, until = "held" } = {}) {
  const [told, leaving] = [[], new AbortController()];
  let worker;
  globalThis.Worker = class {
    constructor(address) {
      Object.assign(this, { address, ended: 0 });
      worker = this;
    }
    postMessage(message) {
      told.push(message);
    }
    terminate() {
      this.ended++;
    }
  };
  const [el, before, model] = [document.createElement("div"), layers.length, modelOf({ ...VAE, museum: MUSEUM, colours: COLOURS, ...settings })];
  await playground.mount({ model, el, load: files, patiently, signal: leaving.signal });
  const made = layers.slice(before);
  while (!told.some(([what]) => what === until)) await wait();
  const { labels, ten } = told.find(([what]) => what === "held")?.[1] ?? {};
  const posterior = Float32Array.from({ length: 4 * N }, (_, i) => (i % 4 < 2 ? Math.sin(7 * i) : -1 - (i % 3)));
  const tiles = (count, seed) => Uint8Array.from({ length: 784 * count }, (_, i) => (i * 7 + seed * Math.floor(i / 784) + 9) % 256);
  const look = { seed: settings.seed ?? 1, steps: 1500, judged: 1500, rate: 90, own: [160.25, 2, 1.5], right: [160.25, 2, 1.5], half: 4, posterior };
  Object.assign(look, { side: 9, plane: tiles(81, 1), made: tiles(10, 2), samples: tiles(10, 3), originals: tiles(10, 5) });
  const says = (more = {}) => worker.onmessage({ data: { ...look, ...more } });
  const button = (name) => el.all((one) => one.tag === "button" && one.textContent === name)[0];
  const press = (name) => button(name).dispatchEvent(new Event("click"));
  const labelled = (name) => el.all((one) => one.tag === "label" && one.children[0].textContent === name)[0];
  const chosen = (name) => labelled(name).children[1];
  const choose = (name, value, kind = "change") => {
    chosen(name).value = value;
    chosen(name).dispatchEvent(new Event(kind));
  };
  const canvas = (label) => made.find((one) => one.attributes["aria-label"]?.startsWith(label));
  const curves = made.find((one) => one.classes.has("vaelib-play-curves"));
  return { el, model, made, told, worker, leaving, labels, ten, look, says, button, press, labelled, chosen, choose, canvas, curves };
}

test("the worker is told settings, seed, digits and pace, then what is held out, with one of each digit", async () => {
  const { told, labels, ten } = await playing({ beta: 2, seed: 5 });
  assert.deepEqual(told.map(([what]) => what), ["pace", "settings", "seed", "train", "held"]);
  assert.deepEqual([told[0][1], told[1][1].beta, told[2][1]], [1000, 2, 5]);
  assert.equal(told[3][1].length, (4000 * 784) / 2);
  assert.deepEqual([told[4][1].bytes.length, labels.length], [(1000 * 784) / 2, 1000]);
  assert.deepEqual(ten.map((row) => labels[row]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("the worker's script is one, of both modules, and a browser can read it", async () => {
  const { worker } = await playing();
  const code = await (await fetch(worker.address)).text();
  new Script(code);
  for (const part of ["class Training", "onmessage ="]) assert.ok(code.includes(part), part);
});

test("the worker hears of every switch, and begins anew with another seed or another mistake", async () => {
  const { told, model, el } = await playing();
  for (const [name, value] of Object.entries({ beta: 4, noise: "fixed", likelihood: "Gaussian", sigma: 0.5, reduction: "mean", lr: 0.01, warm_up: 50 })) {
    told.length = 0;
    model.set(name, value);
    assert.deepEqual(told.map(([what, given]) => [what, given[name]]), [["settings", value]]);
  }
  for (const [name, value] of Object.entries({ seed: 8, mistake: "third" })) {
    told.length = 0;
    model.set(name, value);
    assert.deepEqual(told.slice(-2), [["settings", { ...told.at(-2)[1], [name]: value }], ["reset", 8]]);
    assert.ok(told.every(([what]) => what === "settings" || what === "reset"));
  }
  assert.deepEqual(text(el, "vaelib-play-seed"), ["seed 8"]);
});

test("each slider reaches from its least to its greatest value by even steps of its own scale, and stands where the value is", async () => {
  const { model, el, chosen, choose, labelled } = await playing({ likelihood: "Gaussian" });
  const SCALES = {
    beta: ["β", { 0: 0, 1: 0.01, 2: 0.011, 11: 0.032, 21: 0.1, 41: 1, 42: 1.1, 61: 10 }],
    lr: ["Learning rate", { 0: 1e-4, 10: 0.00032, 20: 0.001, 40: 0.01, 60: 0.1 }],
    warm_up: ["Warm-up, steps", { 0: 0, 1: 50, 40: 2000 }],
    sigma: ["Decoder’s σ", { 1: 0.05, 10: 0.5, 20: 1 }],
  };
  for (const [name, [label, places]] of Object.entries(SCALES)) {
    const [low, high] = [Math.min(...Object.keys(places)), Math.max(...Object.keys(places))];
    const { min, max, step } = chosen(label).attributes;
    assert.deepEqual([min, max, step].map(Number), [low, high, 1], name);
    for (const [place, value] of Object.entries(places)) {
      choose(label, place, "input");
      assert.equal(model.get(name), value);
      assert.equal(chosen(label).attributes["aria-valuetext"], String(value));
      assert.equal(labelled(label).children[2].textContent, String(value));
    }
    for (let place = low; place <= high; place++) {
      choose(label, String(place), "input");
      assert.equal(Number(chosen(label).value), place, `${name} at ${place}`);
    }
  }
  model.set("beta", 0.001); // from Python: it is not 0
  assert.equal(Number(chosen("β").value), 1);
  assert.equal(text(el, "vaelib-play-slider").length, 4);
});

test("what the page begins with is shown, each choice sets its switch, and what has no part in it is not offered", async () => {
  const { model, chosen, choose, labelled } = await playing({ lr: 0.01, reduction: "mean", noise: "fixed" });
  assert.equal(Number(chosen("Learning rate").value), 40);
  for (const [label, name, values] of [
    ["Noise on the code", "noise", ["learned", "fixed", "off"]], ["Decoder", "likelihood", ["Bernoulli", "Gaussian"]], ["Over the pixels", "reduction", ["sum", "mean"]],
  ]) {
    assert.equal(chosen(label).value, model.get(name));
    assert.deepEqual(chosen(label).children.map((one) => one.value), values);
    for (const value of values) {
      choose(label, value);
      assert.equal(model.get(name), value);
      assert.equal(labelled("Decoder’s σ").hidden, model.get("likelihood") !== "Gaussian");
      assert.equal(chosen("β").disabled, model.get("noise") === "off");
    }
  }
  assert.equal(chosen("Learning rate").disabled, undefined);
  assert.equal(labelled("Warm-up, steps").hidden, false);
});

test("four buttons make the models of chapter 4's experiment, and the one that it is now is pressed", async () => {
  const { model, press, button } = await playing({ beta: 3 });
  const models = { AE: ["off", 0], "fixed noise": ["fixed", 0], "free σ": ["learned", 0], VAE: ["learned", 1] };
  const pressed = () => Object.keys(models).filter((name) => button(name).attributes["aria-pressed"] === "true");
  assert.deepEqual(pressed(), []);
  let saved = 0;
  model.save_changes = () => saved++;
  for (const [k, [name, settings]] of Object.entries(models).entries()) {
    press(name);
    assert.deepEqual([model.get("noise"), model.get("beta")], settings);
    assert.deepEqual(pressed(), [name]);
    assert.equal(saved, k + 1, "Python hears of it");
  }
});

test("a look is drawn: numbers, codes with their ellipses, tiles in their order, bars of the KL", async () => {
  const { el, says, look, labels, told, canvas } = await playing();
  assert.equal(el.attributes["aria-busy"], "true");
  says();
  assert.equal(el.attributes["aria-busy"], "false");
  assert.equal(told.at(-1)[0], "drawn");
  assert.deepEqual(text(el, "vaelib-sum"), ["After 1,500 steps, 90 a second: held out 163.8 = reconstruction 160.3 + KL 3.50."]);
  const cloud = canvas("Codes of");
  assert.equal(cloud.attributes["aria-label"], `Codes of ${N} held-out digits after 1500 steps, within ±4`);
  const map = mapOf([-4, 4, -4, 4]);
  const squares = layers.findLast((one) => one.drawn("rect").length > N).drawn("rect").slice(1);
  assert.deepEqual(squares.map(({ colour }) => colour), Array.from(labels.subarray(0, N), (label) => COLOURS[label]));
  const rings = cloud.drawn("stroke").filter(({ path }) => path[0]?.across);
  assert.equal(rings.length, Math.ceil(N / 3));
  for (const [k, { path: [{ x, y, across, up }], colour, clip }] of rings.entries()) {
    const [a, b, logVar1, logVar2] = look.posterior.subarray(12 * k, 12 * k + 4);
    const [z1, z2] = map.toPlane(x, y);
    near(z1, a, 1e-5);
    near(z2, b, 1e-5);
    near(across, (Math.exp(logVar1 / 2) * 258) / 8, 1e-3);
    near(up, (Math.exp(logVar2 / 2) * 274) / 8, 1e-3);
    assert.equal(colour, COLOURS[labels[3 * k]]);
    assert.deepEqual(clip, [{ x: 36, y: 6, width: 258, height: 274 }], "as far as the map goes");
  }
  assert.equal(cloud.context.globalAlpha, 1, "the next look is as bright as this");
  for (const [label, across, down, levels] of [
    ["The plane", 9, 9, look.plane], ["Ten held-out", 10, 1, look.originals], ["Their", 10, 1, look.made], ["Ten draws", 10, 1, look.samples],
  ]) {
    const { width, height, data } = canvas(label).drawn("pixels").at(-1).image;
    assert.deepEqual([width, height], [28 * across, 28 * down]);
    for (let i = 0; i < levels.length; i++) {
      const [tile, x, y] = [Math.floor(i / 784), i % 28, Math.floor((i % 784) / 28)];
      const at = 4 * (width * (28 * Math.floor(tile / across) + y) + 28 * (tile % across) + x);
      for (const channel of [0, 1, 2]) if (255 - data[at + channel] !== levels[i]) assert.fail(`${label}, ${i}: ${255 - data[at + channel]}, not ${levels[i]}`);
    }
  }
  const bars = el.all((one) => one.classes?.has("vaelib-play-kl"));
  assert.deepEqual(bars.map((one) => one.textContent), ["z₁ 2.00 nats", "z₂ 1.50 nats"]);
  assert.deepEqual(bars.map((one) => one.all(({ tag }) => tag === "i")[0].style.width), ["24%", "18%"]);
  assert.equal(el.all((one) => one.classes?.has("vaelib-play-views")).length, 1, "the part that stays in sight on a phone");
});

test("numbers are written as long as they need to be, in the program's own words where it has a mistake; a rate only where there is one", async () => {
  const { el, says, model } = await playing();
  const sum = () => text(el, "vaelib-sum")[0];
  says({ steps: 0, judged: 0, rate: 0, own: [10, 9.994, -3] });
  assert.equal(sum(), "After 0 steps: held out 17.0 = reconstruction 10.0 + KL 6.99.");
  says({ own: [100000, -3, -1.5] });
  assert.equal(sum(), "After 1,500 steps, 90 a second: held out 99995.5 = reconstruction 1.0e+5 + KL −4.50.");
  says({ own: [150000, -10.5, 0] });
  assert.equal(sum(), "After 1,500 steps, 90 a second: held out 1.5e+5 = reconstruction 1.5e+5 + KL −10.5.");
  model.set("mistake", "first");
  says({ rate: 0.6 });
  assert.equal(sum(), "After 1,500 steps, 1 a second: by this program’s own reckoning 163.8 = reconstruction 160.3 + KL 3.50.");
});

test("of many codes 600 are drawn, within the square that the worker names", async () => {
  const { says, canvas } = await playing();
  says({ half: 8, posterior: Float32Array.from({ length: 4000 }, (_, i) => (i % 4 < 2 ? 3 : -2)) });
  assert.equal(canvas("Codes of").attributes["aria-label"], "Codes of 600 held-out digits after 1500 steps, within ±8");
  const rings = canvas("Codes of").drawn("stroke").filter(({ path }) => path[0]?.across);
  assert.equal(rings.length, 200);
  const [x, y] = mapOf([-8, 8, -8, 8]).toScreen([3, 3]);
  near(rings[0].path[0].x, x, 1e-4);
  near(rings[0].path[0].y, y, 1e-4);
});

test("nothing is drawn before there is a look, nor anew after a reset; then a map of another size is", async () => {
  const { says, canvas, curves, press } = await playing();
  const [cloud, strokes] = [canvas("Codes of"), () => curves.drawn("stroke").length];
  resized(cloud, 200);
  assert.equal(strokes(), 0);
  for (const steps of [10, 20]) says({ steps, judged: steps });
  assert.deepEqual([strokes(), curves.drawn("stroke").at(-1).path.length], [6, 2]);
  resized(cloud, 250);
  assert.equal(strokes(), 9);
  press("Reset");
  resized(cloud, 260);
  assert.equal(strokes(), 9);
  says({ steps: 10, judged: 10 });
  assert.equal(curves.drawn("stroke").at(-1).path.length, 1, "the curves begin again");
  press("Reset");
  for (const steps of [5000, 10, 20]) says({ steps, judged: steps });
  assert.equal(curves.drawn("stroke").at(-1).path.length, 2, "a look from before the reset that comes after it leaves no line");
  const hidden = await playing();
  Object.assign(hidden.curves, { clientWidth: 0 });
  Object.assign(hidden.canvas("Codes of"), { clientWidth: 0 });
  hidden.says();
  assert.deepEqual(hidden.curves.drawn("stroke"), [], "nor where it is not on the page");
});

test("what was judged once is one point of the curves; of another seed's look nothing is shown, but the worker goes on", async () => {
  const { says, curves, told, el } = await playing();
  for (const judged of [10, 20, 20, 30, 40, 40]) says({ steps: judged + 1, judged });
  assert.equal(curves.drawn("stroke").at(-1).path.length, 4);
  told.length = 0;
  says({ seed: 2, steps: 77 });
  assert.match(text(el, "vaelib-sum")[0], /^After 41 steps/);
  assert.deepEqual(told, [["drawn", undefined]]);
});

test("the curves fill their place, wide or high, sharp on a fine screen; before step 100 their axis ends there", async () => {
  globalThis.devicePixelRatio = 2;
  const { says, curves } = await playing();
  Object.assign(curves, { clientWidth: 430, clientHeight: 200 });
  const last = (more) => {
    const [strokes, texts] = [curves.drawn("stroke").length, curves.drawn("text").length];
    says(more);
    return [curves.drawn("stroke").slice(strokes), curves.drawn("text").slice(texts)];
  };
  const [, before] = last({ steps: 5, judged: 5, own: [500, 3, 4] });
  delete globalThis.devicePixelRatio;
  assert.deepEqual([curves.width, curves.height, curves.drawn("stroke").at(-1).on([1, 1])], [860, 400, [2, 2]]);
  assert.deepEqual(before.filter(({ align }) => align === "center").map(({ text, x, y }) => [text, Math.round(x), y]), [["10", 40, 190], ["100", 340, 190]]);
  const [[sum, reconstruction, kl], texts] = last({ steps: 50, judged: 50, own: [300, 3, 4] });
  assert.deepEqual(sum.path.map(([x]) => x), [40 + 300 * (Math.log10(50) - 1)], "the start is left out");
  // One point on a scale of a nat: in the middle of its panel; of two the upper is at 7.49 of 7.98 nats.
  near(kl.path[0][1], (200 * 0.68 + 178) / 2, 1e-6);
  near(sum.path[0][1], 120 - (7.5 / 8) * 112, 1e-6);
  near(reconstruction.path[0][1], 120 - (0.5 / 8) * 112, 1e-6);
  const names = texts.filter(({ align, x }) => align === "left" && x === 430 - 86);
  assert.deepEqual(names.map(({ text }) => text), ["sum", "reconstruction", "KL"]);
  names.forEach(({ y }, k) => near(y, [sum, reconstruction, kl][k].path[0][1], 1e-6));
  assert.equal(curves.attributes["aria-label"], "Losses held out over 50 steps: reconstruction 300.0, KL 7.00 nats");
  const [, marks] = last({ steps: 1000, judged: 1000, own: [299, 3, 4] });
  assert.deepEqual(marks.filter(({ align }) => align === "center").map(({ text }) => text), ["10", "100", "1,000"]);
});

test("names of curves that meet stand one below the other; a loss that is no number has its name at the top and breaks no curve", async () => {
  const { says, curves } = await playing();
  const names = () => curves.drawn("text").filter(({ text }) => ["sum", "reconstruction", "KL"].includes(text)).slice(-3).map(({ y }) => y);
  for (const steps of [10, 20, 30]) says({ steps, judged: steps, own: [200 - steps, 0, 0] });
  near(names()[1] - names()[0], 12, 1e-9);
  says({ steps: 40, judged: 40, own: [NaN, NaN, NaN] });
  names().forEach((y, k) => near(y, [16, 16, 212][k], 1e-9));
  assert.deepEqual(curves.drawn("stroke").slice(-3).map(({ path }) => path.length), [3, 3, 3]);
  says({ steps: 50, judged: 50, own: [190, 1, 1] });
  assert.deepEqual(curves.drawn("stroke").slice(-3).map(({ path }) => path.length), [4, 4, 4]);
  const none = await playing();
  none.says({ own: [NaN, NaN, NaN] });
  assert.deepEqual(none.curves.drawn("text").filter(({ x }) => x === 33), [], "no scale where there is no number");
});

test("ticks of a scale say what they are, below 0 and in the ten thousands too", async () => {
  const ticksOf = async (from, to) => {
    const { says, curves } = await playing({ likelihood: "Gaussian" });
    for (const [steps, loss] of [[10, from], [20, to]]) says({ steps, judged: steps, own: [loss, 0, 0] });
    const [[, high], [, low]] = curves.drawn("stroke").at(-2).path;
    const ticks = curves.drawn("text").filter(({ x, y }) => x === 33 && y < 190).slice(-2);
    for (const { text, y } of ticks) near(Number(text.replace("−", "-")), from + ((y - high) / (low - high)) * (to - from), 1e-6 * (from - to));
    return ticks.map(({ text }) => text);
  };
  assert.deepEqual(await ticksOf(16000, 9000), ["1e+4", "1.5e+4"]);
  assert.deepEqual(await ticksOf(-100, -400), ["−400", "−200"]);
  assert.deepEqual(await ticksOf(1004.4, 1000.6), ["1002", "1004"]);
  assert.deepEqual(await ticksOf(9999.9, 9998.3), ["9999", "10000"].map((tick, i) => (i ? "1e+4" : tick)));
});

test("a page that is out of sight does not train; one that is left ends its worker", async () => {
  const [page, { addEventListener }] = [new EventTarget(), document];
  for (const name of ["addEventListener", "removeEventListener"]) document[name] = page[name].bind(page);
  try {
    const { told, press, leaving, worker } = await playing();
    const turned = (hidden) => {
      told.length = 0;
      document.hidden = hidden;
      page.dispatchEvent(new Event("visibilitychange"));
      return told.flat();
    };
    assert.deepEqual(turned(false), ["run", false], "it was not asked to");
    press("Play");
    assert.deepEqual(turned(true), ["run", false]);
    assert.deepEqual(turned(false), ["run", true]);
    assert.equal(worker.ended, 0);
    leaving.abort();
    assert.equal(worker.ended, 1);
    assert.deepEqual(turned(true), []);
  } finally {
    Object.assign(document, { addEventListener, hidden: false });
  }
});

test("one that is left before its digits have come makes no worker", async () => {
  const leaving = new AbortController();
  globalThis.Worker = class {
    constructor() {
      assert.fail("who would end it?");
    }
  };
  const slow = async (path) => {
    if (path.endsWith("worker.js")) leaving.abort();
    return load(path);
  };
  const model = modelOf({ ...VAE, museum: MUSEUM, colours: COLOURS });
  const mounting = playground.mount({ model, el: document.createElement("div"), load: slow, patiently: (work) => work, signal: leaving.signal });
  await assert.rejects(mounting, { name: "AbortError" });
});

test("the button says what it would do; a step stops the training", async () => {
  const { press, button, told } = await playing();
  press("Play");
  assert.ok(button("Pause") && !button("Play"));
  told.length = 0;
  press("One step");
  assert.ok(button("Play") && !button("Pause"));
  assert.deepEqual(told, [["run", false], ["step", undefined]]);
});

test("who wants little motion sees a look a second, others ten", async () => {
  const { matchMedia } = globalThis;
  for (const [matches, pace] of [[true, 1000], [false, 100]]) {
    globalThis.matchMedia = () => ({ matches });
    const { told } = await playing();
    assert.deepEqual(told[0], ["pace", pace]);
  }
  globalThis.matchMedia = matchMedia;
});

test("a training that breaks down, and held-out digits that do not come or come late, are told", async () => {
  const hint = ({ el }) => text(el, "vaelib-hint").find((words) => !/Each exhibit|MNIST/.test(words));
  const broken = await playing();
  broken.worker.onerror({ message: "out of memory" });
  assert.equal(hint(broken), "The training stopped: out of memory");
  const files = (path) => (path.includes("heldout") ? Promise.reject(new Error("gone")) : load(path));
  const without = await playing({}, { files, until: "train" });
  await wait();
  assert.equal(hint(without), "The held-out digits have not come (gone); without them there is nothing to see.");
  let come;
  const patiently = (work, complain) => (complain("10 seconds"), new Promise((go) => (come = () => go(work))));
  const late = await playing({}, { patiently, until: "train" });
  assert.match(hint(late), /have not come \(10 seconds\)/);
  come();
  while (!late.told.some(([what]) => what === "held")) await wait();
  assert.equal(hint(late), "");
});

/** Work on a page of the book at an address; its history notes what it is told. */
async function inBook(hash, work) {
  const replaced = [];
  document.documentElement.dataset.content_root = "../";
  document.baseURI = "https://book.org/a/chapters/train.html";
  const place = { hash, href: `${document.baseURI}${hash}` };
  Object.assign(globalThis, { location: place, history: { state: "kept", replaceState: (...given) => replaced.push(given) } });
  try {
    await work(replaced);
  } finally {
    delete document.documentElement.dataset.content_root;
    delete globalThis.location;
    delete globalThis.history;
  }
}

test("in the book the address sets the switches and keeps up with them; in a notebook it is none of ours", async () => {
  await inBook("#beta=4&seed=7&exhibit=2", async (replaced) => {
    const { model, told } = await playing();
    assert.deepEqual(["beta", "seed", "mistake"].map(model.get), [4, 7, "second"]);
    assert.deepEqual(told.find(([what]) => what === "seed"), ["seed", 7]);
    const clock = stopped();
    model.set("warm_up", 10);
    clock.tick(299);
    model.set("warm_up", 100);
    clock.tick(299);
    assert.deepEqual(replaced, [], "not with each step: browsers allow a hundred in half a minute");
    clock.tick(1);
    assert.deepEqual(replaced.at(-1), ["kept", "", "#beta=4&warm_up=100&seed=7&exhibit=2"]);
    for (const [name, value] of Object.entries(VAE)) model.set(name, value);
    clock.tick(300);
    clock.goOn();
    assert.equal(replaced.length, 2);
    assert.deepEqual(replaced.at(-1), ["kept", "", "https://book.org/a/chapters/train.html"], "where all is as it was there is none");
  });
  globalThis.location = { hash: "#beta=4" };
  globalThis.history = { replaceState: assert.fail };
  const { model, button } = await playing();
  model.set("lr", 0.01);
  assert.equal(model.get("beta"), 1);
  assert.equal(button("Copy link").hidden, true);
  delete globalThis.location;
  delete globalThis.history;
});

test("a link is copied for six seconds' notice; where nothing can be copied it is shown", async () => {
  const copied = [];
  const link = "https://book.org/a/chapters/train.html#beta=4";
  const clipboards = [{ writeText: async (words) => copied.push(words) }, undefined, { writeText: async () => Promise.reject(new Error("denied")) }];
  for (const [k, clipboard] of clipboards.entries()) {
    Object.defineProperty(globalThis, "navigator", { value: { clipboard }, configurable: true });
    await inBook("#some-heading", async () => {
      const { model, press, button, el } = await playing();
      const clock = stopped();
      model.set("beta", 4);
      clock.tick(300);
      assert.equal(button("Copy link").hidden, false);
      press("Copy link");
      await wait();
      assert.deepEqual(text(el, "vaelib-play-copied"), [k ? link : "Copied."]);
      clock.tick(5999);
      assert.notEqual(text(el, "vaelib-play-copied")[0], "");
      clock.tick(1);
      assert.deepEqual(text(el, "vaelib-play-copied"), [""]);
      clock.goOn();
    });
  }
  assert.deepEqual(copied, [link]);
});

test("what happens is explained by a page, to which the book has a link", async () => {
  const links = ({ el }) => el.all((one) => one.tag === "a").map((one) => one.attributes.href);
  await inBook("", async () => {
    const view = await playing();
    view.says({ own: [205, 0, 0], right: [205, 0, 0] });
    assert.deepEqual(links(view), ["https://book.org/a/chapters/08-beta.html"]);
    assert.match(text(view.el, "vaelib-play-typical")[0], /of all\. Why: chapter 8\.$/);
  });
  const view = await playing();
  view.says({ own: [205, 0, 0], right: [205, 0, 0] });
  assert.deepEqual(links(view), []);
});

test("buttons speak to the worker: play and pause, one step, reset, the next seed after 9999 is 0", async () => {
  const { told, press, model } = await playing({ seed: 9999 });
  told.length = 0;
  press("Play");
  press("Pause");
  press("One step");
  press("Reset");
  assert.deepEqual(told.map(([what, given]) => (what === "settings" ? [what] : [what, given])), [["run", true], ["run", false], ["run", false], ["step", undefined], ["settings"], ["reset", 9999]]);
  press("Next seed");
  assert.equal(model.get("seed"), 0);
});

test("fixed noise has ellipses of sigma one half, and without noise there are none", async () => {
  for (const [noise, width] of [["fixed", (0.5 * 258) / 8], ["off", null]]) {
    const { made, says, el } = await playing({ noise });
    says();
    const rings = made.flatMap((one) => one.drawn("stroke")).filter(({ path }) => path[0]?.across);
    assert.equal(rings.length, width === null ? 0 : Math.ceil(N / 3));
    for (const { path: [{ across }] } of rings) near(across, width, 1e-3);
    if (noise === "off") assert.match(text(el, "vaelib-play-kl").join(), /no noise, no KL/);
  }
});

test("the curves go through each loss, over the logarithm of the steps, on scales whose ticks are true", async () => {
  const { made, says } = await playing();
  const history = [[0, 540, 0.1, 0.1], [10, 300, 1, 2], [100, 200, 3, 3], [1000, 150, 4, 2], [3000, 140, 4, 2.5]];
  const curves = made.find((one) => one.classes.has("vaelib-play-curves"));
  let before;
  for (const [steps, ...own] of history) {
    before = curves.drawn("text").length;
    says({ steps, judged: steps, own });
  }
  const last = curves.drawn("text").slice(before);
  const lines = curves.drawn("stroke").slice(-3);
  assert.deepEqual(lines.map(({ path }) => path.length), [4, 4, 4], "what comes before step 10 is left out");
  const across = (step) => 40 + ((Math.log10(step) - 1) / (Math.log10(3000) - 1)) * 170;
  for (const { path } of lines) path.forEach(([x], i) => near(x, across(history[i + 1][0]), 1e-6));
  const values = [([, r, a, b]) => r + a + b, ([, r]) => r, ([, , a, b]) => a + b].map((of) => history.slice(1).map(of));
  lines.forEach(({ path }, k) => {
    for (let i = 1; i < 3; i++) near((path[i][1] - path[0][1]) / (path[3][1] - path[0][1]), (values[k][i] - values[k][0]) / (values[k][3] - values[k][0]), 1e-6);
  });
  const ticks = last.filter(({ align, x }) => align === "right" && x === 33);
  // The number at each tick is the loss that lies at its height.
  const [high, low] = [lines[0].path[0][1], lines[1].path[3][1]];
  const height = (value) => low + ((value - 140) / (303 - 140)) * (high - low);
  const upper = ticks.filter(({ y }) => y < 300 * 0.6);
  assert.ok(upper.length >= 2);
  for (const { text, y } of upper) near(y, height(Number(text)), 1e-6);
  const marks = last.filter(({ align }) => align === "center");
  assert.deepEqual(marks.map(({ text }) => text), ["10", "100", "1,000"]);
  for (const { text, x } of marks) near(x, across(Number(text.replace(",", ""))), 1e-6);
  // A panel's curves reach from its floor to its top, but for a margin of .06 of what they rise, or of half a nat.
  for (const [path, top, bottom, rise, margin] of [[lines[0].path, 8, 180, 163, 0.06 * 163], [lines[2].path, 204, 278, 3.5, 0.5]]) {
    const heights = path.map(([, y]) => y);
    if (path === lines[0].path) near(Math.min(...heights), top + (margin / (rise + 2 * margin)) * (bottom - top), 1e-6);
    else near(Math.max(...heights) - Math.min(...heights), (rise / (rise + 2 * margin)) * (bottom - top), 1e-6);
  }
  const names = last.filter(({ text }) => ["sum", "reconstruction"].includes(text));
  assert.ok(names[1].y - names[0].y >= 12, "one label below the other");
});

test("of a long training the curve keeps every other point, and the newest", async () => {
  const { made, says } = await playing();
  const curves = made.find((one) => one.classes.has("vaelib-play-curves"));
  const path = () => curves.drawn("stroke").at(-1).path;
  const none = new Uint8Array(0); // pictures take time, 801 times
  const no = { plane: none, made: none, samples: none, originals: none };
  for (let k = 1; k <= 801; k++) {
    if (k === 801) assert.equal(path().length, 800);
    says({ ...no, steps: 10 * k, judged: 10 * k, own: [200, 3, 3] });
  }
  assert.equal(path().length, 401);
  const step = ([x]) => 10 ** (1 + ((x - 40) / 170) * (Math.log10(8010) - 1));
  path().forEach((place, i) => near(step(place), 20 * i + 10, 1e-3));
  says({ steps: 8020, judged: 8020, own: [200, 3, 3] });
  assert.equal(path().length, 402);
});

test("what typically happens is said once the numbers look like it, and said anew only where it is another thing", async () => {
  const { el, says } = await playing();
  says({ own: [205, 0.001, 0.001], right: [205, 0.001, 0.001] });
  assert.match(text(el, "vaelib-play-typical")[0], /^Collapse.*Why: chapter 8\.$/);
  says();
  assert.deepEqual(text(el, "vaelib-play-typical"), [""]);
});

test("what happens is spoken once: anew where it is another thing, though the same chapter explains it, and not for other figures", async () => {
  const { el, says, press, model } = await playing({ noise: "learned", beta: 0 });
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (work) => work(); // no moment of quiet is waited for
  press("Play");
  const [line] = el.all((one) => one.attributes?.role === "status" && one.classes.has("vaelib-unseen"));
  const spoken = [];
  Object.defineProperty(line, "textContent", { set: (words) => spoken.push(words) });
  const wide = (spread, sigma) => Float32Array.from({ length: 4 * N }, (_, i) => (i % 4 < 2 ? (i % 8 < 4 ? spread : -spread) : 2 * Math.log(sigma)));
  says({ posterior: wide(3, 0.02) });
  says({ posterior: wide(4, 0.01) });
  model.set("noise", "fixed");
  says({ posterior: wide(9, 0.01) });
  says({ posterior: wide(12, 0.01) });
  globalThis.setTimeout = setTimeout;
  assert.equal(spoken.length, 2, spoken.join("\n"));
  assert.match(spoken[0], /^The noise is undone: σ is 1\/150/);
  assert.match(spoken[1], /^The noise is being drowned.* 9\.0, 18 times/);
});

test("an ellipse that no canvas can hold is left out, whichever way it is too long, and the others are there", async () => {
  const { made, says, look } = await playing();
  const posterior = Float32Array.from(look.posterior);
  const long = (pixels, room) => 2 * Math.log((8 * pixels) / room);
  [posterior[2], posterior[12 + 3]] = [long(10100, 258), long(10100, 274)]; // of the first and the second that have one
  [posterior[24 + 2], posterior[36 + 3]] = [long(9990, 258), long(9990, 274)];
  says({ posterior });
  const rings = made.find((one) => one.attributes["aria-label"]?.startsWith("Codes of")).drawn("stroke").filter(({ path }) => path[0]?.across);
  assert.equal(rings.length, Math.ceil(N / 3) - 2);
  for (const { path: [{ across, up }] } of rings) assert.ok(across < 1e4 && up < 1e4);
});

test("while it stands still every look is spoken, numbers where nothing happens; after a reset what happens is said anew", async () => {
  const { el, says, press } = await playing();
  const [line] = el.all((one) => one.attributes?.role === "status" && one.classes.has("vaelib-unseen"));
  const spoken = () => {
    clock.tick(800);
    return line.textContent;
  };
  const collapse = { own: [205, 0, 0], right: [205, 0, 0] };
  const clock = stopped();
  says();
  assert.equal(spoken(), text(el, "vaelib-sum")[0]);
  says({ steps: 1501 });
  assert.match(spoken(), /^After 1,501 steps/);
  press("Play");
  says({ steps: 1600 });
  assert.match(spoken(), /^After 1,501 steps/, "while it runs not");
  for (const again of [() => {}, () => press("Reset")]) {
    again();
    line.textContent = "";
    says(collapse);
    assert.match(spoken(), /^Collapse/);
  }
  line.textContent = "";
  says(collapse);
  assert.equal(spoken(), "");
  clock.goOn();
});

test("the museum tells nothing before a guess; a wrong one gets a question, a right one or giving up the whole story", async () => {
  const { el, says, press, choose } = await playing({ mistake: "second" });
  const answer = () => text(el, "vaelib-play-answer")[0];
  press("Tell me");
  assert.equal(answer(), "A sign is off. It shows. Published: a page.", "before anything was seen");
  says({ own: [100, 1, 1.5], right: [160, 1, 1.25] });
  choose("Your guess", "first");
  assert.equal(answer(), "No, that one looks different. A question that helps: What of the second?");
  const story = "A sign is off. It shows. It reports 102.5 nats; by the right formulas the same network costs 162.3. Published: a page.";
  press("Tell me");
  assert.equal(answer(), story);
  choose("Your guess", "second");
  assert.equal(answer(), `Yes. ${story}`);
  choose("Your guess", "");
  assert.equal(answer(), `Yes. ${story}`, "no guess is no wrong one");
});

test("an exhibit is the book's VAE with one mistake; its guesses stand in an order that gives nothing away, and none is left from the last", async () => {
  const { el, model, told, chosen, choose } = await playing({ beta: 4, noise: "off", reduction: "mean", likelihood: "Gaussian" });
  const [guessing] = el.all((one) => one.classes?.has("vaelib-play-guess"));
  assert.deepEqual(chosen("Program").children.map(({ value, textContent }) => [value, textContent]), [["", "none: the program is right"], ["first", "exhibit 1"], ["second", "exhibit 2"], ["third", "exhibit 3"]]);
  assert.deepEqual(chosen("Your guess").children.slice(1).map(({ value, textContent }) => [value, textContent]), [["second", "A sign is off."], ["third", "More is off."], ["first", "Zero is off."]]);
  assert.deepEqual([chosen("Program").value, guessing.hidden], ["", true]);
  for (const mistake of ["third", "first"]) {
    told.length = 0;
    choose("Program", mistake);
    const { museum, colours, seed, ...settings } = model.traits;
    assert.deepEqual(settings, { beta: 1, noise: "learned", likelihood: "Bernoulli", sigma: 0.3, reduction: "sum", lr: 0.006, warm_up: 0, mistake });
    assert.equal(told.at(-1)[0], "reset");
    assert.deepEqual([chosen("Program").value, guessing.hidden, chosen("Your guess").value, text(el, "vaelib-play-answer")[0]], [mistake, false, "", ""]);
    choose("Your guess", "second");
    assert.match(text(el, "vaelib-play-answer")[0], /^No/);
  }
  model.set("seed", 5);
  assert.deepEqual([chosen("Your guess").value, text(el, "vaelib-play-answer")[0]], ["", ""]);
  choose("Program", "");
  assert.equal(guessing.hidden, true);
});
