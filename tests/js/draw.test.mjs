// A drawing on its way through the encoder, and the tour round the ten digits. By hand, in a browser: tests/book.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load, mounted, near, resized, stopped } from "./surface.mjs";
import { network, posterior, readSafetensors, sigmoid } from "../../vaelib/static/engine.js";
import { centred, fitted } from "../../vaelib/static/mnist.js";
import * as draw from "../../vaelib/static/draw.js";

const MODEL = "vae-mnist-2d";
const BOX = [-6, 6, -5, 7];
const [encode, decode] = [network(await load(`weights/${MODEL}.encoder.safetensors`), [1, 28, 28]), network(await load(`weights/${MODEL}.decoder.safetensors`))];
const { mu, labels } = readSafetensors(await load(`weights/${MODEL}.codes.safetensors`)).tensors;
const levels = readSafetensors(await load("vaelib/digits.safetensors")).tensors.pixels.data;
const digit = (i) => Float32Array.from(levels.subarray(784 * i, 784 * (i + 1)), (level) => level / 255);

globalThis.IntersectionObserver = class {
  constructor(tell) {
    this.watched = null;
    globalThis.comesIntoView = (isIntersecting) => this.watched && tell([!isIntersecting, !isIntersecting, isIntersecting].map((now) => ({ isIntersecting: now })));
  }
  observe(element) {
    this.watched = element;
  }
  disconnect() {
    this.watched = null;
  }
};

async function view(traits = {}) {
  const { el, model, made, leave } = await mounted(draw, { name: MODEL, colours: Array(10).fill("#ccc"), box: BOX, digit: 4, ...traits });
  const [pad, map] = ["vaelib-pad", "vaelib-map"].map((name) => made.find((one) => one.classes.has(name)));
  const [encoded, painted] = el.all((one) => one.classes?.has("vaelib-picture"));
  const ink = (canvas) => Array.from(canvas.drawn("pixels").at(-1).image.data).filter((_, i) => i % 4 === 0).map((level) => 255 - level);
  const note = () => el.all((one) => one.classes?.has("vaelib-sum"))[0].textContent;
  const press = (name) => el.all((one) => one.tag === "button" && one.textContent === name)[0].dispatchEvent(new Event("click"));
  const pen = (kind, x, y) => pad.dispatchEvent(Object.assign(new Event(kind), { clientX: (x * 300) / 280, clientY: (y * 300) / 280 }));
  const marked = () => el.all((one) => one.attributes?.type === "radio").map((radio) => Boolean(radio.checked)).indexOf(true);
  return { el, model, leave, pad, map, encoded, painted, ink, note, press, pen, marked, strokes: () => pad.drawn("stroke").map(({ path }) => path) };
}
const same = (canvas, pixels) => canvas.forEach((level, i) => near(level, 255 * pixels[i], 1));

/** What is said of pixels: their code, and the ten nearest test images. */
function words(pixels) {
  const at = posterior(encode(pixels));
  const pair = (numbers) => `(${numbers.map((value) => value.toFixed(2).replace("-", "−")).join(", ")})`;
  const far = Array.from(labels.data, (_, i) => [Math.hypot(mu.data[2 * i] - at.mu[0], mu.data[2 * i + 1] - at.mu[1]), labels.data[i]]);
  const near = far.sort((a, b) => a[0] - b[0]).slice(0, 10).map(([, label]) => label);
  return `μ = ${pair(at.mu)}, σ = ${pair(at.sigma)}. The 10 nearest test images: ${near.join(" ")}.`;
}

test("of a test image its own pixels are encoded, its code is said, drawn and painted", async () => {
  const { model, pad, encoded, painted, ink, note, marked, map } = await view();
  for (const i of [4, 0, 7, 9]) {
    model.set("digit", i);
    same(ink(encoded), digit(i));
    const at = posterior(encode(digit(i)));
    same(ink(painted), sigmoid(decode(at.mu)));
    assert.equal(note(), words(digit(i)));
    assert.equal(marked(), i);
    const { x, y } = map.drawn("stroke").filter(({ path }) => path[0]?.radius).at(-1).path[0];
    near(x, 36 + ((at.mu[0] - BOX[0]) / 12) * 258, 1e-3);
    near(y, 280 - ((at.mu[1] - BOX[2]) / 12) * 274, 1e-3);
    const [, nearest] = words(digit(i)).match(/images: (\d)/);
    assert.equal(map.attributes["aria-label"], `Map of the codes; the drawing lies near a ${nearest}`);
    const { image, x: left, y: top, size } = pad.drawn("image").at(-1);
    same(ink(image), digit(i));
    assert.deepEqual([left, top, ...size], [0, 0, 280, 280], "all over the pad");
  }
});

