// The playground's worker, without a page: what it posts is what its own training says. In a browser: tests/book/test_playground.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { near } from "./surface.mjs";
import { batches, chance, D, K, normals, picture, RIGHT, Training, unpacked } from "../../vaelib/static/train.js";

const random = chance(2);
const digits = (count) => Uint8Array.from({ length: (count * D) / 2 }, () => (random() < 0.8 ? 0 : 256 * random()));
const [TRAIN, HELD] = [digits(128), digits(200)];
const pixels = unpacked(HELD);
const LABELS = Uint8Array.from({ length: 200 }, (_, i) => i % 10);
const TEN = [3, 1, 4, 15, 9, 26, 5, 35, 8, 97];
const SETTINGS = { ...RIGHT, noise: "off" }; // so that chance has no part in what is judged

let [posted, asked, clock] = [[], 0, null];
let workers = 0;

/** A worker of its own. Turns come when the test says so; `each` milliseconds pass at each look at the clock, `lasts` while it posts. */
async function made(settings, { pace = 0, each = 13, lasts = 0, held = true } = {}) {
  let turn;
  [posted, asked, clock] = [[], 0, { now: 0, each }];
  performance.now = () => (clock.now += clock.each);
  Object.assign(globalThis, {
    onmessage: null,
    postMessage(look) {
      posted.push(structuredClone(look));
      clock.now += lasts;
    },
    MessageChannel: class {
      port1 = { set onmessage(hear) { turn = hear; } };
      port2 = { postMessage: () => asked++ };
    },
  });
  await import(`../../vaelib/static/worker.js?${workers++}`);
  const hear = globalThis.onmessage;
  const tell = (what, given) => hear({ data: [what, given] });
  tell("pace", pace);
  tell("settings", settings);
  tell("seed", 7);
  tell("train", TRAIN);
  const hold = (bytes = HELD) => tell("held", { bytes, labels: LABELS, ten: TEN });
  if (held) hold();
  /** How many turns until the next look. */
  const turns = () => {
    const count = posted.length;
    let took = 0;
    for (; posted.length === count && took < 99; took++) turn();
    return took;
  };
  return { tell, turn, turns, hold };
}

/** The same training by its own hand. */
function twin(settings, steps) {
  const training = new Training(7);
  const next = batches(unpacked(TRAIN), 64, training.random);
  for (let i = 0; i < steps; i++) training.step(next(), 64, normals(training.random, 64 * K), settings);
  return training;
}

const same = (levels, expected, name) => {
  assert.equal(levels.length, expected.length);
  levels.forEach((level, i) => level === expected[i] || assert.fail(`${name}, ${i}: ${level}, not ${expected[i]}`));
};

/** That a look's pictures are those of a network, to the last level. */
function shows(look, training, settings) {
  const at = (i) => (2 * (i + 0.5)) / 9 - 1;
  const plane = Array.from({ length: 81 }, (_, i) => [look.half * at(i % 9), -look.half * at(Math.floor(i / 9))]).flat();
  const { posterior } = training.encode(pixels, 200);
  const codes = TEN.flatMap((row) => [...posterior.subarray(4 * row, 4 * row + 2)]);
  for (const [name, z] of Object.entries({ plane, samples: normals(chance(7 + 0x5eed), 20), made: codes })) {
    const expected = picture(training.decode(Float32Array.from(z), z.length / 2).logits, settings).map((p) => Math.floor(255 * p));
    same(look[name], expected, name);
  }
}

test("the first look is of the network before its first step, and of all that is held out", async () => {
  await made(SETTINGS);
  const [look] = posted;
  assert.deepEqual([look.seed, look.steps, look.judged, look.rate, look.side, look.half], [7, 0, 0, 0, 9, 4]);
  const fresh = twin(SETTINGS, 0);
  const { reconstruction, encoded } = fresh.forward(pixels, 200, new Float32Array(400), SETTINGS);
  near(look.own[0], reconstruction, 1e-3);
  assert.deepEqual(look.own.slice(1), [0, 0], "without noise there is no KL");
  assert.deepEqual(look.right, look.own);
  look.posterior.forEach((value, i) => near(value, encoded.posterior[i], 1e-5));
  same(look.originals, TEN.flatMap((row) => [...pixels.subarray(row * D, (row + 1) * D)].map((p) => Math.floor(255 * p))), "originals");
  shows(look, fresh, SETTINGS);
});

