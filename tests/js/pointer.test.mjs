// What the pointer and the keys do on a map: the card beside the pointer, the point that is dragged, and pictures as painted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { near, resized, zoomed } from "./surface.mjs";
import { addTools, cardOf, fitMaps, makeDraggable, paintPicture, quietSpeaker } from "../../vaelib/static/page.js";
import { PlaneMap } from "../../vaelib/static/plane.js";

const BOX = [-4, 4, -4, 4];
const EDGES = [36, 294, 280, 6]; // of a map of 300 pixels: left, right, bottom, top

/** A map with a code every 10 pixels across and up, each of which has a digit. */
function plane() {
  const [parent, canvas] = [document.createElement("div"), document.createElement("canvas")];
  parent.append(canvas);
  const map = new PlaneMap(canvas, { box: BOX, colours: Array(10).fill("#ccc") });
  map.resize();
  const places = [];
  for (let x = EDGES[0]; x <= EDGES[1]; x += 10) for (let y = EDGES[3]; y <= EDGES[2]; y += 10) places.push([x, y]);
  places.push([150, 150]); // in the very middle
  map.codes = { z: places.flatMap(([x, y]) => map.toPlane(x, y)), labels: places.map((_, i) => i % 10) };
  return { map, canvas, parent, places };
}
const happens = (canvas, kind, more) => canvas.dispatchEvent(Object.assign(new Event(kind), more));

test("the card of a code lies wholly on the map, on the side of the pointer where there is more room, and never under it", () => {
  const { map, canvas, parent, places } = plane();
  Object.assign(canvas, { offsetLeft: 20, offsetTop: 1000 });
  const decoded = [];
  cardOf(map, (z) => decoded.push(z) && new Float32Array(784).fill(0.5));
  const card = parent.children[1];
  assert.equal(card.hidden, true);
  let before = 0;
  for (const [i, [x, y]] of places.entries()) {
    happens(canvas, "pointermove", { offsetX: x, offsetY: y, pointerType: "mouse", buttons: 0 });
    assert.equal(card.hidden, false);
    const [left, top] = ["left", "top"].map((side) => parseFloat(card.style[side]));
    assert.ok(left >= 20 && left + card.offsetWidth <= 20 + 300, `${left} of a pointer at ${x}`);
    assert.ok(top >= 1000 && top + card.offsetHeight <= 1000 + 300, `${top} of a pointer at ${y}`);
    const [aside, above] = [left - 20 - x, top - 1000 - y];
    const [room, below] = [x, y].map((value) => value <= 150);
    near(aside, room ? 12 : -12 - card.offsetWidth, 1e-6);
    near(above, below ? 4 : -4 - card.offsetHeight, 1e-6);
    const [z1, z2] = [map.codes.z[2 * i], map.codes.z[2 * i + 1]].map((value) => value.toFixed(2).replace("-", "−"));
    assert.equal(card.textContent, `a ${i % 10}, at (${z1}, ${z2}); below decoded`);
    assert.deepEqual(decoded.at(-1), [map.codes.z[2 * i], map.codes.z[2 * i + 1]]);
    assert.equal(decoded.length, (before += 1));
    happens(canvas, "pointermove", { offsetX: x, offsetY: y, pointerType: "mouse", buttons: 0 });
    assert.equal(decoded.length, before, "the same code is not decoded again");
  }
});

test("a code that is the first under the pointer is decoded, whichever it is", () => {
  for (const i of [0, 1, 2]) {
    const { map, canvas, places } = plane();
    const decoded = [];
    cardOf(map, (z) => decoded.push(z) && new Float32Array(784));
    happens(canvas, "pointermove", { offsetX: places[i][0], offsetY: places[i][1], pointerType: "mouse", buttons: 0 });
    assert.equal(decoded.length, 1);
  }
});

