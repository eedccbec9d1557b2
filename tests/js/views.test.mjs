// What the explorers show, mounted in node on canvases that note it. In browsers, moved by hand: tests/book.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layers, load, model as widget, mounted, near, oneLayer, resized } from "./surface.mjs";
import { network, readSafetensors, sigmoid } from "../../vaelib/static/engine.js";
import { PlaneMap } from "../../vaelib/static/plane.js";
import * as betas from "../../vaelib/static/betas.js";
import * as draw from "../../vaelib/static/draw.js";
import * as kl from "../../vaelib/static/kl.js";
import * as latent from "../../vaelib/static/latent.js";
import * as posterior from "../../vaelib/static/posterior.js";
import * as reparameterise from "../../vaelib/static/reparameterise.js";
import * as replay from "../../vaelib/static/replay.js";

const COLOURS = Array.from({ length: 10 }, (_, digit) => `#00000${digit}`);
const text = (el, name) => el.all((one) => one.classes?.has(name)).map((one) => one.textContent);
const mapOf = (box) => Object.assign(Object.create(PlaneMap.prototype), { box, type: 1, side: 300, high: 300, left: 0, uniform: false });
const tensorsOf = async (path) => readSafetensors(await load(path)).tensors;
/** Levels of the last picture painted on a canvas, as ink. */
const ink = (canvas) => {
  const { data } = canvas.drawn("pixels").at(-1).image;
  return Array.from({ length: data.length / 4 }, (_, i) => 255 - data[4 * i]);
};
const same = (levels, pixels) => levels.forEach((level, i) => near(level, 255 * pixels[i], 1));

// --- the plane of two models ---------------------------------------------------------------------------------------------

const MODEL = "vae-mnist-2d";
const BOX = [-6, 6, -5, 7];
const LATENT = { panes: [{ name: MODEL, title: "VAE", box: BOX }], colours: COLOURS, z1: 0.5, z2: -1, cdf: false, zoom: false, low: -6, high: 7 };

test("a pane shows what is decoded at the point and speaks of the nearest code, which is nearest in both axes", async () => {
  const { el, model, made } = await mounted(latent, { ...LATENT });
  const [decode, { mu, sigma, labels }] = [network(await load(`weights/${MODEL}.decoder.safetensors`)), await tensorsOf(`weights/${MODEL}.codes.safetensors`)];
  const picture = made.find((one) => one.classes.has("vaelib-picture"));
  for (const z of [[0.5, -1], [1.5, 2], [-2, 0.25]]) {
    model.set({ z1: z[0], z2: z[1] });
    same(ink(picture), sigmoid(decode(z)));
    const distances = Array.from(labels.data, (_, i) => Math.hypot(mu.data[2 * i] - z[0], mu.data[2 * i + 1] - z[1]));
    const i = distances.indexOf(Math.min(...distances));
    const two = (numbers) => numbers.map((value) => value.toFixed(2).replace("-", "−")).join(", ");
    const at = (tensor) => [tensor.data[2 * i], tensor.data[2 * i + 1]];
    assert.deepEqual(text(el, "vaelib-note"), [`Nearest test image: a ${labels.data[i]}, at (${two(at(mu))}); σ = (${two(at(sigma))})`]);
  }
});

test("at the prior's scale maps and sliders reach from -4 to 4, and the point comes to the end that it is beyond", async () => {
  const { model } = await mounted(latent, { ...LATENT, z1: 5.5, z2: -4.5 });
  model.set("zoom", true);
  assert.deepEqual([model.get("low"), model.get("high"), model.get("z1"), model.get("z2")], [-4, 4, 4, -4]);
  model.set("zoom", false);
  assert.deepEqual([model.get("low"), model.get("high"), model.get("z1")], [-6, 7, 4]);
  assert.deepEqual(latent.limits(model), { zoom: [0, 1, 1], cdf: [0, 1, 1], z1: [-7, 7, 0.05], z2: [-7, 7, 0.05] });
});

