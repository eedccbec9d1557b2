// What the explorers draw, on canvases that note it: places, contours and arrows against the mathematics that they show.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layers, mounted, near, spoken } from "./surface.mjs";
import { PlaneMap } from "../../vaelib/static/plane.js";
import * as kl from "../../vaelib/static/kl.js";

const COLOURS = ["#a00", "#0a0", "#00a"];
const CODES = { z: [1, 1, 1.2, 1, -2, 0.5, 1.1, 1.1, 3, -3], labels: [0, 0, 1, 2, 2], sigma: [0.1, 0.2, 0.1, 0.1, 0.3, 0.3, 0.2, 0.1, 0.1, 0.1] };

/** A map of those codes, drawn: the map, its canvas's context, and the layer of the cloud below. */
function plane(point, ellipse, options = {}) {
  const [canvas, loupe] = ["canvas", "canvas"].map((tag) => document.createElement(tag));
  const map = new PlaneMap(canvas, { box: [-4, 4, -4, 4], colours: COLOURS, loupe, ...options });
  map.codes = CODES;
  map.draw(point, ellipse);
  return { map, canvas, loupe, cloud: map.cloud };
}

/** The points of a path in the plane. */
const back = (map, path) => path.map(([x, y]) => map.toPlane(x, y));

test("the circles of the prior have radius 1, 2 and 3", () => {
  const { map, cloud } = plane(null);
  const circles = cloud.drawn("stroke").filter(({ colour }) => colour === "#555");
  assert.equal(circles.length, 3);
  for (const [i, { path }] of circles.entries()) {
    assert.ok(path.length > 50);
    for (const z of back(map, path)) near(Math.hypot(...z), i + 1, 1e-6);
    const [across, up] = [0, 1].map((k) => Math.max(...back(map, path).map((z) => z[k])));
    near(across, i + 1, 0.01);
    near(up, i + 1, 0.01);
  }
});

test("each code is a square of its digit's colour at its place, and each digit is named at the median of its codes", () => {
  const { map, cloud } = plane(null);
  const squares = cloud.drawn("rect").filter(({ colour }) => COLOURS.includes(colour));
  assert.deepEqual(squares.map(({ colour }) => colour), CODES.labels.map((digit) => COLOURS[digit]));
  for (const [i, { x, y, width, height }] of squares.entries()) {
    const [a, b] = map.toScreen([CODES.z[2 * i], CODES.z[2 * i + 1]]);
    near(x + width / 2, a, 1e-9);
    near(y + height / 2, b, 1e-9);
  }
  assert.equal(cloud.drawn("rect").length, 1 + CODES.labels.length, "and the paper");
  // Cut off at the map's edges; what is written beside the map and over it is not.
  const [x0, x1, y0, y1] = map.edges;
  for (const { clip, alpha } of squares) assert.deepEqual([clip, alpha], [[{ x: x0, y: y1, width: x1 - x0, height: y0 - y1 }], 0.7]);
  for (const { clip, alpha } of cloud.drawn("text")) assert.deepEqual([clip, alpha], [null, 1]);
  for (const { width, height } of squares) [width, height].forEach((side) => near(side, 300 / 130, 1e-9));
  const names = cloud.drawn("text").filter(({ align, text, x }) => align === "center" && /^\d$/.test(text) && x > 40);
  const one = names.filter(({ text, y }) => text === "1" && y < map.edges[2]);
  assert.equal(one.length, 1);
  const [x, y] = map.toScreen([-2, 0.5]);
  near(one[0].x, x, 1);
  near(one[0].y, y + 0.5, 1e-9);
});

test("drawn anew the codes take no more memory: what they were drawn on before is given back", () => {
  const { map, cloud } = plane(null);
  const { width } = cloud;
  assert.ok(width > 0);
  map.show({ codes: CODES });
  map.draw(null);
  assert.deepEqual([cloud.width, map.cloud.width], [0, width]);
});

