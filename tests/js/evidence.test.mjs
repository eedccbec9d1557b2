// The exact posterior where everything is known: a decoder of two pixels whose logits are far from 0, a flat and a narrow posterior.
import assert from "node:assert/strict";
import { test } from "node:test";
import { boundsOf, coarsePlane, elbo, exactPosterior, logLikelihood, logSumExp, weighed } from "../../vaelib/static/evidence.js";

const near = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not within ${tolerance} of ${b}`);
const PRIOR = { mu: [0, 0], sigma: [1, 1] };
const KS = [1, 2, 10, 100, 1000];

test("log p(x|z) is that of a Bernoulli variable, for logits of any size", () => {
  for (const logit of [-3, 0, 0.5, 40, 800]) {
    near(logLikelihood([1], [logit]), -Math.log1p(Math.exp(-logit)), 1e-9);
    near(logLikelihood([0], [logit]), logLikelihood([1], [-logit]), 1e-9);
  }
  assert.equal(logLikelihood([1], [-800]), -800);
  near(logSumExp([-1000, -1000]), -1000 + Math.log(2), 1e-9);
});

test("where q is the exact posterior each bound is log p(x)", async () => {
  const grid = await weighed(() => [0.3, -2], [1, 0.25], PRIOR);
  const evidence = logLikelihood([1, 0.25], [0.3, -2]);
  near(elbo(grid), evidence, 1e-9);
  for (const bound of (await boundsOf(grid, KS)).bounds) near(bound, evidence, 1e-9);
});

test("where all weights are one and the same the bounds are that number, and numbers at all", async () => {
  const { bounds } = await boundsOf([{ z: [0, 0], share: 1, logWeight: 0 }], KS);
  assert.deepEqual(bounds, [0, 0, 0, 0, 0]);
});

test("of weights whose pairs can be counted, the bound with two draws is nearer than chance leaves the mean of so many pairs", async () => {
  const [low, high] = [-1, 0.5];
  for (const share of [0.2, 0.5, 0.8]) {
    const grid = [{ z: [0, 0], share, logWeight: low }, { z: [1, 1], share: 1 - share, logWeight: high }];
    const pairs = [[share ** 2, low], [(1 - share) ** 2, high], [2 * share * (1 - share), logSumExp([low, high]) - Math.log(2)]];
    const exact = pairs.reduce((sum, [chance, log]) => sum + chance * log, 0);
    const spread = Math.sqrt(pairs.reduce((sum, [chance, log]) => sum + chance * (log - exact) ** 2, 0));
    near((await boundsOf(grid, [2])).bounds[0], exact, spread / Math.sqrt(50_000) / 2);
  }
});

test("with more draws the bound rises, and stays below what q sees of p(x)", async () => {
  const grid = await weighed(([z1, z2]) => [3 * z1, 2 * z2 - 1], [1, 0], PRIOR);
  const seen = logSumExp(grid.map(({ share, logWeight }) => Math.log(share) + logWeight));
  const { bounds, draws } = await boundsOf(grid, KS);
  for (let i = 1; i < KS.length; i++) assert.ok(bounds[i] > bounds[i - 1], `${bounds}`);
  assert.ok(bounds.at(-1) < seen);
  near(bounds.at(-1), seen, 0.01);
  assert.equal(draws.length, 1000);
});

test("the cells of the exact posterior are the whole plane, each part once, however they are cut; their sum is that of a fine grid", async () => {
  const decode = ([z1, z2]) => [9 * z1 - 3, 4 * z2 + z1];
  const { cells, logEvidence } = await exactPosterior(decode, await coarsePlane(decode), [0.4, 0.9]);
  assert.ok(new Set(cells.map(({ size }) => size)).size > 1, "some are cut");
  const over = (of) => cells.reduce((sum, cell) => sum + cell.size ** 2 * of(cell.z), 0);
  near(over(() => 1), 100, 1e-9);
  for (const axis of [0, 1]) {
    near(over((z) => z[axis]), 0, 1e-6);
    // The integral of z^2 over [-5, 5]^2, less what lies within each cell.
    near(over((z) => z[axis] ** 2) + cells.reduce((sum, { size }) => sum + size ** 4 / 12, 0), (10 * 2 * 125) / 3, 1e-6);
  }
  const logs = [];
  for (let z1 = -4.99; z1 < 5; z1 += 0.02) for (let z2 = -4.99; z2 < 5; z2 += 0.02) logs.push(logLikelihood([0.4, 0.9], decode([z1, z2])) - (z1 ** 2 + z2 ** 2) / 2 - Math.log(2 * Math.PI) + 2 * Math.log(0.02));
  near(logEvidence, logSumExp(logs), 1e-3);
});