test("an address may lead beyond the scale that the page begins with: zoomed out maps and sliders reach the point", async () => {
  const zoomed = widget({ ...LATENT, zoom: true, low: -4, high: 4 });
  assert.deepEqual(latent.limits(zoomed).z1, [-7, 7, 0.05]);
  // As keepState puts it there, and as a slider holds a value whose limits move.
  zoomed.set({ zoom: false, z1: 5.5 });
  const slider = { low: -4, high: 4 }; // one limit after the other: until the second has come the old one holds
  for (const name of ["low", "high"])
    zoomed.on(`change:${name}`, () => {
      slider[name] = zoomed.get(name);
      zoomed.set("z1", Math.min(slider.high, Math.max(slider.low, zoomed.get("z1"))));
    });
  const { model } = await mounted(latent, zoomed);
  assert.deepEqual(["low", "high", "z1"].map((name) => model.get(name)), [-6, 7, 5.5]);
});

// --- the tour of the digits ----------------------------------------------------------------------------------------------

test("a tour encodes nothing before it sets out: the page gets its explorer as soon with one as without", async () => {
  const [{ from }, motion] = [Float32Array, globalThis.matchMedia];
  let count = 0;
  Float32Array.from = (...numbers) => {
    count++;
    return from.apply(Float32Array, numbers);
  };
  globalThis.matchMedia = () => ({ matches: false });
  globalThis.IntersectionObserver = class {
    observe() {}
  };
  const costs = {};
  try {
    for (const tour of [false, true]) {
      count = 0;
      const { el } = await mounted(draw, { name: MODEL, digit: 2, tour, box: BOX, colours: COLOURS });
      assert.equal(el.all((one) => one.textContent === "Stop").length, Number(tour));
      costs[tour] = count;
    }
  } finally {
    Object.assign(globalThis, { matchMedia: motion, IntersectionObserver: undefined });
    Float32Array.from = from;
  }
  assert.ok(costs[false] > 0);
  assert.equal(costs[true], costs[false]);
});

// --- beta ----------------------------------------------------------------------------------------------------------------

const NAMES = ["beta-0", "beta-0p1", "beta-0p5", "beta-1", "beta-2", "beta-4", "beta-8"];
const BETAS = [0, 0.1, 0.5, 1, 2, 4, 8];

test("how many codes lie beyond the map is counted by code, in either axis; and how many bars are cut off", async () => {
  const shown = await tensorsOf("vaelib/betas.safetensors");
  for (const position of [0, 3]) {
    const { el, made } = await mounted(betas, { names: NAMES, betas: BETAS, position, colours: COLOURS });
    const count = shown.labels.data.length;
    const codes = shown.codes.data.subarray(position * 2 * count, (position + 1) * 2 * count);
    let beyond = 0;
    for (let i = 0; i < count; i++) beyond += Math.abs(codes[2 * i]) > 4 || Math.abs(codes[2 * i + 1]) > 4;
    const kl = shown.kl.data.subarray(16 * position, 16 * position + 16);
    const longer = kl.filter((nats) => nats > 4).length;
    const [axes, costs] = [text(el, "vaelib-note")[1], text(el, "vaelib-note")[0]];
    if (beyond > count / 100) assert.ok(axes.includes(`; ${((100 * beyond) / count).toFixed(0)} % lie beyond`), axes);
    else assert.ok(!axes.includes("beyond"), axes);
    assert.equal(costs, longer ? `KL in nats; ${longer} bars are cut off, the longest is ${kl[0].toFixed(1)}` : "KL in nats");
    const bars = el.all((one) => one.tag === "i").map((one) => parseFloat(one.attributes.style.replace("height: ", "")));
    bars.forEach((height, k) => near(height, 100 * Math.min(1, kl[k] / 4), 1e-3));
    assert.equal(bars.length, 16);
    const [scale] = el.all((one) => one.classes?.has("vaelib-bars") || one.className === "vaelib-bars");
    const marks = scale.all((one) => one.tag === "span");
    assert.deepEqual(marks.map((one) => one.textContent), ["0", "2", "4"]);
    for (const mark of marks) near(parseFloat(mark.attributes.style.replace("bottom: ", "")), 100 * (Number(mark.textContent) / 4), 1e-9);
    const decode = network(await load(`weights/${NAMES[position]}.decoder.safetensors`));
    same(ink(made.filter((one) => one.classes.has("vaelib-picture"))[3]), sigmoid(decode(shown.z.data.subarray(48, 64))));
  }
});

test("an address can say each of the betas, and no place beyond or between them", () => {
  assert.deepEqual(betas.limits({ get: () => NAMES }), { position: [0, BETAS.length - 1, 1] });
});

