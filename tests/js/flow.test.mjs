// Where a point is on its way, and how long that is. The velocity itself is checked against PyTorch: tests/test_explore.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { detour, limits, midpoint, placeAt } from "../../vaelib/static/flow.js";

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
});

test("a midpoint step is exact where the velocity is linear in time, and looks halfway", () => {
  assert.deepEqual([...midpoint((x, t) => x.map(() => 3 * t + 1), Float32Array.of(2), 0, 1)], [4.5]);
  const seen = [];
  midpoint((x, t) => (seen.push([x[0], t]), x), Float32Array.of(1), 0.5, 0.25);
  assert.deepEqual(seen, [[1, 0.5], [1.125, 0.625]]);
});

test("an address can say where each slider and switch is", () => {
  assert.deepEqual(Object.keys(limits()).length, 3 + 7);
  assert.deepEqual(limits().Wearing_Hat, [-1, 1, 1]);
  assert.deepEqual(limits().steps, [1, 50, 1]);
});
