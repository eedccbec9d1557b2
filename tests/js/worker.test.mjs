// The playground's worker, without a page: what it posts is what its own training says. In a browser: tests/book/test_playground.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { near } from "./surface.mjs";
import { chance, D, normals, picture, RIGHT, Training, unpacked } from "../../vaelib/static/train.js";

const posted = [];
let [turn, clock] = [null, 0];
performance.now = () => (clock += 12); // twelve milliseconds pass between two looks at it
Object.assign(globalThis, {
  onmessage: null,
  postMessage: (look) => posted.push(structuredClone(look)),
  // Turns come when the test says so.
  MessageChannel: class {
    port1 = { set onmessage(hear) { turn = hear; } };
    port2 = { postMessage() {} };
  },
});
await import("../../vaelib/static/worker.js");
const tell = (what, given) => globalThis.onmessage({ data: [what, given] });

const random = chance(2);
const digits = (count) => Uint8Array.from({ length: (count * D) / 2 }, () => (random() < 0.8 ? 0 : 256 * random()));
const [TRAIN, HELD] = [digits(128), digits(200)];
const LABELS = Uint8Array.from({ length: 200 }, (_, i) => i % 10);
const TEN = [3, 1, 4, 15, 9, 26, 5, 35, 8, 97];
const SETTINGS = { ...RIGHT, noise: "off" }; // so that chance has no part in what is judged

tell("pace", 0);
tell("settings", SETTINGS);
tell("seed", 7);
tell("train", TRAIN);
tell("held", { bytes: HELD, labels: LABELS, ten: TEN });

const pixels = unpacked(HELD);
const fresh = new Training(7);
const levels = (z) => picture(fresh.decode(Float32Array.from(z), 1).logits);
const same = (tile, expected) => expected.forEach((p, i) => near(tile[i], 255 * p, 1.01));

test("the first look is of the network before its first step, and of all that is held out", () => {
  const [look] = posted;
  assert.deepEqual([look.seed, look.steps, look.judged, look.side, look.half], [7, 0, 0, 9, 4]);
  const { reconstruction, encoded } = fresh.forward(pixels, 200, new Float32Array(400), SETTINGS);
  near(look.own[0], reconstruction, 1e-3);
  assert.deepEqual(look.own.slice(1), [0, 0], "without noise there is no KL");
  assert.deepEqual(look.right, look.own);
  look.posterior.forEach((value, i) => near(value, encoded.posterior[i], 1e-5));
  const { posterior } = fresh.encode(pixels, 200);
  for (const [i, row] of TEN.entries()) {
    same(look.originals.subarray(i * D, (i + 1) * D), pixels.subarray(row * D, (row + 1) * D));
    same(look.made.subarray(i * D, (i + 1) * D), levels(posterior.subarray(4 * row, 4 * row + 2)));
  }
});

test("the plane is decoded from its middle outwards: z1 grows across, z2 upwards; beside it ten draws from the prior", () => {
  const [look] = posted;
  for (const [row, column] of [[0, 0], [0, 8], [4, 4], [7, 2]]) {
    const z = [(4 * 2 * (column - 4)) / 9, (4 * 2 * (4 - row)) / 9];
    const tile = 9 * row + column;
    same(look.plane.subarray(tile * D, (tile + 1) * D), levels(z));
  }
  const draws = normals(chance(7 + 0x5eed), 20);
  for (let i = 0; i < 10; i++) same(look.samples.subarray(i * D, (i + 1) * D), levels(draws.subarray(2 * i, 2 * i + 2)));
});

test("one step is one step, of 64 images, and is looked at at once", () => {
  const before = posted.length;
  tell("step");
  assert.deepEqual(posted.slice(before).map(({ steps, judged }) => [steps, judged]), [[1, 1]]);
  assert.ok(posted.at(-1).own[0] < posted[0].own[0]);
});

test("while it runs looks take turns: one judges a part of what is held out, the next decodes; none comes before the last is drawn", () => {
  tell("reset", 7);
  const all = posted.at(-1);
  assert.deepEqual([all.steps, all.judged], [0, 0]);
  const looks = [];
  let count = posted.length;
  tell("run", true);
  while (looks.length < 5) {
    while (posted.length === count) turn();
    looks.push(posted.at(-1));
    count = posted.length;
    for (let i = 0; i < 3; i++) turn();
    assert.equal(posted.length, count, "the page has not drawn the last one");
    tell("drawn");
  }
  tell("run", false);
  const steps = looks.map((look) => look.steps);
  assert.ok(steps.every((step, i) => step > (steps[i - 1] ?? 0)), `${steps}`);
  const judged = looks.map((look, i) => look.judged === look.steps && look.judged !== looks[i - 1]?.judged);
  assert.equal(judged.filter(Boolean).length, judged[0] ? 3 : 2);
  judged.forEach((one, i) => assert.equal(one, judged[0] === (i % 2 === 0)));
  let before = all;
  const parts = [];
  for (const [i, look] of looks.entries()) {
    const changed = [0, 1].map((part) => look.posterior.some((value, k) => Math.floor(k / 400) === part && value !== before.posterior[k]));
    assert.equal(changed.filter(Boolean).length, judged[i] ? 1 : 0, "a part at a time");
    if (judged[i]) parts.push(changed.indexOf(true));
    const decoded = look.plane.some((value, k) => value !== before.plane[k]);
    assert.equal(decoded, !judged[i]);
    before = look;
  }
  assert.equal(new Set(parts).size, 2, "each part has its turn");
  assert.ok(looks.at(-1).rate > 0);
  const last = posted.at(-1);
  assert.equal(last.judged, last.steps, "where it stands still all is made anew");
});

test("a program with a mistake is judged by its own reckoning and by the right one", () => {
  tell("settings", { ...SETTINGS, mistake: "mean over pixels" });
  tell("reset", 7);
  const { own, right } = posted.at(-1);
  near(right[0], posted[0].own[0], 1e-3);
  near(own[0], right[0] / D, 1e-4);
  tell("settings", { ...SETTINGS, reduction: "mean" });
  tell("reset", 7);
  near(posted.at(-1).right[0], posted[0].own[0], 1e-3);
  near(posted.at(-1).own[0], right[0] / D, 1e-4);
});

test("the square holds nearly all codes: as wide as the prior's, or that doubled as often as need be", () => {
  const { half, posterior } = posted.at(-1);
  const beyond = (limit) => posterior.filter((_, i) => i % 4 === 0 && Math.max(Math.abs(posterior[i]), Math.abs(posterior[i + 1])) > limit).length / 200;
  assert.ok(beyond(half) <= 0.03);
  assert.equal(half, 4);
});