test("another beta is shown once its decoder has come; one that comes too late for the slider, or does not come, leaves what was there", async () => {
  const coming = new Map();
  const slow = (path) => (path.startsWith("weights/") && coming.has(path) ? coming.get(path).promise : load(path));
  const shown = await tensorsOf("vaelib/betas.safetensors");
  const { el, model, made } = await mounted(betas, { names: NAMES, betas: BETAS, position: 3, colours: COLOURS }, slow);
  const path = (k) => `weights/${NAMES[k]}.decoder.safetensors`;
  const wait = () => new Promise((go) => setTimeout(go, 5));
  const [picture] = made.filter((one) => one.classes.has("vaelib-picture"));
  const showsBeta = async (k) => {
    assert.match(text(el, "vaelib-sum")[0], new RegExp(`^β = ${BETAS[k]}: rate ${shown.rate.data[k].toFixed(1)} nats, distortion ${shown.distortion.data[k].toFixed(1)} nats, \\d+ of 16 latents active\\.$`));
    assert.equal(picture.attributes["aria-label"], `Sample 1 at β = ${BETAS[k]}`);
    same(ink(picture), sigmoid(network(await load(path(k)))(shown.z.data.subarray(0, 16))));
  };
  await showsBeta(3);
  for (const k of [5, 6, 0]) {
    let come, fail;
    coming.set(path(k), { promise: new Promise((yes, no) => ([come, fail] = [yes, no])), come: async () => come(await load(path(k))), fail: (why) => fail(new Error(why)) });
  }
  model.set("position", 5);
  await wait();
  await showsBeta(3);
  assert.equal(el.attributes["aria-busy"], "true");
  model.set("position", 6);
  await coming.get(path(5)).come();
  await wait();
  await showsBeta(3);
  await coming.get(path(6)).come();
  await wait();
  await showsBeta(6);
  assert.equal(el.attributes["aria-busy"], "false");
  model.set("position", 0);
  coming.get(path(0)).fail("it is gone");
  await wait();
  await showsBeta(6);
  assert.ok(text(el, "vaelib-hint").includes("The decoder of β = 0 could not be loaded: it is gone. What you see is still β = 8."), text(el, "vaelib-hint").join("|"));
  model.set("position", 1);
  await wait();
  await showsBeta(1);
  assert.ok(!text(el, "vaelib-hint").join().includes("could not be loaded"));
});

// --- the replay ----------------------------------------------------------------------------------------------------------

test("played where a reader wants less motion the replay shows each recorded step, another after .4 seconds; else it goes on with each frame", async () => {
  const { matchMedia, requestAnimationFrame } = globalThis;
  for (const still of [true, false]) {
    let frame = null;
    globalThis.matchMedia = () => ({ matches: still });
    try {
      const { el, model } = await mounted(replay, { frame: 5, boxes: [BOX, BOX], colours: COLOURS });
      globalThis.requestAnimationFrame = (work) => (frame = work);
      el.all((one) => one.textContent === "Play").at(-1).dispatchEvent(new Event("click"));
      const seen = [0, 100, 399, 401, 700, 802].map((now) => {
        const next = frame;
        next(1000 + now);
        return model.get("frame");
      });
      assert.deepEqual(seen, still ? [5, 5, 5, 6, 6, 7] : [5, 5, 6, 6, 7, 7]);
    } finally {
      Object.assign(globalThis, { matchMedia, requestAnimationFrame });
    }
  }
});

test("the curve of the replay goes through each recorded loss, and its marks stand at the first step that is so late", async () => {
  const recorded = await tensorsOf("vaelib/replay.safetensors");
  await mounted(replay, { frame: 5, boxes: [BOX, BOX], colours: COLOURS });
  const [steps, loss] = [Array.from(recorded.steps.data), recorded["vae.loss"].data];
  const layer = layers.filter((one) => one.drawn("text").some(({ text }) => text.startsWith("loss in nats"))).at(-1);
  const curves = layer.drawn("stroke").filter(({ path }) => path.length === steps.length);
  assert.equal(curves.length, 2);
  const [x, y] = [0, 1].map((k) => curves[1].path.map((place) => place[k]));
  for (let k = 2; k < steps.length; k++) {
    near(x[k] - x[k - 1], x[1] - x[0], 1e-6);
    near((y[k] - y[0]) / (y.at(-1) - y[0]), (loss[k] - loss[0]) / (loss.at(-1) - loss[0]), 1e-6);
  }
  const marks = layer.drawn("text").filter(({ align, text }) => align === "center" && ["0", "10", "100", "1,000"].includes(text));
  assert.equal(marks.length, 4);
  for (const mark of marks) {
    const step = steps.findIndex((one) => one >= Number(mark.text.replace(",", "")));
    near(mark.x, x[step], 5);
  }
});

