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
  // Taken further to where it is already, each attribute is named as the face has it.
  const sides = [["not smiling", "smiling"], ["without glasses", "with glasses"], ["without blond hair", "with blond hair"], ["without a beard", "with a beard"], ["without a hat", "with a hat"], ["with short hair", "with long hair"], ["with open eyes", "with closed eyes"]];
  for (const [k, words] of sides.entries()) assert.equal(of({ [k]: has[k] ? 1 : -1 })[1], `There is no more of it to draw: this is a face ${words[has[k]]}.`);
  for (const [k, words] of sides.entries()) {
    const alphas = Array.from({ length: 7 }, (_, i) => (i === k ? 1 - 2 * has[k] : 0));
    assert.deepEqual(flipped(alphas, 0, has), [k]);
    assert.ok(flipped(alphas.map((alpha) => -alpha), 0, has)[1].endsWith(`${words[has[k]]}.`));
  }
  for (const case_ of [of({}), of({ 0: 1 }, 1), of({ 1: 1 })]) assert.equal(case_[0], -1);
});
