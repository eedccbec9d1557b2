// How a picture is painted: as ink on paper, as light, or in colour; and what is said where nothing can be painted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DIGIT, fromAddress, keepState, oncePerFrame, paintPicture, toAddress } from "../../vaelib/static/page.js";

globalThis.ImageData = class {
  constructor(width, height) {
    this.data = new Uint8ClampedArray(4 * width * height);
  }
};

function painted(pixels, kind) {
  let data;
  paintPicture({ getContext: () => ({ putImageData: (image) => ({ data } = image) }) }, pixels, kind);
  return Array.from({ length: data.length / 4 }, (_, i) => [...data.slice(4 * i, 4 * i + 3)]);
}

test("one channel is light, unless it is said to be ink", () => {
  const shape = [1, 1, 3];
  assert.deepEqual(painted([0, 0.2, 1], { shape }), [[0, 0, 0], [51, 51, 51], [255, 255, 255]]);
  assert.deepEqual(painted([0, 0.2, 1], { shape, ink: true }), [[255, 255, 255], [204, 204, 204], [0, 0, 0]]);
});

test("three channels are red, green and blue", () => {
  assert.deepEqual(painted([1, 0, 0, 0.2, 0, 1], { shape: [3, 1, 2] }), [[255, 0, 0], [0, 51, 255]]);
});

test("digits are ink, 28 x 28", () => assert.deepEqual(DIGIT, { shape: [1, 28, 28], ink: true }));

test("a browser that gives no canvas is an error with a sentence", () => {
  const canvas = { getContext: () => null };
  assert.throws(() => paintPicture(canvas, [0], { shape: [1, 1, 1] }), /no canvas be drawn on/);
});

test("the first painting is done at once, so that its error reaches who asked; later ones once per frame", () => {
  const [frames, painting] = [[], []];
  globalThis.requestAnimationFrame = (frame) => frames.push(frame);
  const update = oncePerFrame(() => painting.push("painted"));
  update();
  assert.equal(painting.length, 1);
  update();
  update();
  assert.deepEqual([painting.length, frames.length], [1, 1]);
  frames.pop()();
  assert.equal(painting.length, 2);
  assert.throws(oncePerFrame(() => assert.fail("it cannot be painted")), /cannot be painted/);
});

const LIMITS = { mu: [-3, 3, 0.05], log_var: [-6, 3, 0.05], position: [0, 6, 1] };

test("an address says where an explorer stands, and says it of each one apart", () => {
  const first = { mu: 1, log_var: -1, position: 2 };
  const one = toAddress("", "kl1", { ...first, mu: 0.15000000000000002 }, first);
  assert.equal(one, "kl1.mu=0.15");
  assert.equal(toAddress("", "kl1", { ...first, mu: 0.123456 }, first), "kl1.mu=0.1235");
  const both = toAddress(`#${one}`, "kl2", { ...first, log_var: -2 }, first);
  assert.deepEqual(fromAddress(`#${both}`, "kl1", LIMITS), { mu: 0.15 });
  assert.deepEqual(fromAddress(`#${both}`, "kl2", LIMITS), { log_var: -2 });
  assert.equal(toAddress(`#${both}`, "kl1", first, first), "kl2.log_var=-2");
  assert.equal(toAddress("#a-title", "kl1", { ...first, position: 3 }, first), "kl1.position=3");
});

test("of an address only what may be is taken", () => {
  const taken = (said) => fromAddress(`#${said}`, "kl1", LIMITS);
  assert.deepEqual(taken("kl1.mu=99&kl1.position=-3"), { mu: 3, position: 0 });
  assert.deepEqual(taken("kl1.mu=0.07&kl1.position=2.6"), { mu: 0.05, position: 3 });
  for (const said of ["a-title", "mu=1", "kl1.mu=", "kl1.mu=x", "kl1.mu=Infinity", "kl1.name=2", "kl1.toString=1", "kl12.mu=1"])
    assert.deepEqual(taken(said), {}, said);
});

test("of an address a number is taken to a millionth", () => {
  const fine = { mu: [0, 1, 1e-7] };
  assert.deepEqual(fromAddress("#kl1.mu=0.1234564", "kl1", fine), { mu: 0.123456 });
});

/** As much of a Backbone model as is used: all values are set, then all changes are told. */
function model(traits) {
  const heard = new Map();
  return {
    get: (name) => traits[name],
    set(name, value) {
      const changed = Object.entries(typeof name === "string" ? { [name]: value } : name).filter(([key, now]) => traits[key] !== now);
      for (const [key, now] of changed) traits[key] = now;
      for (const [key] of changed) heard.get(`change:${key}`)?.();
    },
    save_changes() {
      this.saved = { ...traits };
    },
    on: (event, hear) => heard.set(event, hear),
  };
}

