// The draws that leave a trail: from N(0, 1), the same for every reader; and how they are counted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, draws } from "../../vaelib/static/reparameterise.js";

const COUNT = 20000;
const all = () => {
  const next = draws();
  return Array.from({ length: COUNT }, () => [next(), next()]);
};

test("every reader has the same draws, and they are those of N(0, I)", () => {
  const trail = all();
  assert.deepEqual(trail, all());
  const mean = (of) => trail.reduce((sum, pair) => sum + of(pair), 0) / COUNT;
  // Four standard errors of a mean of so many.
  const near = (value, expected, spread) => assert.ok(Math.abs(value - expected) < (4 * spread) / Math.sqrt(COUNT), `${value}`);
  for (const k of [0, 1]) {
    near(mean((pair) => pair[k]), 0, 1);
    near(mean((pair) => pair[k] ** 2), 1, Math.SQRT2);
  }
  near(mean(([a, b]) => a * b), 0, 1);
  assert.ok(trail.flat().every((value) => Math.abs(value) <= 3));
});

test("as many lie within one and two sigma as should, and it is said beside how many should", () => {
  const share = counted(all()).match(/Drawn: 20000; (\d+) within one σ .*39 %.*, (\d+) within two σ .*86 %/);
  assert.ok(Math.abs(share[1] / COUNT - 0.393) < 0.015, share[1]);
  assert.ok(Math.abs(share[2] / COUNT - 0.865) < 0.01, share[2]);
  assert.match(counted([[0.5, 0.5], [1, 1], [3, 0]]), /^Drawn: 3; 1 within one σ .*, 2 within two σ/);
  assert.equal(counted([]), "");
});
