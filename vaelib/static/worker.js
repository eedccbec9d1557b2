// The Web Worker of the playground: it trains, and some ten times a second it looks at what has become of the network. The page
// (playground.js) makes it of this file and train.js, pasted together, so that it runs wherever a page may run a script of
// its own: from a server, from disk, and in a notebook.
import { batches, chance, D, K, normals, picture, RIGHT, Training, unpacked } from "./train.js";

const [BATCH, PART] = [64, 100]; // images in a step, held-out images in a look
const SIDE = 9; // of the decoded plane, in pictures
const TILES = SIDE * SIDE;

let settings = { ...RIGHT };
let [running, waits] = [false, false];
let seed, between, train, held, training, next, looks; // the page tells seed and pace before anything else

function reset() {
  training = new Training(seed);
  next = batches(train, BATCH, training.random);
  // Looks draw from a source of their own: how often one looks must not change what is learned.
  const random = chance(seed + 0x5eed);
  const samples = normals(random, 10 * K);
  looks = { random, samples, at: 0, rate: 0, posterior: new Float32Array(0), parts: [] };
}

function step() {
  training.step(next(), BATCH, normals(training.random, BATCH * K), settings);
}

/** What `count` held-out images cost, by this program and by the right formulas, and their posteriors. */
function judge(from, count) {
  const x = held.pixels.subarray(from * D, (from + count) * D);
  const epsilon = normals(looks.random, count * K);
  const own = training.forward(x, count, epsilon, settings);
  looks.posterior.set(own.encoded.posterior, from * 2 * K);
  const known = { ...settings, mistake: "", reduction: "sum" };
  const same = settings.mistake === "" && settings.reduction === "sum";
  const right = same ? own : training.forward(x, count, epsilon, known);
  looks.parts[from / PART] = [own, right].map(({ reconstruction, kl }) => [reconstruction, ...kl]);
}

/**
 * All that the page shows. Where training stands still everything is made anew; while it runs a look takes a turn at half of
 * it: either a tenth of the held-out images is judged, or pictures are decoded.
 */
function look(all) {
  const count = held.labels.length;
  if (!looks.posterior.length) looks.posterior = new Float32Array(count * 2 * K);
  looks.at++;
  if (all) for (let from = 0; from < count; from += PART) judge(from, PART);
  else if (looks.at % 2) judge((((looks.at - 1) / 2) * PART) % count, PART);
  if (all || looks.at % 2) looks.judged = training.steps;
  if (all || looks.at % 2 === 0) decodeAll();
  const mean = (which, i) => looks.parts.reduce((sum, part) => sum + part[which][i], 0) / looks.parts.length;
  const [own, right] = [0, 1].map((which) => [0, 1, 2].map((i) => mean(which, i)));
  postMessage({ seed, steps: training.steps, judged: looks.judged, rate: looks.rate, own, right, posterior: looks.posterior, side: SIDE, originals: held.levels, ...looks.pictures });
}

/** The plane, draws from the prior and ten reconstructions, as levels up to 255. */
function decodeAll() {
  const half = reach();
  const grid = new Float32Array(TILES * K);
  for (let i = 0; i < TILES; i++) {
    grid[2 * i] = half * ((2 * ((i % SIDE) + 0.5)) / SIDE - 1);
    grid[2 * i + 1] = half * (1 - (2 * (Math.floor(i / SIDE) + 0.5)) / SIDE);
  }
  const { posterior } = training.encode(held.ten, 10);
  const codes = Float32Array.from({ length: 10 * K }, (_, i) => posterior[2 * K * Math.floor(i / K) + (i % K)]);
  const chosen = new Float32Array([...grid, ...looks.samples, ...codes]);
  const levels = Uint8Array.from(picture(training.decode(chosen, TILES + 20).logits, settings), (p) => 255 * p);
  const [plane, samples, made] = [[0, TILES], [TILES, TILES + 10], [TILES + 10, TILES + 20]].map(([from, to]) => levels.slice(from * D, to * D));
  looks.pictures = { half, plane, samples, made };
}

/** Half the width of a square about 0 that holds nearly all codes: 4, the prior's, or that doubled as often as need be. */
function reach() {
  const sizes = [];
  for (let i = 0; i < looks.posterior.length; i += 2 * K) sizes.push(Math.max(Math.abs(looks.posterior[i]), Math.abs(looks.posterior[i + 1])));
  const wide = sizes.sort((a, b) => a - b).at(-sizes.length / 50);
  return wide > 4 && wide < Infinity ? 4 * 2 ** Math.ceil(Math.log2(wide / 4)) : 4;
}

// Trains for a tenth of a second, in short turns, so that what the reader asks for is heard in between.
let began, first, since, took = 0;
function turn() {
  if (!running) return;
  const end = performance.now() + 25;
  while (performance.now() < end) step();
  const now = performance.now();
  // On a slow machine one looks less often: training keeps six sevenths of the time.
  if (now - began >= Math.max(between, 6 * took) && held && !waits) {
    looks.rate = (1000 * (training.steps - first)) / (now - since);
    // The rate is of the last few seconds.
    if (now - since > 4000) [first, since] = [training.steps, now];
    waits = true;
    began = now;
    look(false);
    took = performance.now() - now;
  }
  channel.port2.postMessage(null);
}
// setTimeout would wait for 4 ms each time.
const channel = new MessageChannel();
channel.port1.onmessage = turn;

const hear = {
  train: (bytes) => {
    train = unpacked(bytes);
    reset();
  },
  held({ bytes, labels, ten }) {
    const pixels = unpacked(bytes);
    held = { pixels, labels, ten: new Float32Array(10 * D) };
    ten.forEach((row, i) => held.ten.set(pixels.subarray(row * D, (row + 1) * D), i * D));
    held.levels = Uint8Array.from(held.ten, (p) => 255 * p);
    look(true);
  },
  settings(given) {
    settings = { ...RIGHT, ...given };
  },
  seed(given) {
    seed = given;
  },
  reset(given) {
    seed = given;
    reset();
    [first, since] = [0, performance.now()];
    if (held) look(true);
  },
  run(wanted) {
    if (wanted === running) return;
    running = wanted;
    [first, since, began] = [training.steps, performance.now(), performance.now()];
    if (running) turn();
    else if (held) look(true);
  },
  step() {
    step();
    if (held) look(true);
  },
  // Milliseconds between looks.
  pace(wanted) {
    between = wanted;
  },
  drawn() {
    waits = false;
  },
};
onmessage = ({ data: [what, given] }) => hear[what](given);