test("a code beyond the map gives its digit no name there, and a digit without codes has none", () => {
  const { map } = plane(null, null, { colours: [...COLOURS, "#ccc"] });
  map.show({ codes: { z: [1, 1, 9, 9, 9, 9], labels: [0, 2, 2] } });
  map.draw(null);
  const names = map.cloud.drawn("fill").filter(({ path: [{ radius }] }) => radius === 8);
  assert.equal(names.length, 1);
});

test("an axis's numbers stand where they are, and a line goes through each", () => {
  const { map, cloud } = plane(null);
  const [x0, x1, y0, y1] = map.edges;
  const texts = cloud.drawn("text").map((one) => ({ ...one, value: Number(one.text.replace("−", "-")) }));
  const [across, up] = [texts.filter(({ y }) => y > y0), texts.filter(({ align }) => align === "right")];
  assert.deepEqual(across.map(({ value }) => value), [-4, -2, 0, 2, 4]);
  assert.deepEqual(up.map(({ value }) => value), [-4, -2, 0, 2, 4]);
  for (const { value, x, y } of across) {
    near(x, map.toScreen([value, 0])[0], 1e-9);
    near(y, y0 + 5, 0);
  }
  // The first and the last give way, so as to stay beside the map.
  for (const { value, x, y } of up) {
    near(y, { "-4": y0 - 4, 4: y1 + 6 }[value] ?? map.toScreen([0, value])[1], 1e-9);
    near(x, x0 - 5, 0);
  }
  const lines = cloud.drawn("stroke").filter(({ path }) => path.length === 2).map(({ path }) => path);
  assert.equal(lines.length, 10);
  for (const value of [-4, -2, 0, 2, 4]) {
    const [x, y] = map.toScreen([value, value]);
    assert.ok(lines.some(([[a, b], [c, d]]) => Math.abs(a - x) < 1e-9 && a === c && b === y0 && d === y1), `across at ${value}`);
    assert.ok(lines.some(([[a, b], [c, d]]) => Math.abs(b - y) < 1e-9 && b === d && a === x0 && c === x1), `up at ${value}`);
  }
  assert.ok(x0 >= 8 && x1 === 294 && y1 === 6 && y0 === 280);
});

test("a long number at the end of an axis gives way so far that it stays on the canvas, and the map begins where the longest ends", () => {
  const { map, cloud } = plane(null, null, { box: [-20000, 20000, -20000, 20000] });
  const last = cloud.drawn("text").find(({ text, align }) => text === "20,000" && align === "center");
  near(last.x, 300 - 18 - 1, 1e-9);
  near(map.edges[0], 6 * "−20,000".length + 8, 1e-9);
});

test("an axis has about six numbers, the roundest there are", () => {
  for (const [high, numbers] of [[6.5, ["0", "2", "4", "6"]], [5.5, ["0", "1", "2", "3", "4", "5"]]]) {
    const { cloud } = plane(null, null, { box: [0, high, 0, high] });
    assert.deepEqual(cloud.drawn("text").filter(({ align }) => align === "right").map(({ text }) => text), numbers);
  }
});

test("a narrow map has fewer numbers, a smaller ring, and as large a dot for each code as can be seen", () => {
  const numbers = {};
  for (const side of [219, 220, 221]) {
    const canvas = Object.assign(document.createElement("canvas"), { clientWidth: side, clientHeight: side });
    const map = new PlaneMap(canvas, { box: [0, 10, 0, 10], colours: COLOURS });
    map.codes = { z: [5, 5], labels: [1] };
    map.draw([5, 5]);
    const texts = map.cloud.drawn("text");
    const rings = canvas.drawn("stroke").map(({ path: [{ radius }] }) => radius);
    const [{ width }] = map.cloud.drawn("rect").filter(({ colour }) => colour === COLOURS[1]);
    near(width, Math.max(1.5, side / 130), 1e-9);
    numbers[side] = [texts.filter(({ align }) => align === "right").length, texts.filter(({ align }) => align === "center").length - 1, ...rings];
  }
  assert.deepEqual(numbers, { 219: [3, 3, 7, 7], 220: [6, 6, 9, 9], 221: [6, 6, 9, 9] });
  const canvas = Object.assign(document.createElement("canvas"), { clientWidth: 130, clientHeight: 130 });
  const map = new PlaneMap(canvas, { box: [0, 10, 0, 10], colours: COLOURS });
  map.codes = { z: [5, 5], labels: [1] };
  map.draw(null);
  near(map.cloud.drawn("rect").at(-1).width, 1.5, 1e-9);
});