test("a digit is chosen among ten pictures, and Python hears of it; after a drawing the same one may be chosen again", async () => {
  const { el, model, note, pen, pad, marked } = await view();
  assert.deepEqual(draw.limits(), { digit: [0, 9, 1] });
  let saved = 0;
  model.save_changes = () => saved++;
  const radios = el.all((one) => one.attributes?.type === "radio");
  assert.equal(radios.length, 10);
  for (const [i, times] of [[7, 1], [7, 1], [2, 2]]) {
    pad.context.image = { level: (x) => (x > 100 && x < 130 ? 0 : 255) };
    pen("pointerdown", 110, 50);
    assert.equal(marked(), -1);
    radios[i].dispatchEvent(new Event("change"));
    assert.deepEqual([model.get("digit"), marked(), note(), saved], [i, i, words(digit(i)), times]);
  }
  assert.ok(el.classes.has("vaelib-wide"), "it takes the room of three columns");
});

test("a second finger, or a palm, draws nothing and leaves the stroke as it is", async () => {
  const { pad, marked, pen } = await view();
  const digit = marked();
  const second = () => ["pointerdown", "pointermove"].forEach((kind) => pad.dispatchEvent(Object.assign(new Event(kind), { clientX: 10, clientY: 10, pointerId: 2, isPrimary: false })));
  second();
  assert.ok(marked() === digit && digit >= 0, "nothing is drawn");
  pad.context.image = { level: (x) => (x > 100 && x < 130 ? 0 : 255) };
  pen("pointerdown", 110, 50);
  const before = pad.context.drawn.length;
  second();
  assert.equal(pad.context.drawn.length, before, "nor drawn anew");
});

test("of a code under the pointer there is a card with what is decoded from it", async () => {
  const { el, map, ink } = await view();
  const [card] = el.all((one) => one.classes?.has("vaelib-card"));
  const [z1, z2] = mu.data;
  const [x, y] = [36 + ((z1 - BOX[0]) / 12) * 258, 280 - ((z2 - BOX[2]) / 12) * 274];
  map.dispatchEvent(Object.assign(new Event("pointermove"), { offsetX: x, offsetY: y }));
  same(ink(card.children[1]), sigmoid(decode([z1, z2])));
});

test("a map of another size shows the same point, and none where there is none; what is seen is spoken", async () => {
  const { el, map, note, pen, press, pad } = await view();
  const rings = () => map.drawn("stroke").filter(({ path }) => path[0]?.radius).length;
  const [line] = el.all((one) => one.attributes?.role === "status");
  const clock = stopped();
  let before = rings();
  resized(map, 280);
  assert.equal(rings(), before + 2);
  pad.context.image = { level: (x) => (x > 100 && x < 130 ? 0 : 255) };
  pen("pointerdown", 110, 50);
  clock.tick(800);
  assert.equal(line.textContent, note());
  const drawn = map.drawn("image").length;
  press("Clear");
  assert.equal(map.drawn("image").length, drawn + 1, "the map is drawn anew, without the point");
  clock.tick(800);
  assert.deepEqual([line.textContent, map.attributes["aria-label"]], ["Draw a digit in the square.", "Map of the codes"]);
  before = rings();
  resized(map, 260);
  assert.equal(rings(), before);
  clock.goOn();
});

