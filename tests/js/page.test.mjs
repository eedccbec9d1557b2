// How a picture is painted: as ink on paper, as light, or in colour; and what is said where nothing can be painted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DIGIT, oncePerFrame, paintPicture } from "../../vaelib/static/page.js";

globalThis.ImageData = class {
  constructor(width, height) {
    this.data = new Uint8ClampedArray(4 * width * height);
  }
};

function painted(pixels, kind) {
  let data;
  paintPicture({ getContext: () => ({ putImageData: (image) => ({ data } = image) }) }, pixels, kind);
  return Array.from({ length: data.length / 4 }, (_, i) => [...data.slice(4 * i, 4 * i + 3)]);
}

test("one channel is light, unless it is said to be ink", () => {
  const shape = [1, 1, 3];
  assert.deepEqual(painted([0, 0.2, 1], { shape }), [[0, 0, 0], [51, 51, 51], [255, 255, 255]]);
  assert.deepEqual(painted([0, 0.2, 1], { shape, ink: true }), [[255, 255, 255], [204, 204, 204], [0, 0, 0]]);
});

test("three channels are red, green and blue", () => {
  assert.deepEqual(painted([1, 0, 0, 0.2, 0, 1], { shape: [3, 1, 2] }), [[255, 0, 0], [0, 51, 255]]);
});

test("digits are ink", () => assert.equal(DIGIT.ink, true));

test("a browser that gives no canvas is an error with a sentence", () => {
  const canvas = { getContext: () => null };
  assert.throws(() => paintPicture(canvas, [0], { shape: [1, 1, 1] }), /no canvas be drawn on/);
});

test("the first painting is done at once, so that its error reaches who asked; later ones once per frame", () => {
  const [frames, painting] = [[], []];
  globalThis.requestAnimationFrame = (frame) => frames.push(frame);
  const update = oncePerFrame(() => painting.push("painted"));
  update();
  assert.equal(painting.length, 1);
  update();
  update();
  assert.deepEqual([painting.length, frames.length], [1, 1]);
  frames.pop()();
  assert.equal(painting.length, 2);
  assert.throws(oncePerFrame(() => assert.fail("it cannot be painted")), /cannot be painted/);
});