test("where the page's type is larger all writing on a map is, and has its room; it is never smaller than it should be read", () => {
  const { getComputedStyle } = globalThis;
  for (const [fontSize, type] of [["32px", 2], ["8px", 1]]) {
    globalThis.getComputedStyle = () => ({ fontSize });
    const { map } = plane(null);
    assert.deepEqual([map.type, map.edges, map.font(11)], [type, [36 * type, 294, 300 - 20 * type, 6], `${11 * type}px sans-serif`]);
    const [x, y] = map.toScreen([-2, 0.5]);
    assert.deepEqual([8 * type - 0.5, 8 * type + 0.5].map((far) => map.under(x - far, y)), [2, -1]);
  }
  globalThis.getComputedStyle = getComputedStyle;
});

test("on a screen with more pixels to one of the page a map has them all, and everything lies where it did", () => {
  globalThis.devicePixelRatio = 2;
  const canvas = Object.assign(document.createElement("canvas"), { clientWidth: 300, clientHeight: 200 });
  const loupe = Object.assign(document.createElement("canvas"), { clientWidth: 100 });
  const map = new PlaneMap(canvas, { box: [-4, 4, -4, 4], colours: COLOURS, loupe });
  map.codes = CODES;
  for (let times = 0; times < 2; times++) map.draw([1, -2], { mu: [1, 0.5], sigma: [0.5, 0.25] });
  delete globalThis.devicePixelRatio;
  assert.deepEqual([canvas.width, canvas.height, map.cloud.width, map.cloud.height], [600, 400, 600, 400]);
  assert.deepEqual(map.toScreen([-4, -4]), [36, 180]);
  const [clouds, others] = [true, false].map((is) => canvas.context.drawn.filter(({ kind }) => (kind === "image") === is));
  for (const { on } of [...others, ...map.cloud.context.drawn]) assert.deepEqual(on([10, 20]), [20, 40]);
  for (const { image, x, y, on } of clouds) assert.deepEqual([image, x, y, on([10, 20])], [map.cloud, 0, 0, [10, 20]], "pixel for pixel");
  assert.equal(clouds.length, 2);
  assert.deepEqual([loupe.width, loupe.height, loupe.drawn("fill")[0].on([50, 50])], [200, 200, [100, 100]]);
});

test("a map that has no place on the page yet is not drawn; given one, it is", () => {
  const canvas = Object.assign(document.createElement("canvas"), { clientWidth: 0 });
  const map = new PlaneMap(canvas, { box: [-4, 4, -4, 4], colours: COLOURS });
  map.codes = CODES;
  map.draw([1, 1]);
  assert.equal(canvas.context.drawn.length, 0);
  canvas.clientWidth = 300;
  map.draw([1, 1]);
  assert.ok(canvas.context.drawn.length > 0);
});

test("a point on the map's edge is on it, one beyond either edge is not; through the CDF all are", () => {
  const { map } = plane(null, null, { box: [-4, 3, -2, 1] });
  for (const [z, held] of [[[-4, 0], true], [[3, 0], true], [[0, -2], true], [[0, 1], true], [[-4.01, 0], false], [[3.01, 0], false], [[0, -2.01], false], [[0, 1.01], false]]) assert.equal(map.holds(z), held, `${z}`);
  map.show({ uniform: true });
  assert.equal(map.holds([9, 9]), true);
  assert.deepEqual(map.limits, [0, 1, 0, 1]);
});