test("the plane is decoded from its middle outwards: z1 grows across, z2 upwards; beside it ten draws from the prior and ten reconstructions", async () => {
  const settings = { ...SETTINGS, lr: 0.05, mistake: "no sigmoid" };
  const { tell } = await made(settings);
  for (let i = 0; i < 4; i++) tell("step");
  shows(posted.at(-1), twin(settings, 4), settings);
  const { plane } = posted.at(-1);
  const corners = [0, 8, 72, 80].map((tile) => plane.slice(tile * D, (tile + 1) * D).join());
  assert.equal(new Set(corners).size, 4, "pictures that differ were compared");
});

test("with noise what is held out is judged by draws of its own: how often one looks changes nothing of what is learned", async () => {
  const { tell } = await made(RIGHT);
  const draws = chance(7 + 0x5eed);
  normals(draws, 20); // the ten from the prior
  for (const steps of [0, 1, 2]) {
    if (steps) tell("step");
    const training = twin(RIGHT, steps);
    const parts = [0, 1].map((part) => training.forward(pixels.subarray(100 * part * D, 100 * (part + 1) * D), 100, normals(draws, 200), RIGHT));
    const terms = parts.map(({ reconstruction, kl }) => [reconstruction, ...kl]);
    posted.at(-1).own.forEach((value, i) => near(value, (terms[0][i] + terms[1][i]) / 2, 1e-6));
    assert.deepEqual(posted.at(-1).right, posted.at(-1).own);
  }
});

test("one step is one step, of 64 images, and is looked at at once", async () => {
  const { tell } = await made(SETTINGS);
  tell("step");
  assert.deepEqual(posted.slice(1).map(({ steps, judged }) => [steps, judged]), [[1, 1]]);
  near(posted[1].own[0], twin(SETTINGS, 1).forward(pixels, 200, new Float32Array(400), SETTINGS).reconstruction, 1e-3);
});

test("while it runs looks take turns: one judges a part of what is held out, the next decodes; none comes before the last is drawn", async () => {
  const { tell, turn, turns } = await made(SETTINGS);
  const looks = [];
  tell("run", true);
  for (let i = 0; i < 5; i++) {
    if (posted.length === i + 1) turns();
    looks.push(posted.at(-1));
    for (let k = 0; k < 2; k++) turn();
    assert.equal(posted.length, i + 2, "the page has not drawn the last one");
    tell("drawn");
  }
  tell("run", false);
  const steps = looks.map((look) => look.steps);
  assert.ok(steps.every((step, i) => step > (steps[i - 1] ?? 0)), `${steps}`);
  const parts = [];
  for (const [i, look] of looks.entries()) {
    const before = looks[i - 1] ?? posted[0];
    const judges = i % 2 === 1; // all was judged when it began
    assert.equal(look.judged, judges ? look.steps : before.judged);
    const changed = [0, 1].filter((part) => look.posterior.some((value, k) => Math.floor(k / 400) === part && value !== before.posterior[k]));
    assert.equal(changed.length, judges ? 1 : 0, "a part at a time");
    parts.push(...changed);
    assert.equal(look.plane.some((value, k) => value !== before.plane[k]), !judges);
  }
  assert.deepEqual(parts.sort(), [0, 1], "each part has its turn");
  const last = posted.at(-1);
  assert.equal(posted.length, 7);
  assert.equal(last.judged, last.steps, "where it stands still all is made anew");
  shows(last, twin(SETTINGS, last.steps), SETTINGS);
  tell("run", false);
  assert.equal(posted.length, 7, "it stands still already");
});

test("a turn takes 25 milliseconds and asks for the next; there is one at a time, and none once it is paused", async () => {
  const { tell, turn } = await made(SETTINGS, { pace: 1e6, each: 5 });
  tell("run", true);
  assert.equal(asked, 1);
  tell("run", true);
  assert.equal(asked, 1, "it runs already");
  turn();
  assert.equal(asked, 2);
  tell("run", false);
  assert.equal(posted.at(-1).steps, 2 * 4, "five milliseconds a step, the last to end before 25 are over");
  turn();
  assert.equal(asked, 2);
  tell("step");
  assert.equal(posted.at(-1).steps, 9);
});

