// How an explorer starts: what it waits for, what it loads and how often, and what it leaves on the page. In a browser: tests/book.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./surface.mjs";

globalThis.vaelibLoad = () => {}; // as on a page of the book: what has come is shared, and begun() forgets it
const { start } = await import("../../vaelib/static/start.js");

globalThis.Blob = class {
  constructor([code]) {
    this.code = code;
  }
};
URL.createObjectURL = ({ code }) => `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`;
let [seen, watched, painted] = [null, null, null];
globalThis.IntersectionObserver = class {
  constructor(tell, { rootMargin }) {
    assert.equal(rootMargin, "300px");
    this.tell = (...entries) => tell(entries.map((isIntersecting) => ({ isIntersecting })));
  }
  observe(el) {
    watched = el;
    seen = this.tell;
  }
  disconnect() {
    seen = null;
  }
};
globalThis.PerformanceObserver = class {
  constructor(tell) {
    painted = () => tell(null, this);
  }
  observe({ type, buffered }) {
    this.of = buffered && type;
  }
  disconnect() {
    assert.equal(this.of, "paint");
    painted = null;
  }
};

const said = (...words) => `globalThis.noted.push([${words.join(", ")}]);`;
const SCRIPTS = {
  "deep.js": `export const deep = "deep"; ${said('"deep is read"')}`,
  "sliders.js": `export const joinSliders = async (model, signal) => { ${said('"join"', "model", "signal")} };
    export const nameSliders = (box, signal) => { ${said('"name"', "box", "signal")} };`,
  "page.js": `import { deep } from "./deep.js";
    export const keepState = (all) => { ${said('"keep"', "all")} return "reset"; };
    export const addTools = (box, el, reset) => { ${said('"tools"', "box", "el", "reset")} };`,
  "one.js": `import { deep } from "./deep.js";
    export const layout = ["vaelib-two"];
    export const limits = (model) => ({ of: model });
    export const mount = async (all) => { ${said('"mount"', "deep", "all")} };`,
  "bare.js": `export const mount = async ({ el }) => { if (globalThis.broken) throw new Error("no canvas"); ${said('"mount"')} };`,
  "explorer.css": ".vaelib-map { width: 9px }",
};
const settled = () => new Promise((go) => setTimeout(go, 20));

/** An explorer on a page that begins to start. */
function begun(explorer, { inBook = false, sent = SCRIPTS } = {}) {
  globalThis.noted = [];
  globalThis.vaelibCache.clear();
  Object.assign(document, { head: document.head ?? document.createElement("head"), getElementById: (id) => document.head.children.find((one) => one.id === id) });
  document.documentElement.dataset = inBook ? { content_root: "../" } : {};
  const [el, box, still] = ["div", "div", "img"].map((tag) => document.createElement(tag));
  const around = { ".widget-box": box, ".cell_output": { querySelectorAll: (wanted) => (wanted === ".explorer-still" ? [still] : []) } };
  el.closest = (wanted) => around[wanted] ?? null;
  const [asked, waits] = [[], []];
  const load = async (path) => {
    asked.push(path);
    const text = sent[path.replace("vaelib/", "")];
    if (text === undefined) throw new Error(`${path} is not there`);
    return Buffer.from(text);
  };
  const model = { get: (name) => ({ explorer })[name] };
  const { signal } = new AbortController();
  const say = () => {};
  const ended = start({ model, el, load, patiently: (work, word) => waits.push(word) && work, say, signal });
  return { ended, el, box, still, asked, waits, model, signal, say, around };
}

