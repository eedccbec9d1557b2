// What the replay shows at a recorded step and between two, and how a reader goes along it. In a browser: tests/book.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layers, load, mounted, near, spoken } from "./surface.mjs";
import { readSafetensors } from "../../vaelib/static/engine.js";
import { between, limits } from "../../vaelib/static/replay.js";
import * as replay from "../../vaelib/static/replay.js";

const RECORDED = Float32Array.of(0, 4, 2, 8, 10, 0); // three frames of two numbers

test("at a recorded step what was recorded is shown, the last one too", () => {
  for (const k of [0, 1, 2]) assert.deepEqual([...between(RECORDED, 2, k)], [...RECORDED.slice(2 * k, 2 * k + 2)]);
});

test("between two steps it lies on the straight line, and nothing recorded is changed", () => {
  const before = [...RECORDED];
  assert.deepEqual([...between(RECORDED, 2, 0.25)], [0.5, 5]);
  assert.deepEqual([...between(RECORDED, 2, 1.5)], [6, 4]);
  assert.deepEqual([...RECORDED], before);
});

// --- what is seen ---------------------------------------------------------------------------------------------------------

const { tensors } = readSafetensors(await load("vaelib/replay.safetensors"));
const steps = Array.from(tensors.steps.data);
const LAST = steps.length - 1;
const KINDS = ["ae", "vae"];
const TITLES = ["Autoencoder", "VAE"];
const BOXES = [[-40, 20, -30, 30], [-6, 6, -5, 7]];
const COLOURS = Array.from({ length: 10 }, (_, digit) => `#00000${digit}`);
const lossOf = (kind, moment) => between(tensors[`${kind}.loss`].data, 1, moment)[0];

async function view(traits = {}) {
  const before = layers.length;
  const all = await mounted(replay, { frame: 5, boxes: BOXES, colours: COLOURS, ...traits });
  const { el } = all;
  const [curve] = el.all((one) => one.classes?.has("vaelib-curve"));
  const [play] = el.all((one) => one.tag === "button");
  const rows = el.all((one) => one.classes?.has("vaelib-row"));
  const cloud = (holds) => layers.slice(before).findLast(holds);
  const ring = () => curve.drawn("stroke").filter(({ path }) => path[0]?.radius).at(-1).path[0];
  const sum = () => el.all((one) => one.classes?.has("vaelib-sum"))[0].textContent;
  const moment = () => ((ring().x - 36) / 258) * LAST;
  const point = (kind, x, y) => curve.dispatchEvent(Object.assign(new Event(kind), { clientX: x, clientY: y, preventDefault() {}, stopPropagation() {} }));
  const key = (name) => curve.dispatchEvent(Object.assign(new Event("keydown"), { key: name }));
  return { ...all, curve, play, rows, cloud, ring, sum, moment, point, key };
}
const press = (button) => button.dispatchEvent(new Event("click"));
const toX = (moment) => 36 + (moment / LAST) * 258;

test("an address can say each recorded step, and none beyond", () => assert.deepEqual(limits(), { frame: [0, LAST, 1] }));

test("the sentence has the step and both losses of the nearer recorded step, and is spoken", async () => {
  const { el, model, sum, point } = await view();
  for (const frame of [5, 0, LAST]) {
    const said = spoken(el, () => model.set("frame", frame));
    const losses = KINDS.map((kind, i) => `${TITLES[i]} ${lossOf(kind, frame).toFixed(1)}`).join(", ");
    assert.equal(sum(), `After ${steps[frame].toLocaleString("en")} steps. Loss on 2,000 test images, in nats: ${losses}.`);
    if (frame !== 5) assert.equal(said, sum());
  }
  point("pointerdown", toX(8.4), 100);
  assert.ok(sum().startsWith(`After ${steps[8]} steps.`) && sum().includes(`VAE ${lossOf("vae", 8).toFixed(1)}`));
});