test("fingers, a pressed button, a bare place and leaving hide the card", () => {
  const { map, canvas, parent, places: [[x, y]] } = plane();
  cardOf(map, () => new Float32Array(784));
  const card = parent.children[1];
  const mouse = { offsetX: x, offsetY: y, pointerType: "mouse", buttons: 0 };
  for (const [kind, more] of [["pointermove", { pointerType: "touch" }], ["pointermove", { buttons: 1 }], ["pointermove", { offsetX: 10, offsetY: 290 }], ["pointerleave", {}], ["pointerdown", {}]]) {
    happens(canvas, "pointermove", mouse);
    assert.equal(card.hidden, false);
    happens(canvas, kind, { ...mouse, ...more });
    assert.equal(card.hidden, true, `${kind} ${JSON.stringify(more)}`);
  }
});

/** A point on a map that can be dragged, from a place in pixels: where it is after each event. */
function dragged(x, y) {
  const { map, canvas } = plane();
  let at = map.toPlane(x, y);
  makeDraggable(map, () => at, (z) => (at = z), () => [1, -2]);
  const after = (kind, more) => {
    let [kept, quiet] = [true, false];
    happens(canvas, kind, { preventDefault: () => (kept = false), stopPropagation: () => (quiet = true), ...more });
    return { place: map.toScreen(at), kept, quiet };
  };
  return { after, canvas, at: () => at };
}

test("an arrow key moves the point a little its own way, with Shift five times as far; other keys are the page's", () => {
  for (const [x, y] of [[100, 200], [222, 60]]) {
    for (const [key, across, down] of [["ArrowLeft", -1, 0], ["ArrowRight", 1, 0], ["ArrowUp", 0, -1], ["ArrowDown", 0, 1]]) {
      const [small, large] = [false, true].map((shiftKey) => dragged(x, y).after("keydown", { key, shiftKey }));
      assert.deepEqual([small.kept, small.quiet], [false, true], "the page does not scroll");
      const step = Math.hypot(small.place[0] - x, small.place[1] - y);
      near(step, 5, 1e-6);
      for (const [{ place }, times] of [[small, 1], [large, 5]]) {
        near(place[0], x + times * step * across, 1e-6);
        near(place[1], y + times * step * down, 1e-6);
      }
    }
  }
  const { after, at } = dragged(100, 200);
  const before = at();
  assert.deepEqual([after("keydown", { key: "a" }).kept, at()], [true, before]);
  assert.equal(after("keydown", { key: "Home" }).kept, false);
  assert.deepEqual(at(), [1, -2]);
});

test("on a small map an arrow key moves the point by a pixel at least, on a large one by a sixtieth of its side", () => {
  for (const [side, step] of [[45, 1], [120, 2], [600, 10]]) {
    const { map, canvas } = plane();
    Object.assign(canvas, { clientWidth: side, clientHeight: side });
    map.resize();
    let at = [0, 0];
    const before = map.toScreen(at);
    makeDraggable(map, () => at, (z) => (at = z), () => [0, 0]);
    happens(canvas, "keydown", { key: "ArrowRight", preventDefault() {}, stopPropagation() {} });
    near(map.toScreen(at)[0] - before[0], step, 1e-6);
  }
});

test("a map that can be dragged takes the keyboard, and says so to screen readers", () => {
  const { map, canvas } = plane();
  makeDraggable(map, () => [0, 0], () => {}, () => [0, 0]);
  assert.equal(canvas.tabIndex, 0);
  assert.equal(canvas.attributes.role, "application");
});

test("the point follows the pointer from where it is pressed for as long as it is held, and stays on the map", () => {
  const { after, canvas } = dragged(100, 100);
  canvas.getBoundingClientRect = () => ({ left: 40, top: 500 });
  assert.deepEqual(after("pointermove", { clientX: 200, clientY: 600 }).place.map(Math.round), [100, 100], "it is not held");
  for (const [kind, x, y] of [["pointerdown", 130, 77], ["pointermove", 200, 250], ["pointermove", 37, 7]]) {
    const { place } = after(kind, { clientX: 40 + x, clientY: 500 + y });
    near(place[0], x, 1e-6);
    near(place[1], y, 1e-6);
  }
  assert.deepEqual(after("pointermove", { clientX: 0, clientY: 2000 }).place.map(Math.round), [EDGES[0], EDGES[2]]);
});