// --- the exact posterior -------------------------------------------------------------------------------------------------

// A network of one layer is so small a one that the plane is summed in no time.
const [MU, SIGMA] = [[0.5, -1], [0.3, 0.15]];
const files = {
  decoder: oneLayer(784, 2, (pixel, k) => Math.sin(pixel + 2 * k) / 3, () => 0),
  encoder: oneLayer(4, 784, () => 0, (k) => [...MU, ...SIGMA.map((sigma) => 2 * Math.log(sigma))][k]),
};
const small = (path) => (path.startsWith("weights/") ? files[path.split(".")[1]] : load(path));

const mountedOnce = mounted(posterior, { name: "small", digit: 2, position: 3 }, small);

test("the exact posterior's map is a square that holds q to four sigma, with its ellipses, k draws and cells edge to edge", async () => {
  const { el } = await mountedOnce;
  const [sum] = text(el, "vaelib-sum");
  const [evidence, elbo, gap, k, left] = sum.match(/−?\d[\d,]*(?:\.\d+)?/g).map((one) => Number(one.replace("−", "-").replace(",", "")));
  near(evidence - elbo, gap, 0.011);
  assert.equal(k, 10);
  assert.ok(left > 0 && left < gap);
  const orange = ({ colour }) => String(colour).startsWith("rgba(213");
  const plane = layers.filter((one) => one.drawn("rect").some(orange)).at(-1);
  const cells = plane.drawn("rect").filter(orange);
  const strengths = cells.map(({ colour }) => Number(colour.match(/, ([\d.e-]+)\)$/)[1]));
  near(Math.max(...strengths), 1, 1e-9);
  assert.ok(Math.min(...strengths) > Math.exp(-9));
  for (const { x, y, width, height } of cells.filter((_, i) => i % 20 === 0)) {
    assert.ok(width >= 0.5 && height >= 0.5);
    const over = cells.filter((other) => other.x < x + width && other.x + other.width > x && other.y < y + height && other.y + other.height > y);
    assert.equal(over.length, 1, "no cell lies on another");
  }
  const dots = plane.drawn("rect").filter(({ width, colour }) => width === 3 && colour === "#0072b2");
  assert.equal(dots.length, 10);
  const rings = plane.drawn("stroke").filter(({ path }) => path.length > 50).map(({ path }) => path);
  const ends = (path, axis) => [Math.min, Math.max].map((end) => end(...path.map((place) => place[axis])));
  assert.equal(rings.length, 2);
  const one = [0, 1].map((axis) => (ends(rings[0], axis)[1] - ends(rings[0], axis)[0]) / 2);
  for (const axis of [0, 1]) {
    const [low, high] = ends(rings[1], axis);
    near((high - low) / 2, 2 * one[axis], 1e-6);
    const [left, right] = [[30, 294], [6, 280]][axis];
    const middle = (low + high) / 2;
    assert.ok(middle - 4 * one[axis] >= left && middle + 4 * one[axis] <= right, "four sigma are on the map");
  }
  near(one[0] / one[1], ((SIGMA[0] / SIGMA[1]) * (294 - 38)) / 274, 0.15);
});

test("an address can say each number of draws, and none beyond", () => {
  assert.deepEqual(posterior.limits(), { digit: [0, 9, 1], position: [0, 9, 1] });
});