test("each map has its codes of the moment, on the straight line between two steps, each in its own box", async () => {
  const { point } = await view();
  for (const moment of [8, 8.25]) {
    const before = layers.length;
    point("pointerdown", toX(moment), 100);
    const clouds = layers.slice(before).filter((one) => one.drawn("rect").length > 500).slice(-2);
    for (const [i, kind] of KINDS.entries()) {
      const codes = between(tensors[`${kind}.codes`].data, 2 * tensors.labels.data.length, moment);
      const [low1, high1, low2, high2] = BOXES[i];
      const squares = clouds[i].drawn("rect").slice(1);
      assert.deepEqual(squares.map(({ colour }) => colour), Array.from(tensors.labels.data, (digit) => COLOURS[digit]));
      for (const [k, { x, y, width, height }] of squares.entries()) {
        near(x + width / 2, 36 + ((codes[2 * k] - low1) / (high1 - low1)) * 258, 0.01);
        near(y + height / 2, 280 - ((codes[2 * k + 1] - low2) / (high2 - low2)) * 274, 0.01);
      }
    }
  }
});

test("below each map are five test images and their reconstructions, those of the nearer step", async () => {
  const { model, rows, point } = await view({ frame: 1 });
  const [size, count] = [784, 5];
  const shows = (row, data, start) => {
    assert.equal(row.children.length, count);
    for (const [i, picture] of row.children.entries()) {
      const { image } = picture.drawn("pixels").at(-1);
      assert.deepEqual([image.width, image.height], [28, 28]);
      for (let k = 0; k < 4 * size; k++) near(255 - image.data[k], k % 4 === 3 ? 0 : data[start + i * size + (k >> 2)], 0.5);
    }
  };
  const all = (frame) => {
    for (const [i, kind] of KINDS.entries()) {
      shows(rows[2 * i], tensors.originals.data, 0);
      shows(rows[2 * i + 1], tensors[`${kind}.pictures`].data, frame * count * size);
    }
  };
  all(1);
  model.set("frame", 7);
  all(7);
  const [first] = rows[1].children;
  point("pointerdown", toX(7.4), 100);
  assert.equal(rows[1].children[0], first, "the nearer step is the same, and nothing is painted again");
  point("pointerdown", toX(7.6), 100);
  all(8);
});

test("the curves lie on axes of all steps across and 100 to 560 nats up, and so do their names and the ring", async () => {
  const { cloud, ring, model } = await view();
  const layer = cloud((one) => one.drawn("text").some(({ text }) => text.startsWith("loss in nats")));
  const place = (kind, moment) => [toX(moment), 280 - ((lossOf(kind, moment) - 100) / 460) * 274];
  const curves = layer.drawn("stroke").filter(({ path }) => path.length === steps.length);
  assert.deepEqual(curves.map(({ path }) => path.length), [LAST + 1, LAST + 1]);
  for (const [i, kind] of KINDS.entries()) {
    curves[i].path.forEach((one, k) => one.forEach((value, axis) => near(value, place(kind, k)[axis], 1e-3)));
    const [{ x, y }] = layer.drawn("text").filter(({ text }) => text === TITLES[i]);
    const [at, height] = place(kind, 9.5);
    near(x, at + [-10, 10][i], 1e-3);
    near(y, height, 1e-3);
  }
  const [{ x, y }] = layer.drawn("text").filter(({ text }) => text.startsWith("loss in nats"));
  assert.deepEqual([x, y], [294 - 5, 6 + 10], "in the corner where no curve is");
  for (const frame of [0, 12, LAST]) {
    model.set("frame", frame);
    near(ring().x, place("vae", frame)[0], 1e-3);
    near(ring().y, place("vae", frame)[1], 1e-3);
  }
});

test("dragged, the ring goes where the pointer is, between two steps too, and the trait is the nearer one, saved; an arrow goes on from there", async () => {
  const { model, moment, point, key } = await view();
  for (const wanted of [7.3, 0.6, 20.5]) {
    point("pointerdown", toX(wanted), 50);
    near(moment(), wanted, 1e-6);
    assert.equal(model.get("frame"), Math.round(wanted));
    assert.deepEqual(model.saved, model.traits);
  }
  key("ArrowLeft");
  near(moment(), 20.5 - (5 / 258) * LAST, 1e-6);
  point("pointerdown", 0, 0);
  assert.deepEqual([moment(), model.get("frame")], [0, 0]);
  point("pointerdown", 300, 0);
  assert.deepEqual([moment(), model.get("frame")], [LAST, LAST]);
  key("Home");
  assert.deepEqual([moment(), model.get("frame")], [0, 0]);
});