test("the point is a ring at its place, and one from beyond lies faint at the edge", () => {
  const ring = ({ canvas }) => canvas.drawn("stroke").filter(({ path }) => path[0]?.radius);
  const inside = plane([1, -2]);
  const [x, y] = inside.map.toScreen([1, -2]);
  for (const { path: [{ x: a, y: b }], alpha } of ring(inside)) assert.deepEqual([a, b, alpha], [x, y, 1]);
  assert.equal(ring(inside).length, 2);
  assert.deepEqual(ring(inside).map(({ path: [{ radius }] }) => radius), [9, 9]);
  inside.map.draw([1, -2]);
  assert.equal(inside.canvas.drawn("rect").at(-1).alpha, 1);
  const once = plane([9, 9]);
  once.map.draw([1, 1]);
  assert.equal(ring(once).at(-1).alpha, 1, "and not for the next one");
  const beyond = plane([9, -9]);
  const [, right, bottom] = beyond.map.edges;
  for (const { path: [{ x: a, y: b }], alpha } of ring(beyond)) assert.deepEqual([a, b, alpha], [right, bottom, 0.4]);
});

test("an ellipse reaches one sigma from its mu, either way", () => {
  const { map, canvas } = plane([1, 1], { mu: [1, 0.5], sigma: [0.5, 0.25] });
  const rings = canvas.drawn("stroke").filter(({ path }) => path.length > 50);
  assert.deepEqual(rings.map(({ colour }) => colour), ["#fff", "#000"]);
  for (const { path } of rings) {
    path.at(-1).forEach((value, axis) => near(value, path[0][axis], 1e-9));
    assert.equal(path.length, 61);
    for (const z of back(map, path)) near(Math.hypot((z[0] - 1) / 0.5, (z[1] - 0.5) / 0.25), 1, 1e-6);
    near(Math.max(...back(map, path).map((z) => z[0])), 1.5, 1e-3);
  }
});

test("in the loupe lie the posteriors near the point with their own sigma, the nearest in black last; it is hidden where it shows nothing", () => {
  const ellipse = { mu: [1, 1], sigma: [0.1, 0.2] };
  const { map, loupe } = plane([1, 1], ellipse);
  assert.equal(loupe.style.visibility, "");
  assert.deepEqual([loupe.width, loupe.height], [300, 300]);
  // The point is in its middle, all else ten times as far away, and cut off at its rim.
  const [rim, dot] = [loupe.drawn("fill")[0], loupe.drawn("fill").at(-1)];
  assert.deepEqual([rim.path, dot.path], [[{ x: 150, y: 150, radius: 148.5 }], [{ x: 150, y: 150, radius: 3.5 }]]);
  assert.deepEqual([dot.on([150, 150]), dot.clip], [[150, 150], null]);
  const [x, y] = map.toScreen([1, 1]);
  for (const { clip, on } of loupe.drawn("stroke").filter(({ path }) => path.length > 50 || "across" in path[0])) {
    assert.deepEqual(clip, rim.path);
    on([x, y]).forEach((value) => near(value, 150, 1e-9));
    on([x + 3, y - 2]).forEach((value, axis) => near(value, [180, 130][axis], 1e-9));
  }
  const rings = loupe.drawn("stroke").filter(({ path }) => path.length > 50 || "across" in path[0]);
  assert.deepEqual(rings.map(({ colour }) => colour), ["#a00", "#a00", "#00a", "#fff", "#000"], "no code that lies far away");
  for (const [k, i] of [0, 1, 3, 0, 0].entries()) {
    const [{ x, y, across, up }] = rings[k].path;
    const extremes = [[x - across, y], [x + across, y], [x, y - up], [x, y + up]];
    const places = back(map, k < 3 ? extremes : rings[k].path);
    for (const axis of [0, 1]) {
      near(Math.max(...places.map((z) => z[axis])), CODES.z[2 * i + axis] + CODES.sigma[2 * i + axis], 2e-3);
      near(Math.min(...places.map((z) => z[axis])), CODES.z[2 * i + axis] - CODES.sigma[2 * i + axis], 2e-3);
    }
  }
  assert.equal(plane([9, 9], ellipse).loupe.style.visibility, "hidden", "the point is beyond the map");
  assert.equal(plane([1, 1], null).loupe.style.visibility, "hidden", "an autoencoder has no sigma");
  const through = plane(null);
  through.map.show({ uniform: true });
  through.map.draw([1, 1], ellipse);
  assert.equal(through.loupe.style.visibility, "hidden", "through the CDF a circle is none");
});

