// Sliders joined to an explorer's traits without link models. In real front ends: tests/book, tests/live, tests/colab.
import assert from "node:assert/strict";
import { test } from "node:test";
import { joinSliders, nameSliders } from "../../vaelib/static/sliders.js";

/** As much of a Backbone model as is used: its changes are heard at once, equal values are no change. */
function model(traits, extra = {}) {
  const heard = new Map();
  const made = {
    saved: 0,
    get: (name) => traits[name],
    set(name, value) {
      if (traits[name] === value) return;
      traits[name] = value;
      for (const hear of heard.get(`change:${name}`) ?? []) hear();
    },
    save_changes: () => (made.saved += 1),
    on: (event, hear) => heard.set(event, [...(heard.get(event) ?? []), hear]),
    off: (event, hear) => heard.set(event, heard.get(event).filter((other) => other !== hear)),
  };
  return Object.assign(made, extra);
}

async function joined() {
  const slider = model({ value: 2, min: -4, max: 4 });
  const widget_manager = { get_model: async (id) => ({ one: slider })[id] };
  const canvas = model({ sliders: { z1: ["one", "value", "low", "high"] }, z1: 0, low: 0, high: 0 }, { widget_manager });
  const leaving = new AbortController();
  await joinSliders(canvas, leaving.signal);
  return { slider, canvas, leaving };
}

test("a slider and its trait are one, and so are its limits; a slider that was moved before counts", async () => {
  const { slider, canvas } = await joined();
  assert.deepEqual(["z1", "low", "high"].map(canvas.get), [2, -4, 4]);
  slider.set("value", 3);
  assert.equal(canvas.get("z1"), 3);
  canvas.set("z1", -1);
  assert.equal(slider.get("value"), -1);
  canvas.set("high", 9);
  assert.equal(slider.get("max"), 9);
});

test("a position among choices is a whole number, though a slider gives it with an error of rounding", async () => {
  const slider = model({ index: 6 });
  const widget_manager = { get_model: async () => slider };
  const canvas = model({ sliders: { position: ["one", "index"] }, position: 6 }, { widget_manager });
  await joinSliders(canvas, new AbortController().signal);
  slider.set("index", 5.000000000000001);
  assert.deepEqual([canvas.get("position"), slider.get("index")], [5, 5.000000000000001]);
  canvas.set("position", 2);
  assert.equal(slider.get("index"), 2);
});

test("a kernel is told of what the other one says, once", async () => {
  const { slider, canvas } = await joined();
  const before = [slider.saved, canvas.saved];
  slider.set("value", 3);
  assert.deepEqual([slider.saved, canvas.saved], [before[0], before[1] + 1]);
  canvas.set("z1", 1);
  assert.deepEqual([slider.saved, canvas.saved], [before[0] + 1, before[1] + 1]);
});

test("an explorer that has left the page is joined to nothing", async () => {
  const { slider, canvas, leaving } = await joined();
  leaving.abort();
  slider.set("value", 3);
  canvas.set("z1", 1);
  assert.deepEqual([canvas.get("z1"), slider.get("value")], [1, 3]);
});

test("where anywidget hands out no widget manager, or one that finds nothing, there is a sentence about that", async () => {
  const sliders = { z1: ["one", "value"] };
  for (const manager of [undefined, {}, { get_model: () => undefined }]) {
    const canvas = model({ sliders, z1: 0 }, { widget_manager: manager });
    await assert.rejects(joinSliders(canvas, new AbortController().signal), /hands out no widget_manager/);
  }
});

test("an explorer without sliders needs no widget manager", () => joinSliders(model({ sliders: {} }), new AbortController().signal));

/** As much of a page as is asked: a slider of ipywidgets, whose parts may be missing yet. */
function sliderOf(parts) {
  const made = Object.fromEntries(Object.entries(parts).map(([name, more]) => [name, {
    attributes: {}, ...more, hasAttribute: (key) => key in made[name].attributes, setAttribute: (key, value) => (made[name].attributes[key] = value), removeAttribute: (key) => delete made[name][key],
  }]));
  const kinds = { handle: ".noUi-handle", label: ".widget-label", readout: ".widget-readout" };
  return { made, querySelector: (wanted) => Object.entries(made).find(([name]) => wanted.includes(kinds[name]))?.[1] ?? null };
}

test("each slider's handle and readout get its label's name, once there are such, and no title says null; what has a name keeps it, and all fields their keys", () => {
  let repair, watched;
  globalThis.MutationObserver = class {
    constructor(work) {
      repair = work;
    }
    observe(box, { childList, subtree }) {
      watched = childList && subtree && box;
    }
    disconnect() {
      watched = null;
    }
  };
  const all = { handle: {}, label: { textContent: "z1", title: "null" }, readout: {} };
  const { handle, label, readout } = all;
  const sliders = [sliderOf(all), sliderOf({ label, readout }), sliderOf({ handle, readout }), sliderOf({ handle, label: { textContent: "β", title: "a title" } })];
  const fields = [sliderOf({ map: {} }).made.map];
  const box = { querySelectorAll: (wanted) => (wanted === ".widget-slider" ? sliders : wanted === "input, select, [tabindex]" ? fields : assert.fail(wanted)) };
  const leaving = new AbortController();
  nameSliders(box, leaving.signal);
  const said = () => sliders.map(({ made }) => [made.handle?.attributes["aria-label"], made.readout?.attributes["aria-label"], made.label?.title]);
  const [named, other, none] = [["z1", "z1, typed", undefined], ["β", undefined, "a title"], [undefined, undefined, undefined]];
  assert.deepEqual(said(), [named, none, none, other]);
  const marks = () => fields.map(({ attributes }) => attributes["data-lm-suppress-shortcuts"]);
  assert.deepEqual(marks(), ["true"], "JupyterLab leaves the keys to all that takes some");
  fields.push(sliderOf({ select: {} }).made.select);
  sliders[1] = sliderOf(all); // they appear after the explorer
  sliders[0].made.label.textContent = "another";
  assert.equal(watched, box);
  repair();
  assert.deepEqual(said(), [named, named, none, other]);
  assert.deepEqual(marks(), ["true", "true"]);
  leaving.abort();
  assert.equal(watched, null);
});
