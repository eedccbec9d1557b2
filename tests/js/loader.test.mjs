// The code that every explorer embeds, in a notebook: its files come from the kernel. In front ends: tests/live, tests/colab.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./surface.mjs";
import loader from "../../vaelib/static/loader.js";

// A module has no address of its own in node unless it is its text.
globalThis.Blob = class {
  constructor([code]) {
    this.code = code;
  }
};
URL.createObjectURL = ({ code }) => `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`;

/** An explorer's model with a kernel that answers as it is told: (path) => { error } or a buffer, or nothing. */
function notebook(answers) {
  const asked = [];
  let hearing = [];
  return {
    asked,
    hearing: () => hearing.length,
    on: (event, hear) => event === "msg:custom" && hearing.push(hear),
    off: (event, hear) => (hearing = hearing.filter((one) => one !== hear)),
    send({ path }) {
      asked.push(path);
      const answer = answers(path);
      // All who wait hear of each answer.
      if (answer) setTimeout(() => [...hearing].forEach((hear) => hear({ path, error: answer.error }, [answer])));
    },
  };
}
const START = Buffer.from("export const start = (given) => globalThis.started(given);");
const view = (bytes, around) => new DataView(Uint8Array.from([...Array(around).fill(9), ...bytes, ...Array(around).fill(9)]).buffer, around, bytes.length);

test("each file is what the kernel sent for it, though it is a part of a larger buffer and others wait too", async () => {
  const files = { "vaelib/start.js": START, a: [1, 2, 3], b: [4], c: [7] };
  const model = notebook((path) => (path === "c" ? Uint8Array.from(files.c).buffer : view(files[path], path.length)));
  const el = document.createElement("div");
  const given = await new Promise((go) => {
    globalThis.started = async (all) => go(all);
    loader.render({ model, el });
  });
  assert.equal(given.model, model);
  const came = await Promise.all(["a", "b", "c"].map(given.load));
  assert.deepEqual(came.map((bytes) => [...new Uint8Array(bytes)]), [[1, 2, 3], [4], [7]]);
  assert.deepEqual(model.asked, ["vaelib/start.js", "a", "b", "c"]);
  assert.equal(model.hearing(), 0, "who has an answer listens no longer");
  assert.ok(el.classes.has("vaelib-here"));
});

test("what the kernel cannot send, or an explorer that does not start, is said in its place, and it has left the page", async () => {
  for (const [answers, starts, words] of [
    [() => ({ error: "there is no such file" }), null, /could not start: there is no such file\. It starts when a busy kernel is free/],
    [() => view(START, 0), () => Promise.reject(new Error("no canvas")), /could not start: no canvas\./],
  ]) {
    const el = document.createElement("div");
    let signal;
    globalThis.started = (given) => ((signal = given.signal), starts());
    loader.render({ model: notebook(answers), el });
    for (let i = 0; i < 200 && !/could not start/.test(el.textContent); i++) await new Promise((go) => setTimeout(go, 5));
    assert.match(el.textContent, words);
    if (starts) assert.equal(signal.aborted, true);
  }
});

test("a kernel that is busy is said to be, and the explorer starts when it is free; one that has gone from the page is told", async () => {
  const { setTimeout: later, clearTimeout } = globalThis;
  const el = document.createElement("div");
  const timers = new Map();
  Object.assign(globalThis, { setTimeout: (work, wait, ...more) => timers.set(timers.size, () => wait === 10000 && work(...more)) && timers.size - 1, clearTimeout: (id) => timers.delete(id) });
  let answer;
  const model = { on: (_, hear) => (answer = hear), off() {}, send() {} };
  const started = new Promise((go) => (globalThis.started = async (given) => go(given)));
  const leave = loader.render({ model, el });
  assert.equal(el.textContent, "The explorer is loading …");
  [...timers.values()].forEach((work) => work());
  assert.match(el.textContent, /could not start: no kernel answered in 10 seconds\. It starts when a busy kernel is free/);
  Object.assign(globalThis, { setTimeout: later, clearTimeout });
  answer({ path: "vaelib/other.js" }, [view([1], 0)]);
  answer({ path: "vaelib/start.js" }, [view(START, 3)]);
  const { signal } = await started;
  assert.equal(signal.aborted, false);
  leave();
  assert.equal(signal.aborted, true);
});

test("on a page of the book its script brings the files; where that has not come there is a sentence about it", async () => {
  document.documentElement.dataset.content_root = "../";
  const model = notebook(() => assert.fail("there is no kernel"));
  const el = document.createElement("div");
  loader.render({ model, el });
  await new Promise((go) => setTimeout(go, 5));
  assert.equal(el.textContent, "This explorer could not start: book.js, a script of this page, has not come. Reload the page to try again; the still picture stays until then.");
  const asked = [];
  globalThis.vaelibLoad = async (path) => asked.push(path) && START;
  const given = await new Promise((go) => {
    globalThis.started = async (all) => go(all);
    loader.render({ model, el });
  });
  assert.equal(given.load, globalThis.vaelibLoad);
  assert.deepEqual(asked, ["vaelib/start.js"]);
  delete globalThis.vaelibLoad;
  delete document.documentElement.dataset.content_root;
});