test("a picture is opaque all over, and as many pixels large as it has", () => {
  for (const kind of [{ shape: [1, 5, 3] }, { shape: [1, 5, 3], ink: true }, { shape: [3, 5, 3] }]) {
    const canvas = document.createElement("canvas");
    paintPicture(canvas, Float32Array.from({ length: 45 }, (_, i) => i / 45), kind);
    const [{ image, x, y }] = canvas.drawn("pixels");
    assert.deepEqual([x, y], [0, 0]);
    assert.deepEqual([canvas.width, canvas.height, image.width, image.height], [3, 5, 3, 5]);
    for (let i = 0; i < 15; i++) assert.equal(image.data[4 * i + 3], 255);
  }
});

test("below an explorer there is a button to begin again, where there is something to take back, and one for the full screen", async () => {
  const [box, el] = ["div", "div"].map((tag) => document.createElement(tag));
  const names = () => el.all((one) => one.tag === "button").map((one) => one.textContent);
  let count = 0;
  addTools(box, el, () => (count += 1));
  assert.deepEqual(names(), ["Reset"], "a browser without full screen");
  el.all((one) => one.tag === "button")[0].dispatchEvent(new Event("click"));
  assert.equal(count, 1);
  el.replaceChildren();
  document.fullscreenEnabled = true;
  box.requestFullscreen = async () => (document.fullscreenElement = box);
  document.exitFullscreen = async () => (document.fullscreenElement = null);
  addTools(box, el, null);
  assert.deepEqual(names(), ["Full screen"]);
  const [full] = el.all((one) => one.tag === "button");
  for (const name of ["Leave full screen", "Full screen"]) {
    full.dispatchEvent(new Event("click"));
    box.dispatchEvent(new Event("fullscreenchange"));
    assert.deepEqual(names(), [name]);
  }
});

test("a full screen that the browser refuses takes the button for it away", async () => {
  const [box, el] = ["div", "div"].map((tag) => document.createElement(tag));
  Object.assign(document, { fullscreenEnabled: true, fullscreenElement: null });
  box.requestFullscreen = () => Promise.reject(new TypeError("not here"));
  addTools(box, el, null);
  const buttons = () => el.all((one) => one.tag === "button");
  buttons()[0].dispatchEvent(new Event("click"));
  await new Promise((go) => setTimeout(go));
  assert.equal(buttons().length, 0);
});

test("another element's full screen leaves the button as it is", () => {
  const [box, el] = ["div", "div"].map((tag) => document.createElement(tag));
  addTools(box, el, null);
  document.fullscreenElement = el;
  box.dispatchEvent(new Event("fullscreenchange"));
  assert.equal(el.all((one) => one.tag === "button")[0].textContent, "Full screen");
  document.fullscreenElement = null;
});

test("a line for screen readers says the last of what it is told, once all has been still for .8 seconds", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const el = document.createElement("div");
  const speak = quietSpeaker(el);
  const [line] = el.children;
  assert.equal(line.attributes.role, "status");
  const heard = [];
  Object.defineProperty(line, "textContent", { set: (words) => heard.push(words) });
  speak("one");
  mock.timers.tick(799);
  speak("two");
  mock.timers.tick(799);
  assert.deepEqual(heard, []);
  for (const time of [1, 5000]) {
    mock.timers.tick(time);
    assert.deepEqual(heard, ["two"]);
  }
});

test("maps are as large as their place and drawn again when that changes, until their explorer leaves", () => {
  const [{ map, canvas }, leaving] = [plane(), new AbortController()];
  let drawn = 0;
  fitMaps(leaving.signal, [map], () => (drawn += 1));
  resized(canvas, 200);
  assert.deepEqual([map.side, canvas.width, drawn], [200, 200, 1]);
  zoomed(2);
  assert.deepEqual([map.side, canvas.width, drawn], [200, 400, 2], "as large on the page, and twice as fine");
  leaving.abort();
  zoomed(1);
  resized(canvas, 100);
  assert.deepEqual([map.side, drawn], [200, 2]);
});