test("a frame draws those posteriors that reach into the loupe, and no others", () => {
  const grid = Array.from({ length: 1600 }, (_, i) => [(i % 40) / 13 - 1, Math.floor(i / 40) / 13 - 1]);
  const codes = { z: grid.flat(), labels: grid.map(() => 0), sigma: grid.flatMap(() => [0.01, 0.02]) };
  const { map, loupe } = plane(null);
  map.show({ codes });
  map.draw([0.5, 0.5], { mu: [0.5, 0.5], sigma: [0.01, 0.02] });
  const drawn = loupe.drawn("stroke").filter(({ colour }) => colour === COLOURS[0]);
  const [[x, y], reach] = [map.toScreen([0.5, 0.5]), (loupe.clientWidth / 2 - 1.5) / 10];
  const [one, two] = [map.toScreen([0, 0]), map.toScreen([0.01, 0.02])];
  const reaches = grid.map((z) => map.toScreen(z)).filter(
    ([a, b]) => Math.abs(a - x) <= two[0] - one[0] + reach && Math.abs(b - y) <= one[1] - two[1] + reach,
  );
  assert.ok(reaches.length > 20 && reaches.length < grid.length);
  assert.equal(drawn.length, reaches.length);
});

test("a code under the pointer is the nearest within eight pixels", () => {
  const { map } = plane(null);
  for (const i of [0, 2, 4]) {
    const [x, y] = map.toScreen([CODES.z[2 * i], CODES.z[2 * i + 1]]);
    assert.equal(map.under(x - 1, y + 1), i);
    assert.equal(map.under(x - 7.5, y), i);
  }
  const [x, y] = map.toScreen([3, -3]);
  assert.equal(map.under(x, y + 8.5), -1);
  assert.equal(map.under(x + 8, y), -1);
  map.show({ codes: { z: [1, 1, 1, 1], labels: [0, 1] } });
  assert.equal(map.under(...map.toScreen([1, 1])), 0, "of two in one place the first");
});

// --- the KL --------------------------------------------------------------------------------------------------------------

const KL = { box: [-3, 3, -6, 3], colours: ["orange", "blue"], mu: 1, log_var: -1 };

async function klView(traits) {
  const { el, model, made } = await mounted(kl, { ...KL, ...traits });
  const [curves, bowl] = made;
  const map = Object.assign(Object.create(PlaneMap.prototype), { box: KL.box, type: 1, side: 300, high: 300, left: 0, uniform: false });
  return { el, model, curves, bowl, map };
}