test("a pen that leaves no ink draws no digit, and one that is not down, or whose stroke is gone, no stroke", async () => {
  const { model, note, pen, press, pad, strokes } = await view();
  pad.context.image = { level: () => 255 };
  pen("pointermove", 10, 10);
  assert.deepEqual(strokes(), []);
  pen("pointerdown", 10, 10);
  assert.equal(note(), "Draw a digit in the square.");
  assert.equal(pad.context.lineWidth, 22, "a pen as thick, once it is small, as MNIST's");
  press("Clear");
  pen("pointermove", 20, 20);
  assert.equal(strokes().length, 1);
  pen("pointerdown", 30, 30);
  model.set("digit", 3);
  pen("pointermove", 40, 40);
  assert.deepEqual([strokes().length, note()], [2, words(digit(3))], "an image has taken its place");
  pad.context.image = { level: () => 255 };
  pen("pointerdown", 50, 50);
  assert.deepEqual(strokes().slice(2).map((path) => Math.round(path[0][0])), [50], "and what was drawn before does not come back");
  press("Undo");
  press("Undo");
  assert.equal(note(), "Draw a digit in the square.");
});

test("strokes go where the pen goes, wherever the pad is and however large", async () => {
  const { pad, strokes } = await view();
  pad.context.image = { level: () => 255 };
  pad.getBoundingClientRect = () => ({ left: 40, top: 500, width: 560, height: 140 });
  pad.dispatchEvent(Object.assign(new Event("pointerdown"), { clientX: 240, clientY: 530 }));
  assert.deepEqual(strokes().at(-1), [[100, 60], [100, 60]]);
});

test("strokes go where the pen goes, and what is on the pad is encoded, its paper as no ink at all", async () => {
  const { pad, encoded, painted, ink, note, pen, marked, strokes } = await view();
  // A black bar and a grey one; paper is white.
  pad.context.image = { level: (x, y, channel) => (channel === 3 ? 255 : x > 100 && x < 130 && y > 40 && y < 240 ? 0 : x >= 130 && x < 170 && y > 200 && y < 240 ? 102 : 255) };
  pen("pointerdown", 110, 50);
  pen("pointermove", 112, 230);
  const drawn = strokes().at(-1);
  assert.equal(drawn.length, 3);
  [[110, 50], [110, 50], [112, 230]].forEach((place, i) => place.forEach((value, k) => near(drawn[i][k], value, 1e-9)));
  const inked = Float32Array.from({ length: 280 * 280 }, (_, i) => 1 - pad.context.image.level(i % 280, Math.floor(i / 280), 0) / 255);
  const pixels = centred(fitted(inked, 280));
  same(ink(encoded), pixels);
  assert.ok(pixels.filter((p) => p === 0).length > 400);
  pixels.forEach((p, i) => p === 0 && assert.equal(ink(encoded)[i], 0));
  assert.equal(note(), words(pixels));
  same(ink(painted), sigmoid(decode(posterior(encode(pixels)).mu)));
  assert.equal(marked(), -1, "no test image is chosen");
});

test("undo takes the last stroke away and clear all; an empty pad asks for a digit and shows no code; a reset brings the image back", async () => {
  const { el, pad, map, encoded, ink, note, press, pen, strokes } = await view();
  pad.context.image = { level: (x, y) => (x > 100 && x < 130 && y > 40 && y < 240 ? 0 : 255) };
  const paths = (change) => {
    const before = strokes().length;
    change();
    return strokes().slice(before).map((path) => Math.round(path[0][0]));
  };
  paths(() => pen("pointerdown", 10, 10));
  assert.deepEqual(paths(() => pen("pointerdown", 50, 10)), [10, 50]);
  assert.deepEqual(paths(() => press("Undo")), [10]);
  assert.match(note(), /^μ = /);
  for (const [again, empty] of [[() => {}, "Undo"], [() => [20, 30].forEach((x) => pen("pointerdown", x, 10)), "Clear"]]) {
    again();
    const rings = map.drawn("stroke").filter(({ path }) => path[0]?.radius).length;
    assert.deepEqual(paths(() => press(empty)), []);
    assert.equal(note(), "Draw a digit in the square.");
    assert.ok(ink(encoded).every((level) => level === 0));
    assert.equal(map.drawn("stroke").filter(({ path }) => path[0]?.radius).length, rings, "no point on the map");
  }
  el.dispatchEvent(new Event("reset"));
  assert.equal(note(), words(digit(4)));
});

