// Where a point is on its way, how long that is, and what the page shows of it. The velocity itself is checked against PyTorch: tests/test_explore.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layers, mounted, near, oneLayer, resized, safetensors, spoken } from "./surface.mjs";
import { network, readSafetensors, sigmoid } from "../../vaelib/static/engine.js";
import { detour, flowIn, limits, midpoint, placeAt } from "../../vaelib/static/flow.js";
import * as flow from "../../vaelib/static/flow.js";

const WAY = [[0, 0], [3, 0], [3, 4]].map((point) => Float32Array.from(point));

test("a point is at its steps at their times, and between them on a straight line", () => {
  for (const [time, place] of [[0, [0, 0]], [0.25, [1.5, 0]], [0.5, [3, 0]], [0.875, [3, 3]], [1, [3, 4]]]) {
    assert.deepEqual([...placeAt(WAY, time)], place);
  }
  assert.deepEqual([...placeAt(WAY.slice(0, 2), 0.5)], [1.5, 0]);
});

test("a way is as long as its steps, over the line between its ends", () => {
  assert.equal(detour(WAY), 7 / 5);
  assert.equal(detour(WAY.slice(0, 2)), 1);
  assert.equal(detour([WAY[0], WAY[0]]), 1, "a way that is not walked yet");
});

test("a midpoint step is exact where the velocity is linear in time, and looks halfway", () => {
  assert.deepEqual([...midpoint((x, t) => x.map(() => 3 * t + 1), Float32Array.of(2), 0, 1)], [4.5]);
  const seen = [];
  midpoint((x, t) => (seen.push([x[0], t]), x), Float32Array.of(2), 0.5, 0.25);
  assert.deepEqual(seen, [[2, 0.5], [2.25, 0.625]]);
});

test("an address can say where each slider and switch is", () => {
  assert.deepEqual(Object.keys(limits()).length, 3 + 7);
  assert.deepEqual(limits().Wearing_Hat, [-1, 1, 1]);
  assert.deepEqual([limits().time, limits().steps, limits().draw], [[0, 1, 0.02], [1, 50, 1], [0, 99, 1]]);
});

// --- what is seen: a small flow of two of four latents, ten draws ----------------------------------------------------------

const [ACTIVE, ACROSS] = [[1, 3], [3, 1]]; // the map shows the second of them across
const WIDTH = 6;
const numbers = (count, seed, size = 1) => Array.from({ length: count }, (_, i) => size * Math.sin(seed + 3.7 * i));
const linear = (name, outputs, inputs, seed) => ({ [`${name}.weight`]: ["F32", [outputs, inputs], numbers(outputs * inputs, seed, 0.6)], [`${name}.bias`]: ["F32", [outputs], numbers(outputs, seed + 1, 0.4)] });
const FLOW = safetensors({ recipe: { flow: { active: ACTIVE, depth: 1 } } }, {
  ...linear("first", WIDTH, 2 + 16 + 7, 1), ...linear("hidden.0", WIDTH, WIDTH, 2), ...linear("last", 2, WIDTH, 3),
  "norms.0.weight": ["F32", [WIDTH], numbers(WIDTH, 4).map((a) => 1 + a / 2)], "norms.0.bias": ["F32", [WIDTH], numbers(WIDTH, 5)],
});
const DECODER = oneLayer(3 * 64 * 64, 4, (o, k) => Math.sin(o + 2 * k), (o) => Math.cos(o));
const NOISE = Array.from({ length: 10 }, (_, n) => numbers(4, 10 + n, 1.5));
const files = {
  "weights/flow.safetensors": FLOW,
  "weights/small.decoder.safetensors": DECODER,
  "vaelib/flow.safetensors": safetensors({}, { noise: ["F32", [10, 4], NOISE.flat()], codes: ["F32", [3, 2], numbers(6, 30)], latents: ["U8", [2], ACROSS] }),
};
const NAMES = Object.keys(limits()).slice(3);
const { velocity } = flowIn(FLOW);

/** The way of one draw, by itself. */
function wayOf(n, steps, told) {
  const points = [Float32Array.from(ACTIVE, (latent) => NOISE[n][latent])];
  for (let step = 0; step < steps; step++) points.push(midpoint((z, t) => velocity(z, t, told), points.at(-1), step / steps, 1 / steps));
  return points;
}