test("the arrow begins at the point and goes down the gradient, at most 2 long", async () => {
  for (const [mu, log_var] of [[1, -1], [-3, 2], [0.25, 0.5], [0, -6]]) {
    const { bowl, map } = await klView({ mu, log_var });
    const arrow = bowl.drawn("stroke").map(({ path }) => path).find((path) => path.length === 6);
    const [from, to] = back(map, arrow.slice(0, 2));
    near(from[0], mu, 1e-6);
    near(from[1], log_var, 1e-6);
    const [, gradient] = kl.divergence([mu, log_var]);
    const length = Math.hypot(...gradient);
    const share = Math.min(1, 2 / length);
    near(to[0], mu - share * gradient[0], 1e-6);
    near(to[1], log_var - share * gradient[1], 1e-6);
    const tip = arrow[1];
    for (const k of [2, 4]) assert.deepEqual(arrow[k], tip, "both sides of the head begin at the tip");
    for (const end of [arrow[3], arrow[5]]) {
      near(Math.hypot(end[0] - tip[0], end[1] - tip[1]), 9, 1e-6);
      const behind = (end[0] - tip[0]) * (tip[0] - arrow[0][0]) + (end[1] - tip[1]) * (tip[1] - arrow[0][1]);
      assert.ok(behind < 0, "the head points where the arrow goes");
    }
    const [left, right] = [3, 5].map((k) => (arrow[k][0] - tip[0]) * (tip[1] - arrow[0][1]) - (arrow[k][1] - tip[1]) * (tip[0] - arrow[0][0]));
    near(left, -right, 1e-6);
  }
});

test("on each contour of the bowl stands its number of nats, at the contour", async () => {
  const { map } = await klView({});
  const layer = layers.filter((one) => one.drawn("text").some(({ text }) => text === "0.5")).at(-1);
  const numbers = layer.drawn("text").filter(({ text, align }) => align === "center" && ["0.1", "0.5", "1", "2", "4", "8"].includes(text));
  const written = numbers.slice(-6);
  assert.deepEqual(written.map(({ text }) => text), ["0.1", "0.5", "1", "2", "4", "8"]);
  for (const { text, x, y } of written) {
    const [mu, logVar] = map.toPlane(x, y);
    near(kl.divergence([mu, logVar])[0], Number(text), 0.12);
    assert.ok(logVar > 0, "at the upper left");
    near(mu, -Math.min(2.4, 0.75 * Math.sqrt(2 * Number(text))), 0.03);
  }
  assert.deepEqual(layer.drawn("halo").slice(-6).map(({ text, x, y, colour }) => ({ text, x, y, colour })), written.map(({ text, x, y }) => ({ text, x, y, colour: "#fff" })), "legible on its line");
  const lines = layer.drawn("stroke").map(({ path }) => path).filter((path) => path.length > 50).slice(-6);
  for (const [k, { text }] of written.entries()) {
    const places = kl.contour(Number(text));
    assert.equal(lines[k].length, places.length);
    lines[k].forEach((place, i) => map.toScreen(places[i]).forEach((value, axis) => near(place[axis], value, 1e-9)));
  }
});

test("the curves, a picture, stay in sight on a phone; the point goes where it is dragged, in the sliders' steps, saved, and home to the prior", async () => {
  const { el, model, curves, bowl, map } = await klView({});
  assert.equal(curves.attributes.role, "img");
  const [panes] = el.all((one) => one.classes?.has("vaelib-panes"));
  assert.deepEqual([panes.classes.has("vaelib-large"), ...panes.children.map((pane) => pane.classes.has("vaelib-sight"))], [true, true, false]);
  for (const z of [[-1.23, 2.48], [2.92, -5.11]]) {
    const [clientX, clientY] = map.toScreen(z);
    bowl.dispatchEvent(Object.assign(new Event("pointerdown"), { clientX, clientY }));
    assert.deepEqual([model.get("mu"), model.get("log_var")], z.map((value) => Math.round(value * 20) / 20));
    assert.deepEqual(model.saved, model.traits);
    const [{ x, y }] = bowl.drawn("stroke").filter(({ path }) => path[0]?.radius).at(-1).path;
    near(Math.hypot(x - clientX, y - clientY), 0, 3);
  }
  bowl.dispatchEvent(Object.assign(new Event("keydown"), { key: "Home" }));
  assert.deepEqual([model.get("mu"), model.get("log_var")], [0, 0]);
});

