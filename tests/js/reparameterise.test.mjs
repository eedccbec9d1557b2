// The draws that leave a trail: from N(0, 1), the same for every reader; how they are counted; and what is seen of z.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load, mounted, resized, spoken } from "./surface.mjs";
import { network, readSafetensors, sigmoid } from "../../vaelib/static/engine.js";
import { counted, draws, limits } from "../../vaelib/static/reparameterise.js";
import * as reparameterise from "../../vaelib/static/reparameterise.js";

const COUNT = 20000;
const FIRST = ["-0.30", "0.10", "-0.60"];
const all = () => {
  const next = draws();
  return Array.from({ length: COUNT }, () => [next(), next()]);
};

test("every reader has the same draws, these, and they are those of N(0, I)", () => {
  const trail = all();
  assert.deepEqual(trail.flat().slice(0, 3).map((value) => value.toFixed(2)), FIRST);
  const mean = (of) => trail.reduce((sum, pair) => sum + of(pair), 0) / COUNT;
  // Four standard errors of a mean of so many.
  const near = (value, expected, spread) => assert.ok(Math.abs(value - expected) < (4 * spread) / Math.sqrt(COUNT), `${value}`);
  for (const k of [0, 1]) {
    near(mean((pair) => pair[k]), 0, 1);
    near(mean((pair) => pair[k] ** 2), 1, Math.SQRT2);
  }
  near(mean(([a, b]) => a * b), 0, 1);
  assert.ok(trail.flat().every((value) => Math.abs(value) <= 3));
});

test("as many lie within one and two sigma as should, and it is said beside how many should", () => {
  const share = counted(all()).match(/Drawn: 20000; (\d+) within one σ .*many, 39 %.*, (\d+) within two σ .*many, 86 %/);
  assert.ok(Math.abs(share[1] / COUNT - 0.393) < 0.015, share[1]);
  assert.ok(Math.abs(share[2] / COUNT - 0.865) < 0.01, share[2]);
  assert.match(counted([[0.5, 0.5], [1, 1], [3, 0]]), /^Drawn: 3; 1 within one σ .*, 2 within two σ/);
  assert.match(counted([[0, 1], [2, 0]]), /^Drawn: 2; 1 within one σ .*, 2 within two σ/, "on the ellipse counts");
  assert.equal(counted([]), "");
});

// --- what is seen ---------------------------------------------------------------------------------------------------------

const MODEL = "vae-mnist-2d";
const [{ tensors: { mu, sigma } }, { metadata: { rows }, tensors: { pixels: { data: digits } } }] = (await Promise.all([`weights/${MODEL}.codes.safetensors`, "vaelib/digits.safetensors"].map(load))).map(readSafetensors);
const decode = network(await load(`weights/${MODEL}.decoder.safetensors`));
const qOf = (image) => ({ mu: [0, 1].map((k) => mu.data[2 * rows[image] + k]), sigma: [0, 1].map((k) => sigma.data[2 * rows[image] + k]) });

async function view(traits = {}) {
  const first = { name: MODEL, colours: Array(10).fill("#ccc"), image: 3, epsilon1: 0.5, epsilon2: -1, ...traits };
  const { el, model, made, leave } = await mounted(reparameterise, first);
  const canvas = made.find((one) => one.classes.has("vaelib-map"));
  const pictures = el.all((one) => one.tag === "figure").map((figure) => figure.children[0]);
  const text = (name, k = 0) => el.all((one) => one.classes?.has(name))[k].textContent;
  const buttons = el.all((one) => one.tag === "button");
  const press = (name) => buttons.find((one) => one.textContent === name).dispatchEvent(new Event("click"));
  const point = () => [model.get("epsilon1"), model.get("epsilon2")];
  // Places in units of sigma around mu, from pixels: the map shows as far on each side as four of the larger sigma.
  const unit = (image, [x, y]) => {
    const q = qOf(image);
    const reach = 4 * Math.max(...q.sigma);
    return [(((x - 36) / 258) * 2 - 1) * (reach / q.sigma[0]), (((280 - y) / 274) * 2 - 1) * (reach / q.sigma[1])];
  };
  return { el, model, leave, canvas, pictures, buttons, press, point, unit, sums: () => text("vaelib-sum"), tally: () => text("vaelib-hint") };
}

/** What was drawn last on the map, from the cloud on. */
function seen(canvas, change) {
  const before = canvas.context.drawn.length;
  change();
  return canvas.context.drawn.slice(before);
}