test("looks come at the pace that they are wanted at, and on a slow machine take a seventh of the time", async () => {
  // A turn, a step in each, is 52 milliseconds of this clock, and a look at least 13.
  for (const [pace, lasts, expected] of [[104, 0, [1, 2]], [105, 0, [2, 2]], [104, 45, [1, 6]]]) {
    const { tell, turns } = await made(SETTINGS, { pace, lasts });
    tell("run", true); // and with it the first turn
    const counts = [];
    for (const _ of expected) {
      counts.push(turns());
      tell("drawn");
    }
    assert.deepEqual(counts, expected, `${pace}, ${lasts}`);
  }
});

test("its rate is in steps a second, of the last few seconds; a reset begins to count anew", async () => {
  const { tell, turn } = await made(SETTINGS);
  tell("run", true);
  let since = clock.now - 52 - 13 - 13; // a turn looks at the clock four times, a look once
  let first = 0;
  const rate = (passed) => {
    tell("drawn");
    clock.now = since + passed - 52;
    turn();
    const look = posted.at(-1);
    near(look.rate, (1000 * (look.steps - first)) / passed, 1e-9);
    return look.steps;
  };
  for (const passed of [1000, 2500, 4000]) rate(passed);
  for (const passed of [4100, 4001]) {
    first = rate(passed);
    since += passed;
  }
  rate(500);
  tell("reset", 7);
  [first, since] = [0, clock.now];
  rate(200);
});

test("before the held-out digits have come it trains, and looks at nothing", async () => {
  const { tell, turn, hold } = await made(SETTINGS, { held: false, each: 5 });
  tell("step");
  tell("reset", 7);
  tell("run", true);
  turn();
  tell("run", false);
  assert.deepEqual(posted, []);
  hold();
  assert.deepEqual(posted.map(({ steps, judged }) => [steps, judged]), [[8, 8]]);
});

test("another seed begins another training, and so does a reset", async () => {
  const { tell } = await made(SETTINGS);
  tell("step");
  tell("reset", 7);
  assert.deepEqual(posted[2].own, posted[0].own);
  same(posted[2].plane, posted[0].plane);
  tell("reset", 8);
  assert.deepEqual([posted[3].seed, posted[3].steps], [8, 0]);
  assert.notEqual(posted[3].own[0], posted[0].own[0]);
});

test("a program with a mistake is judged by its own reckoning and by the right one", async () => {
  const { tell } = await made(SETTINGS);
  for (const change of [{ mistake: "mean over pixels" }, { reduction: "mean" }]) {
    tell("settings", { ...SETTINGS, ...change });
    tell("reset", 7);
    const { own, right } = posted.at(-1);
    near(right[0], posted[0].own[0], 1e-3);
    near(own[0], right[0] / D, 1e-4);
  }
  tell("settings", { mistake: "sign of the KL" });
  tell("reset", 7);
  const { own, right } = posted.at(-1);
  for (const i of [1, 2]) near(own[i], -right[i], 1e-9);
  assert.ok(right[1] > 0 && right[1] !== right[2], "and every other switch stands where the book has it");
});

test("the square holds all codes but less than a fiftieth: as wide as the prior's, or that doubled as often as need be", async () => {
  const settings = { ...SETTINGS, lr: 0.05 };
  const { tell, hold } = await made(settings);
  for (let i = 0; i < 10; i++) tell("step");
  const seen = new Set();
  // Some pictures as grey as that, all others white: by now the darker one is the further out its code lies.
  for (const [level, count] of [[3, 4], [6, 4], [12, 4], [15, 3]]) {
    hold(Uint8Array.from({ length: 100 * D }, (_, i) => (i < (count * D) / 2 ? 17 * level : 0)));
    const { half, posterior } = posted.at(-1);
    const beyond = (limit) => posterior.filter((_, i) => i % 4 === 0 && Math.max(Math.abs(posterior[i]), Math.abs(posterior[i + 1])) > limit).length;
    assert.equal(half, [4, 8, 16, 32].find((limit) => beyond(limit) < 4), `${count} of level ${level}`);
    seen.add(half);
  }
  assert.deepEqual([...seen].sort((a, b) => a - b), [4, 8, 16, 32]);
  hold();
  tell("settings", { ...settings, lr: 1e20 });
  tell("reset", 7);
  for (const beyond of [Infinity, NaN]) {
    tell("step");
    const { half, posterior } = posted.at(-1);
    for (let i = 0; i < 800; i += 4) assert.equal(Math.max(Math.abs(posterior[i]), Math.abs(posterior[i + 1])), beyond);
    assert.equal(half, 4, "where codes are beyond all bounds");
  }
});
