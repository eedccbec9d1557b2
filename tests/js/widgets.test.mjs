// The book's own drawing of saved widgets, in node: what a page has saved, what readers see of it, and how both stay one. In
// a browser: tests/book.
import assert from "node:assert/strict";
import { test } from "node:test";
import { near } from "./surface.mjs";

const MIME = "application/vnd.jupyter.widget";
let pages = 0;

/** A page that has saved these widgets in a column: of each its element. Every page has the script run anew. */
async function page(widgets) {
  const state = { box: { model_name: "VBoxModel", state: { _model_name: "VBoxModel", children: widgets.map((_, i) => `IPY_MODEL_w${i}`) } } };
  for (const [i, [kind, more]] of widgets.entries()) state[`w${i}`] = { model_name: kind, state: { _model_name: kind, ...more } };
  const place = { textContent: JSON.stringify({ model_id: "box" }), before: (el) => (place.drawn = el) };
  document.querySelector = (wanted) => (wanted === `script[type="${MIME}-state+json"]` ? { textContent: JSON.stringify({ state }) } : null);
  document.querySelectorAll = (wanted) => (wanted === `script[type="${MIME}-view+json"]` ? [place] : []);
  await import(`../../vaelib/static/widgets.js?${(pages += 1)}`);
  assert.equal(place.drawn.className, "widget-subarea");
  return place.drawn.children[0].children.filter((one) => one.children.length).map((slider) => {
    const [label, range, readout] = slider.children;
    Object.defineProperty(range, "valueAsNumber", { get: () => Number(range.value) });
    for (const [name, sign] of [["stepUp", 1], ["stepDown", -1]]) range[name] = (n) => (range.value = Math.max(range.min, Math.min(range.max, Number(range.value) + sign * n * range.step)));
    const hears = (el, kind, more = {}) => el.dispatchEvent(Object.assign(new Event(kind, { cancelable: true }), more));
    const moved = (value) => ((range.value = value), hears(range, "input"));
    const typed = (text) => ((readout.value = text), hears(readout, "change"));
    const shows = () => [Number(range.value), readout.value, range.attributes["aria-valuetext"]];
    return { label, range, readout, moved, typed, shows, pressed: (key) => hears(range, "keydown", { key }) };
  });
}
const FLOAT = { description: "σ", value: 1, min: -3, max: 3, step: 0.05 };

test("a slider of which a page has saved nothing stands as ipywidgets' does: 0, of 0 to 100 in tenths, at two decimals", async () => {
  const [{ range, shows, label }] = await page([["FloatSliderModel", {}]]);
  assert.deepEqual([range.type, range.min, range.max, range.step], ["range", 0, 100, 0.1]);
  assert.deepEqual(shows(), [0, "0.00", "0.00"]);
  assert.equal(label.textContent, "");
});

test("a slider shows what was saved, has its label's name, and what is dragged is read and spoken, of this slider alone", async () => {
  const [one, other] = await page([["FloatSliderModel", FLOAT], ["FloatSliderModel", { ...FLOAT, description: "k", value: 2, readout_format: "d" }]]);
  assert.deepEqual([one.range.min, one.range.max, one.range.step], [-3, 3, 0.05]);
  assert.deepEqual([one.shows(), other.shows()], [[1, "1.00", "1.00"], [2, "2", "2"]]);
  assert.deepEqual([one, other].map(({ label }) => label.textContent), ["σ", "k"]);
  assert.deepEqual([one, other].map(({ range }) => range.attributes["aria-label"]), ["σ", "k"]);
  assert.equal(one.readout.attributes["aria-label"], "σ, typed");
  for (const [i, { label, range }] of [one, other].entries()) assert.deepEqual([label.htmlFor, range.id], Array(2).fill(`vaelib-slider-${i + 1}`));
  for (const value of [-2.35, 0, 3]) {
    one.moved(value);
    const said = value.toFixed(2).replace("-", "−");
    assert.deepEqual([one.shows(), other.shows()], [[value, said, said], [2, "2", "2"]]);
  }
});

test("a number that is typed counts, with a true minus and a comma too; beyond the limits it comes to them; words change nothing", async () => {
  const [{ typed, shows }] = await page([["FloatSliderModel", FLOAT]]);
  for (const [text, value] of [["0.25", 0.25], ["−1,5", -1.5], ["-2", -2], ["99", 3], ["-99", -3]]) {
    typed(text);
    assert.equal(shows()[0], value);
    assert.equal(shows()[1], value.toFixed(2).replace("-", "−"));
  }
  typed("three");
  assert.deepEqual(shows(), [-3, "−3.00", "−3.00"]);
});