test("after a reset all is as it was, though one trait that is taken back moves another, and the explorer is told last", () => {
  globalThis.document = { querySelectorAll: () => [], documentElement: { dataset: {} } };
  const el = Object.assign(new EventTarget(), { closest: () => null });
  const one = model({ explorer: "latent", zoom: false, z1: 0.5 });
  const reset = keepState({ model: one, el, limits: { zoom: [0, 1, 1], z1: [-4, 4, 0.05] }, signal: new AbortController().signal });
  one.set({ zoom: true, z1: 1.45 });
  one.on("change:zoom", () => one.set("z1", 1.4500000001));
  let told = null;
  el.addEventListener("reset", () => (told = one.get("z1")));
  reset();
  assert.deepEqual([one.get("zoom"), one.get("z1"), told], [false, 0.5, 0.5]);
  assert.deepEqual(one.saved, { explorer: "latent", zoom: false, z1: 0.5 });
});

// --- the address of a page of the book --------------------------------------------------------------------------------------

const SLIDERS = { zoom: [0, 1, 1], z1: [-4, 4, 0.05] };

/** The second of two explorers on a page whose address ends so: its model, and what the address becomes. */
function onPage(hash, { mock }) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const [first, second] = [{}, {}];
  const replaced = [];
  let hear;
  const leaving = new AbortController();
  Object.assign(globalThis, {
    document: { querySelectorAll: (wanted) => (wanted === ".widget-subarea" ? [first, second] : []), documentElement: { dataset: { content_root: "../" } } },
    location: { hash, pathname: "/chapters/one.html", search: "?q" },
    history: { state: "where it was", replaceState: (state, _, address) => replaced.push([state, address]) && (location.hash = address.startsWith("#") ? address : "") },
    addEventListener: (event, work, { signal }) => event === "hashchange" && signal === leaving.signal && (hear = work),
  });
  const one = model({ explorer: "latent", zoom: false, z1: 0.5 });
  const el = Object.assign(new EventTarget(), { closest: (wanted) => wanted === ".widget-subarea" && second });
  const reset = keepState({ model: one, el, limits: SLIDERS, signal: leaving.signal });
  return { one, replaced, reset, follow: (to) => ((location.hash = to), hear()), wait: (time) => mock.timers.tick(time) };
}
const stands = ({ one }) => [one.get("zoom"), one.get("z1")];

test("what an address says of this explorer is where it begins, saved, and goes to where a later address says; a switch is true or false", (t) => {
  const page = onPage("#latent1.z1=3&latent2.z1=-1.5&latent2.zoom=1", t);
  assert.deepEqual(stands(page), [true, -1.5]);
  assert.deepEqual(page.one.saved, { explorer: "latent", zoom: true, z1: -1.5 });
  page.follow("#latent2.z1=2");
  assert.deepEqual(stands(page), [true, 2]);
  page.one.saved = null;
  page.follow("#a-title");
  assert.deepEqual([...stands(page), page.one.saved], [true, 2, null], "an address without a word of it changes nothing");
  page.reset();
  assert.deepEqual(stands(page), [false, 0.5], "to where the page had put it, not the address");
});

test("what is moved is in the address after .3 seconds of rest, not in the history, beside what is said of others", (t) => {
  const { one, replaced, wait } = onPage("#latent1.z1=3", t);
  one.set("z1", 1);
  wait(299);
  one.set("z1", 2);
  wait(299);
  assert.deepEqual(replaced, []);
  wait(1);
  assert.deepEqual(replaced, [["where it was", "#latent1.z1=3&latent2.z1=2"]]);
  one.set("zoom", true);
  wait(300);
  assert.equal(replaced.at(-1)[1], "#latent1.z1=3&latent2.zoom=1&latent2.z1=2");
  wait(9999);
  assert.equal(replaced.length, 2);
});

test("back where it began the address says nothing any more; what leaves it as it was, or as a link to a place, is not written", (t) => {
  const { one, replaced, wait } = onPage("", t);
  const moves = (value) => (one.set("z1", value), wait(300), replaced.splice(0).map(([, address]) => address));
  assert.deepEqual(moves(1), ["#latent2.z1=1"]);
  assert.deepEqual(moves(1.00001), []);
  assert.deepEqual(moves(0.5), ["/chapters/one.html?q"]);
  location.hash = "#a-title";
  one.set("z1", 1);
  assert.deepEqual(moves(0.5), []);
  assert.equal(location.hash, "#a-title");
});