test("another frame of the slider moves the ring there; the one that is nearest leaves it where it is", async () => {
  const { model, moment, point } = await view();
  point("pointerdown", toX(7.3), 50);
  model.set("frame", 12);
  assert.equal(moment(), 12);
  point("pointerdown", toX(7.3), 50);
  near(moment(), 7.3, 1e-6);
  model.set("frame", 7);
  near(moment(), 7.3, 1e-6);
});

/** Frames that come when they are asked to; what was asked for and not taken back. */
function frames() {
  const { requestAnimationFrame, cancelAnimationFrame, matchMedia } = globalThis;
  const asked = new Map();
  let count = 0;
  Object.assign(globalThis, { requestAnimationFrame: (work) => asked.set((count += 1), work) && count, cancelAnimationFrame: (id) => asked.delete(id), matchMedia: () => ({ matches: false }) });
  const come = (now) => {
    for (const [id, work] of [...asked]) if (asked.delete(id)) work(now);
  };
  return { asked, come, end: () => Object.assign(globalThis, { requestAnimationFrame, cancelAnimationFrame, matchMedia }) };
}

test("played, it goes on by a step in .4 seconds, frame by frame, to the end; there it stops, and begins anew when it is played again", async () => {
  const { model, moment, play } = await view({ frame: LAST - 2 });
  const { asked, come, end } = frames();
  try {
    press(play);
    assert.equal(play.textContent, "Stop");
    let now = 1000;
    for (const [passed, wanted] of [[0, 0], [100, 0.25], [300, 1], [200, 1.5], [100, 1.75], [400, 2]]) {
      come((now += passed));
      come(now); // what is painted is painted with a frame
      near(moment(), LAST - 2 + wanted, 1e-6);
    }
    assert.deepEqual([model.get("frame"), model.saved.frame, play.textContent], [LAST, LAST, "Play"]);
    come((now += 1000));
    assert.equal(asked.size, 0, "no frame is asked for any more");
    press(play);
    come((now += 100));
    come(now);
    near(moment(), 0, 1e-6);
    come((now += 400));
    come(now);
    near(moment(), 1, 1e-6);
  } finally {
    end();
  }
});

test("where a reader wants less motion it shows recorded steps alone, the next one after .4 seconds and not before, from the nearer one on", async () => {
  const { moment, play, point } = await view();
  const { come, end } = frames();
  globalThis.matchMedia = (wanted) => ({ matches: wanted === "(prefers-reduced-motion: reduce)" });
  try {
    point("pointerdown", toX(7.3), 50);
    press(play);
    for (const [now, wanted] of [[1000, 7], [1399.9, 7], [1400, 8], [1799, 8], [1850, 9], [3060, 12]]) {
      come(now);
      come(now);
      near(moment(), wanted, 1e-6);
    }
  } finally {
    end();
  }
});

test("pressed again, dragged, reset or gone from the page it stops, and no frame is asked for any more", async () => {
  for (const [halt, wanted] of [[({ play }) => press(play), 5.5], [({ point }) => point("pointerdown", toX(3.2), 50), 3.2], [({ el }) => el.dispatchEvent(new Event("reset")), 6], [({ leave }) => leave(), 5.5]]) {
    const all = await view();
    const { asked, come, end } = frames();
    try {
      press(all.play);
      come(1000);
      come(1200);
      come(1200);
      assert.equal(all.play.textContent, "Stop");
      halt(all);
      assert.equal(all.play.textContent, "Play");
      come(1600);
      near(all.moment(), wanted, 1e-6);
      assert.equal(asked.size, 0);
      press(all.play);
      assert.equal(all.play.textContent, "Stop", "it can be played again");
    } finally {
      end();
    }
  }
});
