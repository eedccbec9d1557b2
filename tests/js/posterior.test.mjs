// The explorer of the exact posterior, on networks of one layer: that it draws and says what evidence.js finds. In a browser: tests/book.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layers, load, mounted, near, oneLayer, resized, spoken } from "./surface.mjs";
import { network, posterior as posteriorOf, readSafetensors } from "../../vaelib/static/engine.js";
import { boundsOf, coarsePlane, exactPosterior, weighed } from "../../vaelib/static/evidence.js";
import * as posterior from "../../vaelib/static/posterior.js";

const files = {
  "weights/small.decoder.safetensors": oneLayer(784, 2, (pixel, k) => Math.sin(pixel + 2 * k), () => 0),
  "weights/small.encoder.safetensors": oneLayer(4, 784, (k, pixel) => Math.sin(3 * k + pixel) / 100, (k) => [0.5, -1, -2.5, -3.5][k]),
};
const DRAWS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const levels = readSafetensors(await load("vaelib/digits.safetensors")).tensors.pixels.data;
const digit = (i) => Float32Array.from(levels.subarray(784 * i, 784 * (i + 1)), (level) => level / 255);
const [encode, decode] = [network(files["weights/small.encoder.safetensors"], [1, 28, 28]), network(files["weights/small.decoder.safetensors"])];
const plane = await coarsePlane(decode);

/** What is true of pixels: q, the cells of the exact posterior, the bounds and their draws. */
async function truth(x) {
  const q = posteriorOf(encode(x));
  return { q, ...(await exactPosterior(decode, plane, x)), ...(await boundsOf(await weighed(decode, x, q), DRAWS)) };
}

async function view(traits) {
  const before = layers.length;
  const all = await mounted(posterior, { name: "small", digit: 2, position: 3, ...traits }, async (path) => files[path] ?? load(path));
  const { el } = all;
  const [map, curve] = el.all((one) => one.classes?.has("vaelib-map"));
  const sum = () => el.all((one) => one.classes?.has("vaelib-sum"))[0].textContent;
  const radios = el.all((one) => one.attributes?.type === "radio");
  const marked = () => radios.map((radio) => Boolean(radio.checked)).indexOf(true);
  const [pad] = el.all((one) => one.classes?.has("vaelib-pad"));
  const still = async () => {
    for (let i = 0; el.attributes["aria-busy"] !== "false"; i++) await new Promise((go, fail) => (i < 4000 ? setTimeout(go, 5) : fail(new Error("it is busy for ever"))));
  };
  const last = (holds) => layers.slice(before).findLast(holds);
  const cloud = () => last((one) => one.drawn("rect").some(({ colour }) => String(colour).startsWith("rgba(213")));
  const bounds = () => last((one) => one.drawn("text").some(({ text }) => text === "log p(x)"));
  return { ...all, map, curve, sum, radios, marked, pad, still, cloud, bounds };
}
const nats = (value) => value.toFixed(2).replace("-", "−");
const says = ({ logEvidence, bounds }, at) =>
  `log p(x) = ${nats(logEvidence)}; ELBO = ${nats(bounds[0])}; gap = ${nats(logEvidence - bounds[0])} nats. With k = ${DRAWS[at].toLocaleString("en")}: ${nats(logEvidence - bounds[at])} nats are left.`;

const [seen, right] = await Promise.all([view(), truth(digit(2))]);

test("for each number of draws the sentence says what is known and what is left, and it is spoken", () => {
  for (const at of [...DRAWS.keys()].reverse()) {
    const said = spoken(seen.el, () => seen.model.set("position", at));
    assert.deepEqual([said, seen.sum()], [says(right, at), says(right, at)]);
  }
});

test("the map is a square around the cells within nine nats of the highest and q to four sigma, and a tenth more", () => {
  const { q, cells, draws } = right;
  const top = Math.max(...cells.map(({ log }) => log));
  const shown = cells.filter(({ log }) => log > top - 9);
  const ends = [0, 1].map((axis) => {
    const places = [...shown.map(({ z }) => z[axis]), q.mu[axis] - 4 * q.sigma[axis], q.mu[axis] + 4 * q.sigma[axis]];
    return [Math.min(...places), Math.max(...places)];
  });
  const half = 0.55 * Math.max(...ends.map(([low, high]) => high - low));
  const middle = ends.map(([low, high]) => (low + high) / 2);
  for (const k of [3, 0, 9]) {
    seen.model.set("position", k);
    const layer = seen.cloud();
    const rects = layer.drawn("rect");
    const texts = layer.drawn("text").filter(({ align }) => align === "right").map(({ text }) => 6 * text.length);
    const left = Math.max(36, Math.max(...texts) + 8);
    const at = ([a, b]) => [left + ((a - middle[0] + half) / (2 * half)) * (294 - left), 280 - ((b - middle[1] + half) / (2 * half)) * 274];
    const orange = rects.filter(({ colour }) => String(colour).startsWith("rgba(213, 94, 0, "));
    assert.equal(orange.length, shown.length);
    for (const [i, { z, size, log }] of shown.entries()) {
      const [[x0, y1], [x1, y0]] = [-0.5, 0.5].map((side) => at(z.map((value) => value + side * size)).map(Math.round));
      const { x, y, width, height, colour } = orange[i];
      // At half a pixel the last bit decides.
      for (const [value, wanted] of [[x, x0], [y, y0], [width, x1 - x0], [height, y1 - y0]]) near(value, wanted, 1);
      near(Number(colour.match(/, ([\d.e-]+)\)$/)[1]), Math.exp(log - top), 1e-9);
    }
    assert.ok(shown.filter((_, i) => orange[i].x === Math.round(at(shown[i].z.map((value) => value - shown[i].size / 2))[0])).length > 0.99 * shown.length);
    const dots = rects.filter(({ colour }) => colour === "#0072b2");
    assert.equal(dots.length, DRAWS[k]);
    for (const [i, { x, y, width, height }] of dots.entries()) {
      assert.deepEqual([width, height], [3, 3]);
      at(draws[i]).forEach((value, axis) => near([x, y][axis] + 1.5, value, 1e-6));
    }
    const rings = layer.drawn("stroke").filter(({ path }) => path.length > 50);
    assert.equal(rings.length, 2);
    for (const [i, { path }] of rings.entries()) {
      const [across, up] = q.sigma.map((sigma) => (i + 1) * sigma);
      near(path[0][0], at([q.mu[0] + across, q.mu[1]])[0], 1e-6);
      near(Math.min(...path.map(([, y]) => y)), at([0, q.mu[1] + up])[1], 0.1);
    }
  }
});

