// The mixer's arithmetic, and when the truth is known. What the page shows of it: tests/book/test_explorers.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { flipped, mixed } from "../../vaelib/static/mixer.js";

const [FACE, OTHER] = [Float32Array.of(1, 2), Float32Array.of(3, -2)];
const VECTORS = [Float32Array.of(1, 0), Float32Array.of(0, 4)];

test("a code is the face's, morphed, plus alpha times each feature vector", () => {
  assert.deepEqual([...mixed(FACE, OTHER, 0, [0, 0], VECTORS)], [1, 2]);
  assert.deepEqual([...mixed(FACE, OTHER, 1, [0, 0], VECTORS)], [3, -2]);
  assert.deepEqual([...mixed(FACE, OTHER, 0.25, [0, 0], VECTORS)], [1.5, 1]);
  assert.deepEqual([...mixed(FACE, OTHER, 0.25, [-2, 0.5], VECTORS)], [-0.5, 3]);
  assert.deepEqual([...FACE], [1, 2], "the face's own code stays");
});

test("there is a counterfactual exactly where one attribute is taken to its other side", () => {
  const has = [0, 1, 0, 1, 0, 1, 0];
  const of = (alphas, morph = 0) => flipped(Object.assign(Array(7).fill(0), alphas), morph, has);
  assert.deepEqual(of({ 0: 0.1 }), [0]);
  assert.deepEqual(of({ 3: -2 }), [3]);
  assert.match(of({})[1], /Move one attribute/);
  assert.match(of({ 0: 1 }, 0.05)[1], /between two/);
  assert.match(of({ 0: 1, 3: -1 })[1], /one attribute changed, and 2 are/);
  assert.match(of({ 0: -1 })[1], /a face not smiling/);
  assert.match(of({ 1: 1 })[1], /a face with glasses/);
  for (const case_ of [of({}), of({ 0: 1 }, 1), of({ 1: 1 })]) assert.equal(case_[0], -1);
});