test("the tour rests on each digit, goes to the next on a straight line and ends where it began; out of sight it waits; a touch ends it", async () => {
  const { matchMedia, requestAnimationFrame } = globalThis;
  let frame = null;
  globalThis.matchMedia = () => ({ matches: false });
  const tour = await view({ tour: true, digit: 9 });
  const { painted, ink, marked } = tour;
  globalThis.requestAnimationFrame = (work) => (frame = work);
  const stops = (all) => all.el.all((one) => one.tag === "button" && one.textContent === "Stop").length;
  const codes = Array.from({ length: 10 }, (_, i) => posterior(encode(digit(i))).mu);
  assert.equal(frame, null, "it is not in sight");
  globalThis.comesIntoView(true);
  let now = 1000;
  const at = (passed) => {
    const work = frame;
    frame = null;
    work(now + passed);
  };
  at(0);
  for (const [from, to] of [[9, 0], [0, 1]]) {
    assert.equal(marked(), from);
    at(1100);
    same(ink(painted), sigmoid(decode(codes[from])));
    at(1200 + 750); // halfway, where it is fastest
    same(ink(painted), sigmoid(decode(codes[from].map((value, k) => (value + codes[to][k]) / 2))));
    at(1200 + 375);
    const share = 0.25 ** 2 * (3 - 0.5);
    same(ink(painted), sigmoid(decode(codes[from].map((value, k) => value + share * (codes[to][k] - value)))));
    at(1200 + 1500);
    now += 2700;
    same(ink(painted), sigmoid(decode(codes[to])));
  }
  assert.equal(marked(), 1);
  globalThis.comesIntoView(false);
  at(2000);
  assert.equal(frame, null, "out of sight it waits");
  globalThis.comesIntoView(true);
  now = 90000;
  at(0);
  at(1000);
  assert.equal(marked(), 1, "and begins again at its digit");
  for (let k = 2; k < 10; k++) {
    at(2700);
    now += 2700;
    assert.equal(marked(), k);
  }
  assert.deepEqual([stops(tour), frame], [0, null], "ten digits, and it is over");
  Object.assign(globalThis, { matchMedia, requestAnimationFrame });

  globalThis.comesIntoView(false);
  globalThis.comesIntoView(true);
  assert.equal(frame, null, "and does not begin again");
});

test("a touch ends the tour for good, and so does leaving the page; to a reader it says nothing", async () => {
  const { matchMedia, requestAnimationFrame, cancelAnimationFrame } = globalThis;
  const frames = new Map();
  let count = 0;
  globalThis.matchMedia = () => ({ matches: false });
  const stops = (all) => all.el.all((one) => one.tag === "button" && one.textContent === "Stop").length;
  const other = await view({ tour: true, digit: 2 });
  Object.assign(globalThis, { requestAnimationFrame: (work) => (frames.set(++count, work), count), cancelAnimationFrame: (frame) => frames.delete(frame) });
  const run = (now) => [...frames].forEach(([frame, work]) => (frames.delete(frame), work(now)));
  assert.equal(stops(other), 1);
  globalThis.comesIntoView(false);
  assert.equal(frames.size, 0);
  globalThis.comesIntoView(true);
  run(0);
  globalThis.comesIntoView(true);
  assert.equal(frames.size, 1, "it goes on, once");
  const [line] = other.el.all((one) => one.attributes?.role === "status");
  const clock = stopped();
  run(2700);
  clock.tick(10000);
  assert.deepEqual([other.marked(), line.textContent], [3, ""]);
  other.el.dispatchEvent(new Event("pointerdown"));
  assert.deepEqual([stops(other), other.marked(), frames.size], [0, 3, 0]);
  clock.tick(800);
  assert.equal(line.textContent, words(digit(3)));
  other.model.set("digit", 5);
  other.el.dispatchEvent(new Event("keydown"));
  assert.equal(other.marked(), 5, "a second touch is none of its business");
  clock.goOn();
  const left = await view({ tour: true, digit: 2 });
  globalThis.comesIntoView(true);
  assert.equal(frames.size, 1);
  left.leave();
  assert.equal(frames.size, 0);
  globalThis.comesIntoView(false);
  globalThis.comesIntoView(true);
  assert.equal(frames.size, 0, "nobody watches any more");
  Object.assign(globalThis, { requestAnimationFrame, cancelAnimationFrame });
  globalThis.matchMedia = () => ({ matches: true });
  assert.equal(stops(await view({ tour: true })), 0, "none for a reader who wants no motion");
  globalThis.matchMedia = matchMedia;
});