test("what a reader has not come to asks for its sliders alone; in sight it is made, given its tools and names, and takes its still's place", async () => {
  const { ended, el, box, still, asked, waits, model, signal, say } = begun("one");
  await settled();
  assert.deepEqual(asked, ["vaelib/sliders.js"]);
  assert.deepEqual(noted, [["join", model, signal]]);
  assert.equal(watched, el);
  seen(false);
  await settled();
  assert.deepEqual([asked.length, still.hidden, el.textContent], [1, false, ""]);
  seen(false, true);
  assert.equal(seen, null, "it watches no more");
  await ended;
  assert.deepEqual(noted.map(([what]) => what), ["join", "deep is read", "keep", "mount", "tools", "name"]);
  const [, , [, keep], [, deep, mount], tools, name] = noted;
  assert.deepEqual([keep.model, keep.el, keep.limits.of, keep.signal], [model, el, model, signal]);
  assert.deepEqual([deep, mount.model, mount.el, mount.signal], ["deep", model, el, signal]);
  assert.deepEqual(tools, ["tools", box, el, "reset"]);
  assert.deepEqual(name, ["name", box, signal]);
  assert.deepEqual([...box.classes].sort(), ["vaelib-explorer", "vaelib-two"]);
  assert.equal(still.hidden, true);
  assert.deepEqual(waits, [say, say], "each wait may say what it is late with");
  const [style] = document.head.children;
  assert.deepEqual([document.head.children.length, style.tag, style.textContent], [1, "style", SCRIPTS["explorer.css"]]);
  // Each file once, whoever needs it, and by the explorer too.
  assert.deepEqual(asked.toSorted(), ["deep.js", "explorer.css", "one.js", "page.js", "sliders.js"].map((file) => `vaelib/${file}`));
  const first = await mount.load("vaelib/one.js");
  assert.equal(await mount.load("vaelib/one.js"), first);
  assert.equal(asked.length, 5);
});

test("in a notebook each explorer asks its own kernel; in the book they share what has come", async () => {
  const inBook = globalThis.vaelibLoad;
  for (const [where, total] of [[undefined, 2], [inBook, 1]]) {
    globalThis.vaelibLoad = where;
    globalThis.vaelibCache.clear();
    const views = await Promise.all([1, 2].map((view) => import(`../../vaelib/static/start.js?${total}${view}`)));
    let asked = 0;
    const load = async (path) => (path === "vaelib/sliders.js" && asked++, Buffer.from(SCRIPTS[path.replace("vaelib/", "")]));
    const model = { get: () => "bare" };
    for (const view of views) view.start({ model, el: document.createElement("div"), load, patiently: (work) => work, say() {}, signal: new AbortController().signal });
    await settled();
    assert.equal(asked, total);
  }
});

test("while it loads there is a word; in the book nothing is loaded before the page has been painted", async () => {
  const { ended, el, asked } = begun("bare", { inBook: true });
  await settled();
  seen(true);
  await settled();
  assert.equal(asked.length, 1);
  painted();
  assert.equal(painted, null);
  for (let i = 0; i < 20 && !el.textContent; i++) await null;
  assert.equal(el.textContent, "The explorer is loading …");
  await ended;
  assert.deepEqual(noted.at(-2), ["tools", noted.at(-2)[1], el, undefined], "an explorer without limits has nothing to take back");
  assert.equal(document.head.children.length, 1, "the style sheet is there already");
});

test("outside a box of widgets the tools go to its parent, and where there is no still picture none is hidden", async () => {
  const { ended, el, around } = begun("bare");
  for (const name of Object.keys(around)) delete around[name];
  const parent = document.createElement("div");
  parent.append(el);
  await settled();
  seen(true);
  await ended;
  assert.equal(noted.at(-1)[1], parent);
});

test("what fails before all is drawn leaves the still picture, and what did not come is asked for anew", async () => {
  globalThis.broken = true;
  const { ended, still, box } = begun("bare");
  await settled();
  seen(true);
  await assert.rejects(ended, /no canvas/);
  assert.deepEqual([still.hidden, box.classes.size], [false, 0]);
  globalThis.broken = false;
  const sent = { ...SCRIPTS };
  delete sent["sliders.js"];
  const lost = begun("bare", { sent });
  await assert.rejects(lost.ended, /sliders\.js is not there/);
  await settled();
  assert.equal(globalThis.vaelibCache.size, 0);
});
