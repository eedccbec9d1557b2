// log p(x) of one image under a VAE with two latents, its exact posterior and the bounds below it: sums over the plane, where
// books write integrals. No page: the same file runs in a browser and in node. Derived in chapter 6.
//
// A cell of the plane is { z, size, log }: its middle, its side, and log p(x|z) + log p(z) there.
import { slowly } from "./slices.js";

// The plane is summed from minus this to this on both axes; of N(0, I) one draw in a million lies beyond.
const REACH = 5;
const COARSE = 1 / 8;
// What lies so many nats below the highest cell is not looked at more closely: in the first look, when a peak may lie
// between two cells, and later.
const DEEP = 60;
const NEAR = 8;
// The sum has settled when halving the cells moves it by less, in nats.
const SETTLED = 0.001;
const FINEST = 1 / 512;
// q's own grid: this many sigmas to each side, and so many steps to a sigma.
const SIGMAS = 5;
const STEPS = 4;
const TRIES = 100;
const MOST = 1000;

/** log p(x|z) in nats of pixels x in [0, 1], from the decoder's logits: the sum of x logit - log(1 + exp(logit)). */
export function logLikelihood(x, logits) {
  return inner(x, logits) - softplus(logits);
}

function inner(x, logits) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * logits[i];
  return sum;
}

function softplus(logits) {
  let sum = 0;
  for (const logit of logits) sum += Math.max(logit, 0) + Math.log1p(Math.exp(-Math.abs(logit)));
  return sum;
}

const logPrior = ([z1, z2]) => -(z1 * z1 + z2 * z2) / 2 - Math.log(2 * Math.PI);

/** log(exp(a) + exp(b) + …), without an overflow. */
export function logSumExp(values) {
  const top = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (top === -Infinity) return top;
  return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

const logMass = (cells) => logSumExp(cells.map(({ log, size }) => log + 2 * Math.log(size)));
const highest = (cells) => cells.reduce((top, { log }) => Math.max(top, log), -Infinity);

/** The plane in coarse cells, decoded: made once for a model, it serves each image. */
export async function coarsePlane(decode, signal) {
  const count = (2 * REACH) / COARSE;
  const middle = (i) => (i + 0.5) * COARSE - REACH;
  const plane = Array.from({ length: count ** 2 }, (_, i) => ({ z: [middle(Math.floor(i / count)), middle(i % count)] }));
  await slowly(plane, (cell) => {
    cell.logits = decode(cell.z);
    cell.softplus = softplus(cell.logits);
  }, signal);
  return plane;
}

/** The exact posterior of pixels x: { cells, logEvidence }. Cells are cut in pieces where the posterior is, until it settles. */
export async function exactPosterior(decode, plane, x, signal) {
  let cells = [];
  await slowly(plane, ({ z, logits, softplus: all }) => {
    cells.push({ z, size: COARSE, log: inner(x, logits) - all + logPrior(z) });
  }, signal);
  const cut = async (depth, pieces) => {
    const least = highest(cells) - depth;
    const parts = cells.filter(({ log }) => log > least).flatMap((cell) => split(cell, pieces));
    await slowly(parts, (part) => (part.log = logLikelihood(x, decode(part.z)) + logPrior(part.z)), signal);
    cells = [...cells.filter(({ log }) => log <= least), ...parts];
    return Math.min(...parts.map(({ size }) => size));
  };
  await cut(DEEP, 4);
  for (;;) {
    const before = logMass(cells);
    const size = await cut(NEAR, 2);
    if (size <= FINEST || Math.abs(logMass(cells) - before) < SETTLED) break;
  }
  return { cells, logEvidence: logMass(cells) };
}

function split({ z, size }, pieces) {
  const small = size / pieces;
  const at = (middle, i) => middle - size / 2 + (i + 0.5) * small;
  return Array.from({ length: pieces ** 2 }, (_, i) => ({ z: [at(z[0], i % pieces), at(z[1], Math.floor(i / pieces))], size: small }));
}

/**
 * The normal q = N(mu, sigma^2) on a grid of its own: { z, share, logWeight } with q's share of each of its cells, and
 * log p(x|z) + log p(z) - log q(z|x) in its middle.
 */
export async function weighed(decode, x, { mu, sigma }, signal) {
  const side = 2 * SIGMAS * STEPS + 1;
  const steps = Array.from({ length: side }, (_, i) => i / STEPS - SIGMAS);
  const grid = steps.flatMap((t1) => steps.map((t2) => ({ z: [mu[0] + sigma[0] * t1, mu[1] + sigma[1] * t2], t: [t1, t2] })));
  const total = steps.reduce((sum, t) => sum + Math.exp((-t * t) / 2), 0) ** 2;
  await slowly(grid, (cell) => {
    const logQ = logPrior(cell.t) - Math.log(sigma[0] * sigma[1]);
    cell.share = Math.exp(-(cell.t[0] ** 2 + cell.t[1] ** 2) / 2) / total;
    cell.logWeight = logLikelihood(x, decode(cell.z)) + logPrior(cell.z) - logQ;
  }, signal);
  return grid;
}

/** The ELBO in nats: the mean of the log weights under q. */
export function elbo(grid) {
  return grid.reduce((sum, { share, logWeight }) => sum + share * logWeight, 0);
}

/**
 * The bound with k draws from q for each k: the mean of log((w1 + … + wk) / k), over a hundred times a thousand draws in
 * groups of k. Returns { bounds, draws }, the last for the eye: the places of the first thousand. The seed is fixed.
 */
export async function boundsOf(grid, ks, signal) {
  let reached = 0;
  const upTo = Float64Array.from(grid, ({ share }) => (reached += share));
  // What q sees of p(x): the mean weight of k draws is this on average, whatever k.
  const seen = logSumExp(grid.map(({ share, logWeight }) => Math.log(share) + logWeight));
  const random = seeded(2463534242);
  const groups = ks.map(() => []);
  let draws;
  await slowly(Array(TRIES).fill(), () => {
    const drawn = Array.from({ length: MOST }, () => grid[find(upTo, random() * reached)]);
    draws ??= drawn.map(({ z }) => z);
    const weights = drawn.map(({ logWeight }) => logWeight - seen);
    for (const [i, k] of ks.entries()) {
      if (k === 1) continue;
      for (let g = k; g <= MOST; g += k) groups[i].push(logSumExp(weights.slice(g - k, g)) - Math.log(k));
    }
  }, signal);
  // With one draw the mean is known without drawing.
  return { bounds: ks.map((k, i) => (k === 1 ? elbo(grid) : seen + steadied(groups[i]))), draws };
}

// The mean of logarithms whose exponentials have the mean 1: what theirs is off by says how far this one is likely to be.
// Where the draws have missed what carries that mean, theirs is far off, and says nothing.
function steadied(logs) {
  const ratios = logs.map(Math.exp);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [log, ratio] = [logs, ratios].map(mean);
  if (Math.abs(ratio - 1) > 0.1) return log;
  const both = mean(logs.map((value, i) => (value - log) * ratios[i]));
  const spread = mean(ratios.map((value) => (value - ratio) ** 2));
  return log - (spread > 0 ? (both / spread) * (ratio - 1) : 0);
}

// The first place whose number is at least `wanted`, in numbers that rise.
function find(numbers, wanted) {
  let [low, high] = [0, numbers.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Numbers in [0, 1) that are the same each time: Marsaglia's xorshift of 32 bits. */
export function seeded(seed) {
  let state = seed | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