async function view(traits = {}) {
  const first = { flow: "flow", name: "small", box: [-9, 9, -9, 9], time: 0, steps: 2, draw: 0, ...Object.fromEntries(NAMES.map((name) => [name, 0])) };
  const { el, model, made } = await mounted(flow, { ...first, ...traits }, async (path) => files[path]);
  const [canvas, picture] = ["vaelib-map", "vaelib-picture"].map((name) => made.find((one) => one.classes.has(name)));
  const still = async () => {
    for (let i = 0; el.attributes["aria-busy"] !== "false"; i++) await new Promise((go, fail) => (i < 3000 ? setTimeout(go, 2) : fail(new Error("it is busy for ever"))));
  };
  const at = (x, y) => [-9 + (18 * (x - 36)) / 258, -9 + (18 * (280 - y)) / 274];
  const dots = () => canvas.drawn("rect").filter(({ colour }) => colour === "#0072b2").slice(-10).map(({ x, y, width, height }) => at(x + width / 2, y + height / 2));
  const ring = () => canvas.drawn("stroke").filter(({ path }) => path[0]?.radius).at(-1).path.map(({ x, y }) => at(x, y))[0];
  const line = () => canvas.drawn("stroke").filter(({ colour }) => colour === "#222").at(-1).path.map(([x, y]) => at(x, y));
  const sum = () => el.all((one) => one.classes?.has("vaelib-sum"))[0].textContent;
  return { el, model, canvas, picture, still, dots, ring, line, sum };
}
/** A place of the flow's two latents, as the map has them. */
const onMap = ([a, b]) => [b, a];
const pair = (a, b) => [0, 1].forEach((k) => near(a[k], b[k], 1e-4));

test("the velocity is that of the network in the file: what it is told beside the point and its time's waves, then normed, summed and read off", () => {
  const { tensors } = readSafetensors(FLOW);
  const layer = (name, x) => Array.from(tensors[`${name}.bias`].data, (bias, o) => x.reduce((sum, a, i) => sum + tensors[`${name}.weight`].data[o * x.length + i] * a, bias));
  for (const [points, t, told] of [[[[0.3, -1]], 0.2, [1, 0, 0, -1, 0, 0, 0]], [[[2, 1], [-1, 0.5], [0, 0]], 0.7, [0, 0, 0, 0, 0, 0, 1]]]) {
    const waves = [Math.sin, Math.cos].flatMap((wave) => [1, 2, 3, 4, 5, 6, 7, 8].map((k) => wave(k * Math.PI * t)));
    const expected = points.map((point) => {
      const h = layer("first", [...point, ...waves, ...told]);
      const mean = h.reduce((sum, a) => sum + a) / WIDTH;
      const spread = Math.sqrt(h.reduce((sum, a) => sum + (a - mean) ** 2, 0) / WIDTH + 1e-5);
      const normed = h.map((a, i) => ((a - mean) / spread) * tensors["norms.0.weight"].data[i] + tensors["norms.0.bias"].data[i]);
      const more = layer("hidden.0", normed.map((a) => a / (1 + Math.exp(-a))));
      return layer("last", h.map((a, i) => a + more[i]));
    });
    velocity(Float32Array.from(points.flat()), t, told).forEach((value, i) => near(value, expected.flat()[i], 1e-5));
  }
});

test("each draw is where the flow has taken it, the ringed one's way is drawn, and its face is decoded from there", async () => {
  const { model, picture, still, dots, ring, line, sum } = await view();
  const decode = network(DECODER);
  for (const [traits, words] of [
    [{ time: 0 }, "nothing"],
    [{ time: 0.5, draw: 9 }, "nothing"],
    [{ time: 1, steps: 3, draw: 4, Eyeglasses: 1, Beard: -1 }, "with glasses, without a beard"],
    [{ time: 0.3, steps: 1, Smiling: -1, Eyeglasses: 0, Beard: 1 }, "not smiling, with a beard"],
  ]) {
    model.set(traits);
    await still();
    const [time, steps, draw] = ["time", "steps", "draw"].map(model.get);
    const told = NAMES.map((name) => model.get(name));
    const ways = NOISE.map((_, n) => wayOf(n, steps, told));
    dots().forEach((dot, n) => pair(dot, onMap(placeAt(ways[n], time))));
    pair(ring(), onMap(placeAt(ways[draw], time)));
    assert.equal(line().length, steps + 1);
    line().forEach((place, k) => pair(place, onMap(ways[draw][k])));
    const z = [...NOISE[draw]];
    placeAt(ways[draw], time).forEach((value, k) => (z[ACTIVE[k]] = value));
    const { data } = picture.drawn("pixels").at(-1).image;
    sigmoid(decode(z)).forEach((level, i) => near(data[4 * (i % 4096) + Math.floor(i / 4096)], 255 * level, 1));
    assert.equal(sum(), `t = ${time.toFixed(2)}, ${steps} midpoint step${steps === 1 ? "" : "s"}. Told: ${words}. This way is ${detour(ways[draw]).toFixed(2)} times as long as a straight line.`);
    assert.equal(picture.attributes["aria-label"], `The face of draw ${draw}. ${sum()}`);
  }
});

