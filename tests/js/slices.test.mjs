// Long work in slices of time, of which only the newest goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./surface.mjs";
import { newest, slowly } from "../../vaelib/static/slices.js";

const soon = () => new Promise((go) => setTimeout(go));

test("work is done thing by thing in slices of 16 milliseconds, between which the page is free; an abort is heard there", async () => {
  const { now } = performance;
  let clock = 0;
  performance.now = () => clock;
  const [done, leaving] = [[], new AbortController()];
  const work = slowly([..."abcdefghijklmnopqrstuvwxyz0123456789+-*/"], (thing, i) => {
    done.push(`${thing}${i}`);
    clock += 1;
  }, leaving.signal);
  assert.deepEqual([done.length, done[0], done[15]], [16, "a0", "p15"]);
  clock += 100; // what others do with the time is not counted
  await soon();
  assert.equal(done.length, 32);
  leaving.abort(new Error("given up"));
  await assert.rejects(work, /given up/);
  assert.equal(done.length, 32);
  const all = [];
  await slowly([1, 2, 3], (thing) => (clock += 20) && all.push(thing));
  assert.deepEqual(all, [1, 2, 3], "without a signal it goes on to the end");
  performance.now = now;
});

/** Work that ends when it is told to: its calls, in order. */
function working() {
  const [el, leaving, calls] = [document.createElement("div"), new AbortController(), []];
  const start = newest(el, leaving.signal, (signal) => new Promise((go, fail) => {
    calls.push({ signal, go, fail });
    signal.addEventListener("abort", () => fail(signal.reason));
  }));
  return { el, leaving, calls, start, busy: () => el.attributes["aria-busy"] };
}

test("a call gives up the one before, and the explorer is busy until the newest has ended", async () => {
  const { calls, start, busy } = working();
  const ends = [start(), start()];
  assert.deepEqual([calls[0].signal.aborted, calls[1].signal.aborted, busy()], [true, false, "true"]);
  await ends[0];
  assert.equal(busy(), "true");
  calls[1].go();
  await ends[1];
  assert.equal(busy(), "false");
});

test("what leaves the page gives up its work; another error is its caller's", async () => {
  const { leaving, calls, start } = working();
  const end = start();
  leaving.abort();
  await end;
  assert.equal(calls[0].signal.aborted, true);
  const other = working();
  const failed = other.start();
  other.calls[0].fail(new Error("no canvas"));
  await assert.rejects(failed, /no canvas/);
});
