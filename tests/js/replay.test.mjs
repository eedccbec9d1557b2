// What the replay shows between two recorded steps.
import assert from "node:assert/strict";
import { test } from "node:test";
import { between } from "../../vaelib/static/replay.js";

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