test("the ringed draw goes first, and what is asked meanwhile gives up what was asked before", async () => {
  const { now } = performance;
  let clock = 0;
  performance.now = () => (clock += 100); // each step is a slice of its own
  const { model, el, still, dots, sum } = await view({ time: 1, steps: 1, draw: 9 });
  assert.equal(el.attributes["aria-busy"], "true");
  const [none, glasses] = [0, 1].map((value) => NAMES.map((name) => (name === "Eyeglasses" ? value : 0)));
  const start = (n) => onMap(ACTIVE.map((latent) => NOISE[n][latent]));
  dots().forEach((dot, n) => pair(dot, n < 8 ? start(n) : onMap(wayOf(n, 1, none)[1])));
  assert.match(sum(), new RegExp(`${detour(wayOf(9, 1, none)).toFixed(2)} times`), "its face is there, while others are on their way");
  model.set({ Eyeglasses: 1 });
  dots().forEach((dot, n) => pair(dot, n < 8 ? start(n) : onMap(wayOf(n, 1, glasses)[1])));
  await still();
  dots().forEach((dot, n) => pair(dot, onMap(wayOf(n, 1, glasses)[1])));
  // Four are carried together, and seen when they have arrived, not on their way.
  const steady = clock;
  model.set({ draw: 5 });
  model.set({ steps: 2 });
  dots().forEach((dot, n) => pair(dot, onMap(wayOf(n, 1, glasses)[1])));
  const arrived = () => Math.hypot(...onMap(wayOf(5, 2, glasses)[2]).map((value, k) => value - dots()[5][k])) < 1e-4;
  for (let i = 0; i < 50 && !arrived(); i++) await new Promise((go) => setTimeout(go));
  dots().forEach((dot, n) => pair(dot, onMap(n >= 4 && n < 8 ? wayOf(n, 2, glasses)[2] : wayOf(n, 1, glasses)[1])));
  await still();
  assert.equal(clock - steady, 100 * (1 + 2 * 6), "three herds of two steps, and no more");
  performance.now = now;
});

test("a tap rings the draw that is nearest, and each switch tells of its attribute", async () => {
  const { el, model, canvas, still, dots } = await view({ time: 0.5 });
  await still();
  for (const n of [7, 2]) {
    const [a, b] = dots()[n];
    canvas.dispatchEvent(Object.assign(new Event("click"), { offsetX: 36 + ((a + 9) * 258) / 18 + 1, offsetY: 280 - ((b + 9) * 274) / 18 - 1 }));
    assert.deepEqual([model.get("draw"), model.saved.draw], [n, n]);
  }
  const selects = el.all((one) => one.tag === "select");
  for (const [k, name] of NAMES.entries()) {
    assert.deepEqual(selects[k].children.map((option) => option.attributes.value), ["0", "1", "-1"]);
    selects[k].value = "-1";
    selects[k].dispatchEvent(new Event("change"));
    assert.deepEqual([model.get(name), model.saved[name]], [-1, -1]);
  }
  assert.deepEqual(selects[1].children.map((option) => option.textContent), ["eyeglasses: not told", "with glasses", "without glasses"]);
  await still();
});

test("grey are the codes of held-out faces on the same two latents, each as large; blue dots are larger, and those beyond the map are not drawn", async () => {
  const { canvas, still, model } = await view({ box: [-1.4, 1.4, -1.4, 1.4] });
  await still();
  const before = layers.length;
  resized(canvas, 300);
  const [, ...grey] = layers.slice(before).at(-1).drawn("rect");
  const codes = numbers(6, 30);
  const at = ([a, b]) => [36 + ((a + 1.4) / 2.8) * 258, 280 - ((b + 1.4) / 2.8) * 274];
  assert.equal(grey.length, 3);
  for (const [i, { x, y, width, height, colour }] of grey.entries()) {
    assert.equal(colour, "#999");
    at(codes.slice(2 * i, 2 * i + 2)).forEach((value, axis) => near([x + width / 2, y + height / 2][axis], value, 1e-3));
  }
  const starts = NOISE.map((z) => onMap(ACTIVE.map((latent) => z[latent]))).filter((z) => z.every((value) => Math.abs(value) <= 1.4));
  assert.ok(starts.length > 0 && starts.length < 9);
  for (const [side, size] of [[300, 5], [180, 4]]) {
    const count = canvas.drawn("rect").length;
    resized(canvas, side);
    const blue = canvas.drawn("rect").slice(count).filter(({ colour }) => colour === "#0072b2");
    assert.deepEqual(blue.map(({ width, height }) => [width, height]), starts.map(() => [size, size]));
  }
  resized(canvas, 300);
  assert.equal(model.get("time"), 0);
});

test("what is seen is spoken, the face has its place, and steps that are all but a whole number are that number", async () => {
  const { el, model, picture, still, sum } = await view();
  await still();
  assert.equal(spoken(el, () => model.set("time", 0.5)), sum());
  assert.ok(picture.parentElement.classes.has("vaelib-face"));
  model.set("steps", 3.0000000000000004);
  await still();
  assert.match(sum(), /, 3 midpoint steps\./);
  assert.match(sum(), new RegExp(`${detour(wayOf(0, 3, NAMES.map(() => 0))).toFixed(2)} times`));
});

test("a page that cannot paint the face is known before the explorer takes its still picture's place", async () => {
  const { ImageData } = globalThis;
  globalThis.ImageData = class {
    constructor() {
      throw new Error("no memory");
    }
  };
  await assert.rejects(view(), /no memory/);
  globalThis.ImageData = ImageData;
});
