// The latent explorer with two small models, one of which has no sigma: what moves the point, what the switches show, what is said.
// With the book's own model: views.test.mjs; in a browser: tests/book.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layers, mounted, near, oneLayer, resized, safetensors, spoken } from "./surface.mjs";
import { network, sigmoid } from "../../vaelib/static/engine.js";
import { cdf } from "../../vaelib/static/normal.js";
import * as latent from "../../vaelib/static/latent.js";

const COLOURS = ["#a00", "#0a0", "#00a"];
const MU = [[1, 1], [-2, 0.5], [0.25, -3], [-1, -1]];
const Z = MU.map(([a, b], i) => [a + 0.3 * i + 0.1, b - 0.2]);
const SIGMA = [[0.1, 0.2], [0.3, 0.1], [0.25, 0.5], [0.5, 0.15]];
const LABELS = [2, 0, 1, 2];
const decoders = [1, 2].map((k) => oneLayer(784, 2, (pixel, axis) => Math.sin(pixel * k + axis), () => 0));
const codes = (more) => safetensors({}, { mu: ["F32", [4, 2], MU.flat()], z: ["F32", [4, 2], Z.flat()], labels: ["U8", [4], LABELS], ...more });
const files = {
  "weights/ae.decoder.safetensors": decoders[0], "weights/ae.codes.safetensors": codes({}),
  "weights/vae.decoder.safetensors": decoders[1], "weights/vae.codes.safetensors": codes({ sigma: ["F32", [4, 2], SIGMA.flat()] }),
};
const PANES = { ae: { name: "ae", title: "Autoencoder", box: [-20, 10, -15, 15] }, vae: { name: "vae", title: "VAE", box: [-5, 5, -6, 6] } };

async function view(names = ["ae", "vae"], traits = {}) {
  const first = { panes: names.map((name) => PANES[name]), colours: COLOURS, z1: 0.5, z2: -1, cdf: false, zoom: false, low: -20, high: 15 };
  const all = await mounted(latent, { ...first, ...traits }, async (path) => files[path]);
  const { el, model } = all;
  const classed = (name) => el.all((one) => one.classes?.has(name));
  const [zoom, through] = el.all((one) => one.attributes?.type === "checkbox");
  const point = () => [model.get("z1"), model.get("z2")];
  const notes = () => classed("vaelib-note").map((one) => one.textContent);
  const tick = (box, checked) => ((box.checked = checked), box.dispatchEvent(new Event("change")));
  return { ...all, maps: classed("vaelib-map"), pictures: classed("vaelib-picture"), loupes: classed("vaelib-loupe"), hint: classed("vaelib-hint")[0].textContent, zoom, through, point, notes, tick };
}
/** What was drawn last of the codes of each pane: where its squares are. */
function clouds(count, change) {
  const before = layers.length;
  change();
  const all = layers.slice(before).filter((one) => one.drawn("rect").length === 5).slice(-count);
  return all.map((one) => one.drawn("rect").slice(1).map(({ x, y, width, height }) => [x + width / 2, y + height / 2]));
}
const same = (places, expected) => expected.forEach((place, i) => place.forEach((value, axis) => near(places[i][axis], value, 0.01)));
const onBox = ([low1, high1, low2, high2], points) => points.map(([a, b]) => [36 + ((a - low1) / (high1 - low1)) * 258, 280 - ((b - low2) / (high2 - low2)) * 274]);

test("each pane decodes the point by its own model, says which code is nearest, and its sigma where there is one", async () => {
  const { model, pictures, notes } = await view();
  for (const [point, i] of [[[0.5, 0.75], 0], [[-3, 0], 1], [[0, -2], 2], [[-1, -1], 3]]) {
    model.set({ z1: point[0], z2: point[1] });
    const words = `Nearest test image: a ${LABELS[i]}, at (${MU[i].map((value) => value.toFixed(2).replace("-", "−")).join(", ")}); `;
    assert.deepEqual(notes(), [`${words}a point, without σ`, `${words}σ = (${SIGMA[i].map((value) => value.toFixed(2)).join(", ")})`]);
    for (const [k, picture] of pictures.entries()) {
      const { data } = picture.drawn("pixels").at(-1).image;
      sigmoid(network(decoders[k])(point)).forEach((level, pixel) => near(255 - data[4 * pixel], 255 * level, 1));
      assert.equal(picture.attributes["aria-label"], `${["Autoencoder", "VAE"][k]}: decoded picture, near a ${LABELS[i]}`);
    }
  }
});

test("of a code that is as near as another, the first is named", async () => {
  const { model, notes } = await view(["ae"]);
  model.set({ z1: 0, z2: 0 }); // as far from (1, 1) as from (-1, -1)
  assert.match(notes()[0], /a 2, at \(1\.00, 1\.00\)/);
});

test("a loupe, and the sentence about it, is there where a model has sigma", async () => {
  const counts = {};
  for (const names of [["ae"], ["vae"], ["ae", "vae"]]) {
    const { loupes, hint, maps } = await view(names);
    assert.equal(maps.length, names.length);
    counts[names] = [loupes.length, hint.includes("loupe"), hint.includes("Drag the yellow ring") && hint.includes("Dashed")];
  }
  assert.deepEqual(counts, { ae: [0, false, true], vae: [1, true, true], "ae,vae": [1, true, true] });
});