const near = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not within ${tolerance} of ${b}`);
const pair = (a, b, tolerance) => [0, 1].forEach((k) => near(a[k], b[k], tolerance));

test("the sums are those of the image's q and the sliders, and z is decoded, drawn and joined to mu", async () => {
  const { el, model, canvas, pictures, sums, unit } = await view();
  const radios = el.all((one) => one.attributes?.type === "radio");
  for (const [image, epsilon1, epsilon2] of [[3, 1.5, -2], [0, -0.25, 0.1], [7, 3, 3]]) {
    const drawn = seen(canvas, () => {
      radios[image].dispatchEvent(new Event("change"));
      model.set({ epsilon1, epsilon2 });
    });
    assert.deepEqual([model.get("image"), model.saved.image], [image, image]);
    assert.deepEqual(radios.map((radio) => Boolean(radio.checked)), radios.map((_, i) => i === image));
    const q = qOf(image);
    const z = [0, 1].map((k) => q.mu[k] + q.sigma[k] * [epsilon1, epsilon2][k]);
    const said = (value) => value.toFixed(3).replace("-", "−");
    assert.equal(sums(), [0, 1].map((k) => `z${"₁₂"[k]} = μ${"₁₂"[k]} + σ${"₁₂"[k]} ε${"₁₂"[k]} = ${said(q.mu[k])} + ${said(q.sigma[k])} × ${said([epsilon1, epsilon2][k])} = ${said(z[k])}`).join(""));
    const painted = pictures.map((picture) => picture.drawn("pixels").at(-1).image.data);
    for (let i = 0; i < 784; i++) near(255 - painted[0][4 * i], digits[784 * image + i], 1);
    for (const [k, code] of [[1, q.mu], [2, z]]) sigmoid(decode(code)).forEach((level, i) => near(255 - painted[k][4 * i], 255 * level, 1));
    const [line] = drawn.filter(({ kind, path }) => kind === "stroke" && path.length === 2).slice(-1);
    pair(unit(image, line.path[0]), [0, 0], 1e-6);
    pair(unit(image, line.path[1]), [epsilon1, epsilon2], 1e-6);
    const [dot] = drawn.filter(({ kind, path }) => kind === "fill" && path.length === 1 && path[0].radius === 3).slice(-1);
    pair(unit(image, [dot.path[0].x, dot.path[0].y]), [0, 0], 1e-6);
    const rings = drawn.filter(({ kind, path }) => kind === "stroke" && path.length > 50).slice(-4).map(({ path }) => path);
    for (const [k, reach] of [1, 1, 2, 3].entries()) for (const place of rings[k]) near(Math.hypot(...unit(image, place)), reach, 1e-6);
    const [x, y] = drawn.filter(({ kind, path }) => kind === "stroke" && path[0]?.radius).at(-1).path.map((one) => [one.x, one.y])[0];
    pair(unit(image, [x, y]), [epsilon1, epsilon2], 1e-6);
  }
});

test("each draw moves the sliders, stays on the map as a dot, at the same place in another image's q, and is counted", async () => {
  const { model, canvas, press, point, tally, unit, buttons } = await view();
  const clear = buttons.find((one) => one.textContent === "Clear");
  assert.deepEqual([tally(), clear.disabled], ["", true]);
  const [next, trail] = [draws(), []];
  const dots = (drawn) => drawn.filter(({ kind, colour }) => kind === "fill" && colour === "#0072b2").map(({ path: [{ x, y, radius }] }) => radius === 2.5 && [x, y]);
  for (let n = 1; n <= 5; n++) {
    trail.push([next(), next()]);
    const drawn = dots(seen(canvas, () => press("Draw ε from N(0, I)"))).slice(-n);
    pair(point(), trail.at(-1), 1e-9);
    drawn.forEach((place, i) => pair(unit(3, place), trail[i], 1e-6));
    assert.equal(tally(), counted(trail));
    assert.deepEqual(model.saved, model.traits);
  }
  const drawn = dots(seen(canvas, () => model.set({ image: 8 })));
  assert.equal(drawn.length, 5);
  drawn.forEach((place, i) => pair(unit(8, place), trail[i], 1e-6));
  assert.equal(clear.disabled, false);
  assert.equal(dots(seen(canvas, () => press("Clear"))).length, 0);
  assert.deepEqual([tally(), clear.disabled], ["", true]);
  press("Draw ε from N(0, I)");
  pair(point(), trail[0], 1e-9);
});

test("dragged, the point goes where the pointer is, in the sliders' steps, and stops where the sliders and an address do", async () => {
  const { model, canvas, point, unit } = await view();
  const { epsilon1, epsilon2, image } = limits();
  assert.deepEqual(image, [0, rows.length - 1, 1]);
  const drag = (clientX, clientY) => canvas.dispatchEvent(Object.assign(new Event("pointerdown"), { clientX, clientY }));
  const ends = [];
  for (const [x, y] of [[36, 280], [294, 6], [165, 143], [150, 160]]) {
    drag(x, y);
    const place = unit(3, [x, y]);
    pair(point(), place.map((value, k) => Math.min([epsilon1, epsilon2][k][1], Math.max([epsilon1, epsilon2][k][0], value))), 0.025 + 1e-9);
    for (const [k, value] of point().entries()) near(value / [epsilon1, epsilon2][k][2], Math.round(value / [epsilon1, epsilon2][k][2]), 1e-9);
    ends.push(point());
    assert.deepEqual(model.saved, model.traits);
  }
  assert.deepEqual(ends.slice(0, 2), [[epsilon1[0], epsilon2[0]], [epsilon1[1], epsilon2[1]]]);
  const all = Array.from({ length: COUNT }, draws());
  assert.deepEqual([Math.min(...all), Math.max(...all)], epsilon1.slice(0, 2), "no draw lies where no slider goes");
  assert.deepEqual(epsilon2, epsilon1);
  canvas.dispatchEvent(Object.assign(new Event("keydown"), { key: "Home" }));
  pair(point(), [0, 0], 1e-9);
});

test("a hundred draws come one by one and then no more; pressed meanwhile the button stops them, and a reset takes all away", async () => {
  const { el, press, tally, buttons, leave } = await view();
  const { matchMedia, setInterval, clearInterval } = globalThis;
  let [tick, count, pause] = [null, 0, null];
  Object.assign(globalThis, { matchMedia: () => ({ matches: false }), setInterval: (work, wait) => ((tick = work), (pause = wait), (count += 1)), clearInterval: (id) => id === count && (tick = null) });
  const drawn = () => Number(tally().match(/^Drawn: (\d+)/)?.[1] ?? 0);
  press("100 draws");
  assert.equal(drawn(), 0);
  for (let i = 1; i <= 30; i++) {
    tick();
    assert.equal(drawn(), i);
  }
  assert.equal(pause, 50, "milliseconds");
  press("Stop");
  assert.equal(tick, null);
  press("100 draws");
  for (let i = 0; i < 1000 && tick; i++) tick();
  assert.equal(drawn(), 130);
  assert.equal(buttons.filter((one) => one.textContent === "Stop").length, 0);
  press("100 draws");
  el.dispatchEvent(new Event("reset"));
  assert.deepEqual([tick, drawn()], [null, 0]);
  press("100 draws");
  assert.notEqual(tick, null);
  leave();
  assert.equal(tick, null, "gone from the page it draws no more");
  Object.assign(globalThis, { matchMedia, setInterval, clearInterval });
  press("100 draws");
  assert.equal(drawn(), 100, "all at once for a reader who wants no motion");
});

test("what is seen is spoken: both sums, and how many draws lie where", async () => {
  const { el, press, sums, tally } = await view();
  const said = spoken(el, () => press("Draw ε from N(0, I)"));
  assert.equal(said, [...sums().split(/(?=z₂)/), tally()].join("; "));
});

test("each slider alone moves z; a draw that leaves them where they are is counted; where type is larger dots are", async () => {
  const [next, { getComputedStyle }] = [draws(), globalThis];
  const [epsilon1, epsilon2] = [next(), next()];
  const { model, canvas, press, sums, tally } = await view({ epsilon1: 2, epsilon2: 2 });
  const lines = () => sums().split(/(?=z₂)/);
  const [one, two] = lines();
  model.set("epsilon1", epsilon1);
  assert.ok(lines()[0] !== one && lines()[1] === two);
  model.set("epsilon2", epsilon2);
  assert.notEqual(lines()[1], two);
  press("Draw ε from N(0, I)");
  assert.equal(tally(), counted([[epsilon1, epsilon2]]));
  globalThis.getComputedStyle = () => ({ fontSize: "32px" });
  const drawn = seen(canvas, () => resized(canvas, 300));
  globalThis.getComputedStyle = getComputedStyle;
  assert.deepEqual(drawn.filter(({ kind, colour }) => kind === "fill" && colour === "#0072b2").map(({ path: [{ radius }] }) => radius), [5]);
});
