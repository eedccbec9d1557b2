// A drawing becomes a picture as MNIST's did: longer side 20, centre of mass in the middle.
import assert from "node:assert/strict";
import { test } from "node:test";
import { centred, fitted } from "../../vaelib/static/mnist.js";

const SIDE = 280;
const drawing = (inside) => Float32Array.from({ length: SIDE * SIDE }, (_, i) => (inside(i % SIDE, Math.floor(i / SIDE)) ? 1 : 0));
const near = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not within ${tolerance} of ${b}`);

function centreOfMass(frame) {
  let [mass, x, y] = [0, 0, 0];
  frame.forEach((ink, i) => {
    mass += ink;
    x += ink * ((i % 28) + 0.5);
    y += ink * (Math.floor(i / 28) + 0.5);
  });
  return [x / mass, y / mass];
}

test("an empty drawing is no picture", () => assert.equal(fitted(new Float32Array(SIDE * SIDE), SIDE), null));

test("the longer side becomes 20, and proportions are kept, wherever and however large it was drawn", () => {
  for (const [left, top, width, height] of [[10, 20, 100, 200], [200, 5, 30, 60], [0, 0, 140, 280], [100, 100, 9, 18]]) {
    const small = fitted(drawing((x, y) => x >= left && x < left + width && y >= top && y < top + height), SIDE);
    assert.deepEqual([small.width, small.height], [10, 20]);
    for (const ink of small.pixels) near(ink, 1, 1e-6);
  }
});

test("a drawing that lies is as wide as one that stands is high", () => {
  for (const [left, top, width, height] of [[20, 10, 200, 100], [5, 200, 60, 30], [0, 0, 280, 70]]) {
    const small = fitted(drawing((x, y) => x >= left && x < left + width && y >= top && y < top + height), SIDE);
    assert.deepEqual([small.width, small.height], [20, (20 * height) / width]);
  }
});

test("a stroke as thin as one pixel is one pixel thin, at the very edge too; of a long one the least is left", () => {
  for (const [left, top, width, height, expected] of [[0, 0, 20, 1, [20, 1]], [0, 0, 1, 20, [1, 20]], [260, 279, 20, 1, [20, 1]], [279, 260, 1, 20, [1, 20]], [40, 90, 200, 4, [20, 1]], [90, 40, 4, 200, [1, 20]]]) {
    const small = fitted(drawing((x, y) => x >= left && x < left + width && y >= top && y < top + height), SIDE);
    assert.deepEqual([small.width, small.height], expected);
  }
});

test("each new pixel lies where those lay whose mean it is", () => {
  for (const [width, height] of [[60, 42], [39, 60]]) {
    const ink = Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
      const [x, y] = [(i % SIDE) - 30, Math.floor(i / SIDE) - 50];
      return x >= 0 && x < width && y >= 0 && y < height ? 0.2 + ((x * 37 + y * y * 11) % 50) / 100 : 0;
    });
    const small = fitted(ink, SIDE);
    assert.deepEqual([small.width, small.height], [width / 3, height / 3]);
    small.pixels.forEach((pixel, i) => {
      const [x, y] = [30 + 3 * (i % small.width), 50 + 3 * Math.floor(i / small.width)];
      let sum = 0;
      for (let k = 0; k < 9; k++) sum += ink[(y + Math.floor(k / 3)) * SIDE + x + (k % 3)];
      near(pixel, sum / 9, 1e-6);
    });
  }
});

test("faint ink is none, and a tenth is ink", () => {
  const inside = (x, y) => x >= 100 && x < 120 && y >= 80 && y < 120;
  const [faint, seen] = [0.09, 0.11].map((around) => fitted(drawing(inside).map((ink) => ink || around), SIDE));
  assert.deepEqual([faint.width, faint.height], [10, 20]);
  assert.deepEqual([seen.width, seen.height], [20, 20]);
});

test("no ink is lost or made: what lies in the box is in the picture, by area, at the edge of the drawing too", () => {
  for (const [left, top, size] of [[0, 0, 33], [SIDE - 33, SIDE - 33, 33], [50, 70, 7], [10, 200, 50]]) {
    let all = 0;
    const ink = Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
      const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
      const here = x >= left && x < left + size && y >= top && y < top + size ? 0.2 + 0.8 * ((x * 7 + y * 13) % 10) / 10 : 0;
      all += here;
      return here;
    });
    const small = fitted(ink, SIDE);
    assert.deepEqual([small.width, small.height], [20, 20]);
    near(small.pixels.reduce((sum, p) => sum + p, 0) * (size / 20) ** 2, all, 1e-3 * all);
  }
});

test("a new pixel is the mean of what it covers", () => {
  const chequered = fitted(drawing((x, y) => x < 200 && y < 200 && (x + y) % 2 === 0), SIDE);
  for (const ink of chequered.pixels) near(ink, 0.5, 0.02);
});

test("the centre of mass comes to the middle, to half a pixel, though the box does not", () => {
  const seven = drawing((x, y) => (y < 40 && x < 160) || (x > 130 && x < 160 && y < 240));
  const small = fitted(seven, SIDE);
  const frame = centred(small);
  const [x, y] = centreOfMass(frame);
  near(x, 14, 0.51);
  near(y, 14, 0.51);
  const rows = [...frame.keys()].filter((i) => frame[i] > 0).map((i) => Math.floor(i / 28));
  assert.ok((rows[0] + rows.at(-1) + 1) / 2 > 14.5, "the bounding box of a 7 lies low, its mass is at the top");
});

test("however faint it is and wherever in its box, a single pixel comes to the middle", () => {
  for (const [x, y] of [[19, 19], [0, 0], [3, 17]]) {
    const pixels = new Float32Array(400);
    pixels[20 * y + x] = 0.25;
    assert.equal(centred({ pixels, width: 20, height: 20 })[14 * 28 + 14], 0.25);
  }
});

test("a dot is a picture too, and nothing falls out of the frame", () => {
  const dot = centred(fitted(drawing((x, y) => x === 7 && y === 9), SIDE));
  assert.equal(dot.length, 784);
  near(dot.reduce((sum, ink) => sum + ink, 0), 400, 1e-3);
});

test("the frame holds the small picture moved by whole pixels; what reaches its edge is in it, and only what lies beyond is cut off", () => {
  const seen = new Set();
  for (const [width, height] of [[20, 20], [20, 7], [3, 20]]) {
    for (const [heavyX, heavyY] of [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1], [width >> 1, height >> 1]]) {
      for (const weight of [8, 20, 60, 100, 150, 200, 300, 500, 900, 1e6]) {
        const pixels = Float32Array.from({ length: width * height }, (_, i) => (i === heavyY * width + heavyX ? weight : 0.25 + (i % 7) / 10));
        const frame = centred({ pixels, width, height });
        const at = frame.indexOf(Math.fround(weight));
        const [left, top] = [(at % 28) - heavyX, Math.floor(at / 28) - heavyY];
        for (const [x, y] of Array.from({ length: 784 }, (_, i) => [i % 28, Math.floor(i / 28)])) {
          const inside = x >= left && x < left + width && y >= top && y < top + height;
          assert.equal(frame[28 * y + x], inside ? pixels[(y - top) * width + x - left] : 0, `${x}, ${y}`);
        }
        for (const [side, place] of Object.entries({ left, top, right: 28 - left - width, bottom: 28 - top - height })) seen.add(`${side} ${Math.sign(place)}`);
      }
    }
  }
  assert.equal(seen.size, 12, "pictures within, at and beyond each edge were among them");
});