test("it says the KL, sigma and both slopes with their signs, and moves by the sliders' step", async () => {
  const { el, model } = await klView({ mu: -1, log_var: -2 });
  const [sum] = el.all((one) => one.classes?.has("vaelib-sum"));
  const value = 0.5 * (1 + Math.exp(-2) - 1 + 2);
  assert.equal(sum.textContent, `KL = ${value.toFixed(3)} nats; σ = 0.368; ∂KL/∂μ = −1.000; ∂KL/∂log σ² = −0.432`);
  assert.equal(spoken(el, () => model.set({ mu: 0, log_var: 0 })), sum.textContent);
  assert.equal(sum.textContent, "KL = 0.000 nats; σ = 1.000; ∂KL/∂μ = 0.000; ∂KL/∂log σ² = 0.000");
});

test("the shaded areas are the integrand above and below zero: orange less blue is the KL", async () => {
  await klView({ mu: 1, log_var: -1 });
  const layer = layers.filter((one) => one.drawn("fill").some(({ colour }) => colour === "orange")).at(-1);
  const [x0, x1, y0, y1] = [36, 294, 280, 6]; // the axes of the curves are -7 to 7 across, -.2 to 1.4 up
  const area = (path) => Math.abs(path.reduce((sum, [x, y], i) => sum + x * path[(i + 1) % path.length][1] - path[(i + 1) % path.length][0] * y, 0)) / 2;
  const [orange, blue] = ["orange", "blue"].map((colour) => area(layer.drawn("fill").find((one) => one.colour === colour).path));
  const unit = ((x1 - x0) / 14) * ((y0 - y1) / 1.6);
  near((orange - blue) / unit, kl.divergence([1, -1])[0], 0.01);
  assert.ok(blue > 0);
  const curves = layer.drawn("stroke").map(({ path }) => path).filter((path) => path.length > 1000);
  assert.equal(curves.length, 2, "q's density and the prior's");
  for (const path of curves) assert.deepEqual([path[0][0], path.at(-1)[0]], [x0, x1], "from end to end");
  const tops = curves.map((path) => path.reduce((top, place) => (place[1] < top[1] ? place : top))).sort(([a], [b]) => a - b);
  for (const [i, [z, height]] of [[0, 0.3989], [1, 0.3989 * Math.exp(0.5)]].entries()) {
    near(tops[i][0], x0 + ((z + 7) / 14) * (x1 - x0), 0.2);
    near(tops[i][1], y0 - ((height + 0.2) / 1.6) * (y0 - y1), 0.1);
  }
});

test("how much is in sight is said exactly where more than a hundredth of the KL, and more than .005 nats, is not", async () => {
  const near = [0, 0]; // how many lie a little to either side
  const { model } = await klView({ mu: 0, log_var: 0 });
  for (const mu of [-3, -1, 0, 0.5, 1, 2, 3]) {
    for (const log_var of [-6, -3, ...Array.from({ length: 40 }, (_, i) => 1 + i / 20)]) {
      model.set({ mu, log_var });
      const layer = layers.findLast((one) => one.drawn("fill").some(({ colour }) => colour === "orange"));
      const { text: said, x, y } = layer.drawn("text").find(({ text }) => text.startsWith("in sight")) ?? {};
      if (said) assert.deepEqual([x, y], [294 - 6, 6 + 16], "in the corner");
      const [all, there] = [kl.divergence([mu, log_var])[0], kl.onTheAxes([mu, log_var])];
      const missing = Math.abs(all - there);
      assert.equal(Boolean(said), missing >= 0.01 * all + 0.005, `${mu}, ${log_var}: ${missing} of ${all}`);
      if (said) assert.equal(said, `in sight: ${(there + 1e-9).toFixed(3)} of ${(all + 1e-9).toFixed(3)} nats`.replaceAll("-", "−"));
      if (missing > 0.005 && missing < 0.02 * all + 0.005) near[Number(Boolean(said))] += 1;
    }
  }
  assert.ok(near.every((count) => count > 2), `${near}`);
});