test("the bound's curve rises over log k to log p(x), and the chosen k has a line up to it", async () => {
  const { el } = await mountedOnce;
  const [, , gap, , left] = text(el, "vaelib-sum")[0].match(/−?\d[\d,]*(?:\.\d+)?/g).map((one) => Number(one.replace("−", "-").replace(",", "")));
  const below = layers.filter((one) => one.drawn("text").some(({ text }) => text === "log p(x)")).at(-1);
  const lines = below.drawn("stroke").filter(({ path }) => path.length === 2);
  const curve = below.drawn("stroke").find(({ path }) => path.length === 10).path;
  const upright = lines.find(({ path, colour }) => colour === "#222" && path[0][0] === curve[3][0] && path[1][0] === path[0][0]).path;
  assert.deepEqual(upright[0], curve[3]);
  near((curve[3][1] - upright[1][1]) / (curve[0][1] - upright[1][1]), left / gap, 0.02);
  near((curve[3][0] - curve[0][0]) / (curve[9][0] - curve[0][0]), 1 / 3, 1e-6);
  near(upright[1][1], 6 + 274 / 13, 1e-6); // the box reaches a twelfth of what is below log p(x) above it
});

// --- all explorers with a map ----------------------------------------------------------------------------------------------

const EXPLORERS = {
  latent: [latent, LATENT],
  betas: [betas, { names: NAMES, betas: BETAS, position: 3, colours: COLOURS }],
  kl: [kl, { box: [-3, 3, -6, 3], colours: ["orange", "blue"], mu: 1, log_var: -1 }],
  replay: [replay, { frame: 5, boxes: [BOX, BOX], colours: COLOURS }],
  reparameterise: [reparameterise, { name: MODEL, colours: COLOURS, image: 3, epsilon1: 0.5, epsilon2: -1 }],
  draw: [draw, { name: MODEL, colours: COLOURS, box: BOX, digit: 4 }],
};

for (const [name, [explorer, traits]] of Object.entries(EXPLORERS)) {
  test(`a map that is given more room, or less, is drawn anew as large as that: ${name}`, async () => {
    const { made } = await mounted(explorer, { ...traits });
    const maps = made.filter((one) => one.classes.has("vaelib-map"));
    assert.ok(maps.length > 0);
    for (const map of maps) {
      for (const side of [200, 420]) {
        const before = layers.length;
        resized(map, side);
        assert.deepEqual([map.width, map.height], [side, side]);
        assert.ok(layers.slice(before).some((one) => one.width === side && one.drawn("text").length > 3), "its cloud, with axes");
      }
    }
  });
}

for (const name of ["latent", "reparameterise", "draw"]) {
  test(`the card over a code paints what that code is decoded to: ${name}`, async () => {
    const { el, made } = await mounted(EXPLORERS[name][0], { ...EXPLORERS[name][1] });
    const map = made.find((one) => one.classes.has("vaelib-map"));
    const [decode, { mu, labels }] = [network(await load(`weights/${MODEL}.decoder.safetensors`)), await tensorsOf(`weights/${MODEL}.codes.safetensors`)];
    const [card] = el.all((one) => one.classes?.has("vaelib-card"));
    const squares = layers.findLast((one) => one.width === 300 && one.drawn("rect").length > 1000).drawn("rect").slice(1);
    const inside = [...squares.keys()].filter((i) => squares[i].x > 40 && squares[i].x < 290 && squares[i].y > 10 && squares[i].y < 275);
    const [picture] = card.all((one) => one.tag === "canvas");
    for (const i of inside.filter((_, k) => k % Math.ceil(inside.length / 20) === 0)) {
      const { x, y, width, height } = squares[i];
      map.dispatchEvent(Object.assign(new Event("pointermove"), { offsetX: x + width / 2, offsetY: y + height / 2, pointerType: "mouse", buttons: 0 }));
      const said = (k) => `a ${labels.data[k]}, at (${[0, 1].map((axis) => mu.data[2 * k + axis].toFixed(2).replace("-", "−")).join(", ")}); below decoded`;
      // Where codes lie in one place it is any of them.
      const here = [...labels.data.keys()].filter((k) => Math.hypot(squares[k].x - x, squares[k].y - y) < 1e-6);
      assert.ok(here.some((k) => said(k) === card.textContent), card.textContent);
      const shown = ink(picture);
      assert.ok(here.some((k) => sigmoid(decode([mu.data[2 * k], mu.data[2 * k + 1]])).every((level, pixel) => Math.abs(shown[pixel] - 255 * level) <= 1)));
    }
    assert.ok(inside.length > 3, `${inside.length}`);
  });
}