test("cells are drawn to whole pixels of the screen, of which some have more to a pixel of the page", async () => {
  globalThis.devicePixelRatio = 2;
  resized(seen.map, 300);
  const cells = seen.cloud().drawn("rect").filter(({ colour }) => String(colour).startsWith("rgba(213"));
  for (const { x, y } of cells) for (const value of [x, y]) assert.equal(2 * value, Math.round(2 * value));
  assert.ok(cells.some(({ x }) => x !== Math.round(x)));
  delete globalThis.devicePixelRatio;
  resized(seen.map, 300);
});

test("the curve has each bound below log p(x), over log k on an axis of 1 to 1,000, with room above it; the chosen one has a dot and a line", () => {
  const { logEvidence, bounds } = right;
  const left = bounds.map((bound) => logEvidence - bound);
  const top = 1.1 * left[0];
  for (const k of [3, 0, 9]) {
    seen.model.set("position", k);
    const layer = seen.bounds();
    const texts = layer.drawn("text");
    const edge = Math.max(36, Math.max(...texts.filter(({ align, x }) => align === "right" && x < 100).map(({ text }) => 6 * text.length)) + 8);
    const at = (log, below) => [edge + (log / 3) * (294 - edge), 280 - ((top - below) / (top + top / 12)) * 274];
    const places = left.map((below, i) => at(Math.log10(DRAWS[i]), below));
    const same = (path, wanted) => {
      assert.equal(path.length, wanted.length);
      path.forEach((place, i) => place.forEach((value, axis) => near(value, wanted[i][axis], 1e-6)));
    };
    const line = [at(0, 0), at(3, 0)];
    same(layer.drawn("fill").find(({ colour }) => colour === "rgba(213, 94, 0, 0.25)").path, [...places, line[1], line[0]]);
    const [truth, bound, chosen] = layer.drawn("stroke").slice(-3);
    assert.deepEqual([truth, bound, chosen].map(({ colour }) => colour), ["#222", "#0072b2", "#222"]);
    same(truth.path, line);
    same(bound.path, places);
    same(chosen.path, [places[k], at(Math.log10(DRAWS[k]), 0)]);
    const [{ x, y, radius }] = layer.drawn("fill").at(-1).path;
    assert.equal(layer.drawn("fill").at(-1).path.length, 1);
    same([[x, y]], [places[k]]);
    assert.equal(radius, 5);
    const marks = texts.filter(({ align }) => align === "center");
    assert.deepEqual(marks.map(({ text }) => text), ["1", "10", "100", "1,000"]);
    marks.slice(1, 3).forEach(({ x }, i) => near(x, at(i + 1, 0)[0], 1e-6));
    const words = texts.filter(({ text }) => /log p|bound/.test(text));
    assert.deepEqual(words.map(({ text }) => text), ["log p(x)", "bound; k draws across"]);
    same(words.map(({ x, y }) => [x, y]), [[294 - 4, line[0][1] - 6], [294 - 4, 280 - 8]]);
  }
});

test("another digit, chosen, told or begun with anew after a drawing, is on the pad, marked, saved and summed; a drawing is an image as well", async () => {
  const { el, model, radios, marked, pad, still, sum, leave } = await view({ position: 0 });
  const painted = () => pad.context.drawn.length;
  const images = {};
  const shows = async (i) => {
    await still();
    assert.deepEqual([marked(), sum()], [i, says((images[i] ??= await truth(digit(i))), 0)]);
  };
  await shows(2);
  radios[7].dispatchEvent(new Event("change"));
  assert.deepEqual([model.get("digit"), model.saved.digit], [7, 7]);
  await shows(7);
  const wipe = el.all((one) => one.tag === "button" && one.textContent === "Clear")[0];
  for (const back of [() => radios[7].dispatchEvent(new Event("change")), () => el.dispatchEvent(new Event("reset"))]) {
    wipe.dispatchEvent(new Event("click"));
    assert.equal(marked(), -1);
    if (!images.empty) {
      await still();
      assert.equal(sum(), says((images.empty = await truth(new Float32Array(784))), 0), "an empty square");
    }
    const before = painted();
    back();
    assert.ok(painted() > before, "it is on the pad again");
    await shows(7);
  }
  leave();
});

test("its parts have their places: wide and large, with the posterior in sight on a phone; a curve given another place is drawn anew", () => {
  const [panes] = seen.el.all((one) => one.classes?.has("vaelib-panes"));
  assert.ok(seen.el.classes.has("vaelib-wide") && panes.classes.has("vaelib-large"));
  assert.deepEqual(panes.children.map((pane) => pane.classes.has("vaelib-sight")), [false, true, false]);
  for (const one of [seen.map, seen.curve]) {
    const before = layers.length;
    resized(one, 200);
    assert.ok(layers.slice(before).some((layer) => layer.width === 200 && layer.drawn("text").length > 3));
    resized(one, 300);
  }
});