test("PageUp and PageDown go five steps, and other keys are the browser's", async () => {
  const [{ pressed, shows }] = await page([["FloatSliderModel", FLOAT]]);
  for (const [key, value, kept] of [["PageUp", 1.25, false], ["PageDown", 1, false], ["PageDown", 0.75, false], ["ArrowUp", 0.75, true], ["xPageUpx", 0.75, true]]) {
    assert.equal(pressed(key), kept, `${key} does what the browser does with it`);
    near(shows()[0], value, 1e-9);
    assert.equal(shows()[1], value.toFixed(2), "the trait has moved with the handle");
  }
});

test("a slider over choices has a place for each and says which it is at", async () => {
  const labels = ["β = 0", "β = 1", "β = 4"];
  const [{ range, shows, moved }, fresh] = await page([["SelectionSliderModel", { description: "β", _options_labels: labels, index: 2 }], ["SelectionSliderModel", { _options_labels: labels.slice(1) }]]);
  assert.deepEqual([range.min, range.max, range.step], [0, 2, 1]);
  assert.deepEqual(shows(), [2, "β = 4", "β = 4"]);
  for (const k of [0, 1, 2]) {
    moved(k);
    assert.deepEqual(shows(), [k, labels[k], labels[k]]);
  }
  assert.deepEqual([fresh.shows(), fresh.range.max], [[0, "β = 1", "β = 1"], 1]);
});

test("an explorer is given its own element and the sliders beside it, as anywidget does: it hears them and moves them, until it listens no more", async () => {
  globalThis.Blob = class {
    constructor([code]) {
      this.code = code;
    }
  };
  URL.createObjectURL = ({ code }) => `data:text/javascript,${encodeURIComponent(code)}`;
  const given = new Promise((go) => (globalThis.rendered = go));
  const [slider] = await page([["FloatSliderModel", FLOAT], ["AnyModel", { _esm: "export default { render: (all) => globalThis.rendered(all) };", z1: 0 }]]);
  const { model, el } = await given;
  assert.deepEqual([el.tag, model.get("z1")], ["div", 0]);
  const value = await model.widget_manager.get_model("w0");
  const heard = [];
  const hears = ["value", "max"].map((name) => (who, now) => heard.push([name, who === value, now]));
  for (const [k, name] of ["value", "max"].entries()) value.on(`change:${name}`, hears[k]);
  slider.moved(2);
  value.set({ value: 2, max: 1 });
  assert.deepEqual(heard, [["value", true, 2], ["value", true, 1], ["max", true, 1]], "a value that is as it was is no change; one beyond new limits comes to them");
  assert.deepEqual([slider.shows(), slider.range.max], [[1, "1.00", "1.00"], 1]);
  value.set("value", -2);
  value.set("min", -1);
  assert.deepEqual(slider.shows(), [-1, "−1.00", "−1.00"]);
  heard.length = 0;
  value.off("change:value", hears[0]);
  slider.moved(0);
  assert.deepEqual(heard, []);
  assert.equal(slider.shows()[1], "0.00", "others hear still");
  value.off("change:max");
  value.set("max", 5);
  assert.deepEqual(heard, []);
});

test("a label with TeX is set by MathJax, once that has started, where the page has it; other labels are left as they are", async () => {
  const [set, classes] = [[], (label) => label.classes.has("mathjax_process")];
  let start;
  globalThis.MathJax = { startup: { promise: new Promise((go) => (start = go)) }, typesetPromise: (labels) => set.push(...labels) };
  const [tex, commands, plain] = await page(["$\\sigma$", "\\(z_1\\)", "σ"].map((description) => ["FloatSliderModel", { ...FLOAT, description }]));
  assert.deepEqual([tex, commands, plain].map(({ label }) => classes(label)), [true, true, false]);
  assert.deepEqual(set, []);
  start();
  await new Promise((go) => setTimeout(go));
  assert.deepEqual(set, [tex.label, commands.label]);
  delete globalThis.MathJax;
  const [without] = await page([["FloatSliderModel", { ...FLOAT, description: "$\\sigma$" }]]);
  assert.equal(classes(without.label), false);
});

test("what a reader sees has ipywidgets' own classes, and a page that has saved nothing is left alone", async () => {
  const [{ label, range, readout }] = await page([["FloatSliderModel", FLOAT]]);
  assert.deepEqual([label, range, readout].map(({ className }) => className), ["widget-label", "", "widget-readout"]);
  document.querySelector = () => null;
  document.querySelectorAll = () => [];
  await import(`../../vaelib/static/widgets.js?${(pages += 1)}`);
});
