// The exact posterior where everything is known: a decoder of two pixels whose logits are far from 0, a flat and a narrow posterior.
import assert from "node:assert/strict";
import { test } from "node:test";
import { boundsOf, coarsePlane, elbo, exactPosterior, logLikelihood, logSumExp, seeded, weighed } from "../../vaelib/static/evidence.js";

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
  assert.equal(logSumExp([-Infinity, -Infinity]), -Infinity, "nothing has no mass");
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

/** A decoder of one pixel under which the posterior of [1] is a small hill: so steep, around a place. */
const hill = (steep, [a, b], jump = () => 0) => (z) => [-5 - steep * ((z[0] - a) ** 2 + (z[1] - b) ** 2) + jump(z)];
const finest = (cells) => cells.reduce((least, { size }) => Math.min(least, size), 1);
const logOf = (decode, z) => logLikelihood([1], decode(z)) - (z[0] ** 2 + z[1] ** 2) / 2 - Math.log(2 * Math.PI);

test("the plane begins in cells of an eighth, of which those stay whole that lie more than sixty nats below the highest", async () => {
  const up = hill(10, [0.3, -0.2]);
  for (const [x, decode] of [[[1], up], [[0], (z) => [-up(z)[0]]]]) {
    const plane = await coarsePlane(decode);
    assert.equal(plane.length, 80 ** 2);
    const logs = plane.map(({ z }) => logLikelihood(x, decode(z)) - (z[0] ** 2 + z[1] ** 2) / 2 - Math.log(2 * Math.PI));
    const top = logs.reduce((a, b) => (a > b ? a : b));
    const { cells } = await exactPosterior(decode, plane, x);
    const whole = new Map(cells.filter(({ size }) => size === 1 / 8).map(({ z, log }) => [z.join(), log]));
    assert.ok(logs.filter((log) => Math.abs(top - log - 60) < 1).length > 4);
    for (const [i, { z }] of plane.entries()) {
      if (logs[i] > top - 60) assert.ok(!whole.has(z.join()), `${logs[i] - top}`);
      else near(whole.get(z.join()), logs[i], 1e-9);
    }
    for (const { size } of cells) assert.ok([8, 32, 64].includes(1 / size), "cut in four each way, then in two");
  }
});

test("what lies within eight nats of the highest cell is cut as fine as it goes, and nothing that lies lower", async () => {
  const decode = hill(10, [0.3, -0.2]);
  const { cells } = await exactPosterior(decode, await coarsePlane(decode), [1]);
  const top = cells.reduce((most, { log }) => Math.max(most, log), -Infinity);
  const small = finest(cells);
  for (const { log, size } of cells) {
    if (size === small) assert.ok(log > top - 8.3, `${log - top}`);
    else assert.ok(log < top - 7.9, `${log - top}`);
  }
});

test("cells are halved until that moves the sum by less than a thousandth of a nat, and to 1/512 at most", async () => {
  const place = [33 / 64, -17 / 64]; // in the middle of a cell of 1/32
  const over = (decode, size) => {
    const steps = Array.from({ length: 64 * Math.round(1 / 32 / size) }, (_, i) => (i + 0.5) * size - 1);
    const logs = steps.flatMap((a) => steps.map((b) => logOf(decode, [a + 0.5, b - 0.25])));
    return logSumExp(logs) + 2 * Math.log(size);
  };
  for (const [steep, low, high, size] of [[1150, 0.0002, 0.001, 1 / 64], [1300, 0.001, 0.002, 1 / 128]]) {
    const decode = hill(steep, place);
    const moved = Math.abs(over(decode, 1 / 64) - over(decode, 1 / 32));
    assert.ok(moved > low && moved < high, `${steep}: ${moved}`);
    const { cells, logEvidence } = await exactPosterior(decode, await coarsePlane(decode), [1]);
    assert.equal(finest(cells), size);
    near(logEvidence, over(decode, 1 / 128), 1e-3);
  }
  const cliff = hill(2000, place, ([z1]) => (z1 > 0.52137 ? 2 : 0));
  assert.equal(finest((await exactPosterior(cliff, await coarsePlane(cliff), [1])).cells), 1 / 512);
});

test("q's own grid reaches five sigma to each side in quarters of one, has the shares of N(mu, sigma), and the ELBO of a flat likelihood lacks the KL", async () => {
  const grid = await weighed(() => [0], [1], { mu: [1, -2], sigma: [0.5, 0.25] });
  assert.equal(grid.length, 41 ** 2);
  const [first, next, last] = [grid[0], grid[1], grid.at(-1)];
  assert.deepEqual([first.z, last.z], [[-1.5, -3.25], [3.5, -0.75]]);
  near(next.z[1] - first.z[1], 0.0625, 1e-12);
  near(grid.reduce((sum, { share }) => sum + share, 0), 1, 1e-12);
  for (const axis of [0, 1]) near(grid.reduce((sum, { share, z }) => sum + share * z[axis], 0), [1, -2][axis], 1e-9);
  const kl = [[1, 0.5], [-2, 0.25]].reduce((sum, [mu, sigma]) => sum + (mu ** 2 + sigma ** 2 - 1 - Math.log(sigma ** 2)) / 2, 0);
  near(elbo(grid), -Math.log(2) - kl, 1e-4);
});

test("draws are even over the shares, by Marsaglia's numbers, the same each time", async () => {
  const random = seeded(2463534242);
  const published = [723471715, 2497366906, 2064144800];
  for (const number of published) assert.equal(random() * 2 ** 32, number);
  const grid = [0.125, 0.25, 0.0625, 0.3, 0.2625].map((share, i) => ({ z: [i, -i], share, logWeight: i / 10 }));
  const { draws } = await boundsOf(grid, [2]);
  const again = seeded(2463534242);
  for (const z of draws) {
    let left = again();
    const i = grid.findIndex(({ share }) => (left -= share) <= 0);
    assert.deepEqual(z, grid[i].z);
  }
});

test("where the draws have missed what carries a tenth of the mean, or more, the bound is their mean and nothing is added", async () => {
  // The last is never drawn, and carries 15 % of the mean weight.
  const logWeights = [0, 1, Math.log((0.15 / 0.85) * 0.5 * (1 + Math.E) * 1e9)];
  const grid = [0.5, 0.5, 1e-9].map((share, i) => ({ z: [i, i], share, logWeight: logWeights[i] }));
  const { bounds: [bound], draws } = await boundsOf(grid, [2]);
  assert.ok(draws.every(([i]) => i < 2));
  near(bound, 0.25 + Math.log((1 + Math.E) / 2) / 2, 0.005);
});
