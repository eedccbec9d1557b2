// How a page of the book gets its files, and what it says where the widgets' scripts do not come. In a browser: tests/book.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import "./surface.mjs";

const SCRIPT = readFileSync(new URL("../../vaelib/static/book.js", import.meta.url), "utf-8");
let pages = 0;

/** A page at an address, with files; sums as the book's builder writes them in. Gives its loader, and what it asked for. */
async function page(files, { address = "https://book.example/chapters/one.html", sums = {}, stills = [] } = {}) {
  const asked = [];
  Object.assign(document, { baseURI: address, head: document.createElement("head"), querySelectorAll: (wanted) => (wanted === ".explorer-still" ? stills : []) });
  document.documentElement.dataset.content_root = "../";
  globalThis.fetch = async (url) => {
    const path = url.pathname.replace("/_static/", "");
    asked.push(path);
    const bytes = await files(path, asked.filter((one) => one === path).length);
    return { ok: Boolean(bytes), status: 404, arrayBuffer: async () => Uint8Array.from(bytes).buffer };
  };
  const { setInterval } = globalThis;
  let late;
  globalThis.setInterval = (work, wait) => (late = wait === 10000 && work);
  const code = SCRIPT.replace("const SUMS = {};", `const SUMS = ${JSON.stringify(sums)};`);
  assert.equal(code.includes(JSON.stringify(sums)), true, "the place for the sums");
  await import(`data:text/javascript,${encodeURIComponent(code)}//${(pages += 1)}`);
  globalThis.setInterval = setInterval;
  return { load: globalThis.vaelibLoad, asked, late };
}
const settled = () => new Promise((go) => setTimeout(go, 5));
const AHEAD = ["start.js", "sliders.js", "engine.js", "page.js", "plane.js", "normal.js", "explorer.css"].map((name) => `vaelib/${name}`);

test("what every explorer needs is asked for at once, and once", async () => {
  const { load, asked } = await page((path) => Buffer.from(path));
  assert.deepEqual(asked, AHEAD);
  for (const path of [...AHEAD, "weights/vae.safetensors"]) assert.equal(Buffer.from(await load(path)).toString(), path);
  assert.deepEqual(asked, [...AHEAD, "weights/vae.safetensors"]);
});

test("a file that did not come at first, or was not there, is asked for again by who needs it", async () => {
  let broken = true;
  const { load, asked } = await page(async (path) => {
    if (path === "vaelib/page.js" && broken) throw new TypeError("Failed to fetch");
    return path === "vaelib/plane.js" && broken ? null : [1];
  });
  await settled(); // were nobody to hear of it, node would stop here
  await assert.rejects(load("vaelib/plane.js"), /\/_static\/vaelib\/plane\.js is not there \(404\)/);
  broken = false;
  for (const path of ["vaelib/page.js", "vaelib/plane.js"]) assert.deepEqual([...new Uint8Array(await load(path))], [1]);
  assert.equal(asked.filter((path) => path === "vaelib/page.js").length, 2);
});

test("numbers that are not those the book was built with are refused by name, where their sum is known", async () => {
  const right = Buffer.from("the numbers");
  const sum = createHash("sha256").update(right).digest("base64").slice(0, 8);
  let now = right;
  const { load } = await page(() => now, { sums: { a: sum } });
  assert.equal(Buffer.from(await load("weights/a.safetensors")).toString(), "the numbers");
  now = Buffer.from("the numberz");
  await assert.rejects(load("weights/a.safetensors"), /\/weights\/a\.safetensors is damaged/);
  assert.equal(Buffer.from(await load("weights/b.safetensors")).toString(), "the numberz");
});

test("in a book that is opened from disk each file comes from its twin, a script", async () => {
  const opened = page(() => assert.fail("nothing is fetched"), { address: "file:///book/chapters/one.html" });
  const { load } = await opened;
  globalThis.vaelibFiles = Object.fromEntries([...AHEAD, "weights/a.safetensors"].map((path) => [path, btoa(`of ${path}`)]));
  const coming = load("weights/a.safetensors");
  const scripts = document.head.children;
  assert.deepEqual(scripts.map(({ src }) => src.pathname), [...AHEAD, "weights/a.safetensors"].map((path) => `/book/_static/${path}.js`));
  scripts.at(-1).onload();
  assert.equal(Buffer.from(await coming).toString(), "of weights/a.safetensors");
  const missing = load("weights/none.safetensors");
  scripts.at(-1).onerror();
  await assert.rejects(missing, /none\.safetensors\.js is not there/);
});

test("below a still picture whose explorer has not come there is a sentence about it, once, until it comes", async () => {
  const still = document.createElement("div");
  let here = null;
  Object.assign(still, { parentElement: { querySelector: () => here }, querySelector: () => still.children.find(({ className }) => className === "vaelib-late") });
  const { late } = await page(() => [1], { stills: [still] });
  late();
  late();
  assert.equal(still.children.length, 1);
  assert.match(still.textContent, /could not start.*Reload the page/);
  still.children[0].remove = () => still.replaceChildren();
  here = document.createElement("div");
  late();
  late();
  assert.equal(still.children.length, 0);
});