test("the nearest code's ellipse is drawn around its mu with its sigma, and the point as a ring", async () => {
  const { model, maps } = await view(["vae"]);
  model.set({ z1: -2.25, z2: 0.75 });
  const { path } = maps[0].drawn("stroke").filter(({ path }) => path.length > 50).at(-1);
  for (const [x, y] of path) {
    const [a, b] = [-5 + ((x - 36) / 258) * 10, -6 + ((280 - y) / 274) * 12];
    near(Math.hypot((a - MU[1][0]) / SIGMA[1][0], (b - MU[1][1]) / SIGMA[1][1]), 1, 1e-4);
  }
  const [{ x, y }] = maps[0].drawn("stroke").filter(({ path }) => path[0]?.radius).at(-1).path;
  same([[x, y]], onBox(PANES.vae.box, [[-2.25, 0.75]]));
});

test("dragged on either map the point moves on both, in steps of .05, saved; Home takes it to the origin", async () => {
  const { model, maps, point } = await view();
  for (const [k, [z1, z2]] of [[0, [3.3, -4.7]], [1, [-1.23, 2.48]]]) {
    const [[clientX, clientY]] = onBox([PANES.ae, PANES.vae][k].box, [[z1, z2]]);
    maps[k].dispatchEvent(Object.assign(new Event("pointerdown"), { clientX, clientY }));
    for (const [i, value] of [z1, z2].entries()) near(point()[i], Math.round(value * 20) / 20, 1e-9);
    assert.deepEqual(model.saved, model.traits);
    for (const [pane, { box }] of [PANES.ae, PANES.vae].entries()) {
      const [{ x, y }] = maps[pane].drawn("stroke").filter(({ path }) => path[0]?.radius).at(-1).path;
      same([[x, y]], onBox(box, [point()]));
    }
  }
  maps[0].dispatchEvent(Object.assign(new Event("keydown"), { key: "Home" }));
  assert.deepEqual(point(), [0, 0]);
});

test("what is seen is spoken: where the point is, and of each model what is near", async () => {
  const { el, model } = await view();
  assert.equal(spoken(el, () => model.set("z1", -2.125)), "z1 = -2.13, z2 = -1.00. Autoencoder: near a 2. VAE: near a 2.");
  assert.equal(spoken(el, () => model.set("z2", 1)), "z1 = -2.13, z2 = 1.00. Autoencoder: near a 0. VAE: near a 0.");
});

test("through the CDF samples lie in the unit square, as they are their means; a switch tells the kernel, and is told", async () => {
  const { model, through, tick } = await view();
  const [plain, square] = [[PANES.ae.box, PANES.vae.box].map((box) => onBox(box, MU)), onBox([0, 1, 0, 1], Z.map((z) => z.map(cdf)))];
  clouds(2, () => tick(through, true)).forEach((places) => same(places, square));
  assert.deepEqual([model.get("cdf"), model.saved.cdf], [true, true]);
  clouds(2, () => tick(through, false)).forEach((places, k) => same(places, plain[k]));
  clouds(2, () => model.set("cdf", true)).forEach((places) => same(places, square));
  assert.equal(through.checked, true);
});

test("at the prior's scale all maps reach from -4 to 4, and back each has its own box, and the sliders the whole of both", async () => {
  const { model, zoom, tick, point } = await view(["ae", "vae"], { z1: -13.02, z2: 4.5 });
  const places = clouds(2, () => tick(zoom, true));
  places.forEach((each) => same(each, onBox([-4, 4, -4, 4], MU)));
  assert.deepEqual([model.get("zoom"), ...point(), model.get("low"), model.get("high")], [true, -4, 4, -4, 4]);
  assert.deepEqual(model.saved, model.traits);
  clouds(2, () => tick(zoom, false)).forEach((each, k) => same(each, onBox([PANES.ae, PANES.vae][k].box, MU)));
  assert.deepEqual([model.get("low"), model.get("high"), model.saved.low, model.saved.high], [-20, 15, -20, 15]);
  model.set("zoom", true);
  assert.equal(zoom.checked, true);
});

test("at first the switches stand as the traits say, and the maps show it", async () => {
  const { zoom, through } = await view(["vae"], { zoom: true, cdf: true });
  assert.deepEqual([zoom.checked, through.checked], [true, true]);
});

test("the card over a code paints what its own pane decodes, and a map given another place is drawn anew", async () => {
  const { el, maps } = await view();
  const cards = el.all((one) => one.classes?.has("vaelib-card"));
  for (const [k, map] of maps.entries()) {
    const [[x, y]] = onBox([PANES.ae, PANES.vae][k].box, [MU[1]]);
    map.dispatchEvent(Object.assign(new Event("pointermove"), { offsetX: x, offsetY: y, pointerType: "mouse", buttons: 0 }));
    const [picture] = cards[k].all((one) => one.tag === "canvas");
    const { data } = picture.drawn("pixels").at(-1).image;
    sigmoid(network(decoders[k])(MU[1])).forEach((level, pixel) => near(255 - data[4 * pixel], 255 * level, 1));
    const before = layers.length;
    resized(map, 200);
    assert.ok(layers.slice(before).some((layer) => layer.width === 200 && layer.drawn("rect").length === 5));
  }
});
