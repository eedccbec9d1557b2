// The mixer: its arithmetic, when the truth is known, and that what it says is what it paints. In a browser: tests/book.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mounted, near, oneLayer, safetensors, spoken } from "./surface.mjs";
import { network, sigmoid } from "../../vaelib/static/engine.js";
import { flipped, limits, mixed } from "../../vaelib/static/mixer.js";
import * as mixer from "../../vaelib/static/mixer.js";

const [FACE, OTHER] = [Float32Array.of(1, 2), Float32Array.of(3, -2)];
const VECTORS = [Float32Array.of(1, 0), Float32Array.of(0, 4)];

test("a code is the face's, morphed, plus alpha times each feature vector", () => {
  assert.deepEqual([...mixed(FACE, OTHER, 0, [0, 0], VECTORS)], [1, 2]);
  assert.deepEqual([...mixed(FACE, OTHER, 1, [0, 0], VECTORS)], [3, -2]);
  assert.deepEqual([...mixed(FACE, OTHER, 0.25, [0, 0], VECTORS)], [1.5, 1]);
  assert.deepEqual([...mixed(FACE, OTHER, 0.25, [-2, 0.5], VECTORS)], [-0.5, 3]);
  assert.deepEqual([...FACE], [1, 2], "the face's own code stays");
});

test("there is a counterfactual exactly where one attribute is taken to its other side", () => {
  const has = [0, 1, 0, 1, 0, 1, 0];
  const of = (alphas, morph = 0) => flipped(Object.assign(Array(7).fill(0), alphas), morph, has);
  assert.deepEqual(of({ 0: 0.1 }), [0]);
  assert.deepEqual(of({ 3: -2 }), [3]);
  assert.match(of({})[1], /Move one attribute/);
  assert.match(of({ 0: 1 }, 0.05)[1], /between two/);
  assert.match(of({ 0: 1, 3: -1 })[1], /one attribute changed, and 2 are/);
  assert.match(of({ 0: -1 })[1], /a face not smiling/);
  assert.match(of({ 1: 1 })[1], /a face with glasses/);
  // Taken further to where it is already, each attribute is named as the face has it.
  const sides = [["not smiling", "smiling"], ["without glasses", "with glasses"], ["without blond hair", "with blond hair"], ["without a beard", "with a beard"], ["without a hat", "with a hat"], ["with short hair", "with long hair"], ["with open eyes", "with closed eyes"]];
  for (const [k, words] of sides.entries()) assert.equal(of({ [k]: has[k] ? 1 : -1 })[1], `There is no more of it to draw: this is a face ${words[has[k]]}.`);
  for (const [k, words] of sides.entries()) {
    const alphas = Array.from({ length: 7 }, (_, i) => (i === k ? 1 - 2 * has[k] : 0));
    assert.deepEqual(flipped(alphas, 0, has), [k]);
    assert.ok(flipped(alphas.map((alpha) => -alpha), 0, has)[1].endsWith(`${words[has[k]]}.`));
  }
  for (const case_ of [of({}), of({ 0: 1 }, 1), of({ 1: 1 }), of({ 0: 1, 3: -1 })]) assert.equal(case_[0], -1);
});

// --- what is seen: three faces of two latents, on a sheet that is wider than high ---------------------------------------

const NAMES = ["Smiling", "Eyeglasses", "Blond_Hair", "Beard", "Wearing_Hat", "Long_Hair", "Narrow_Eyes"];
const CODES = [[0.5, -1], [-0.25, 2], [1, 1]];
const HAS = [[0, 0, 1, 0, 0, 1, 0], [1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]];
const STEPS = NAMES.map((_, k) => [Math.sin(k + 1), Math.cos(3 * k)]);
const DECODER = oneLayer(3 * 64 * 64, 2, (o, k) => Math.sin(o + k), (o) => Math.cos(o) / 2);
const SHEET = { width: 8 * 64, height: 3 * 64, level: (x, y, channel) => (x < 8 * 64 && y < 3 * 64 ? (7 * x + 13 * y + 50 * channel) % 256 : 0) };
const files = {
  "weights/small.decoder.safetensors": DECODER,
  "vaelib/mixer.safetensors": safetensors({ names: NAMES }, {
    mu: ["F32", [3, 2], CODES.flat()], has: ["U8", [3, 7], HAS.flat()], vectors: ["F32", [7, 2], STEPS.flat()], png: ["U8", [1], [0]],
  }),
};

async function view(traits) {
  globalThis.createImageBitmap = async () => SHEET;
  const still = { name: "small", face: 0, other: 1, morph: 0, ...Object.fromEntries(NAMES.map((name) => [name, 0])) };
  const { el, model } = await mounted(mixer, { ...still, ...traits }, async (path) => files[path]);
  const figures = el.all((one) => one.tag === "figure").map((figure) => ({ figure, canvas: figure.children[0], title: figure.textContent }));
  const sum = () => el.all((one) => one.classes?.has("vaelib-sum"))[0].textContent;
  const why = () => el.all((one) => one.classes?.has("vaelib-hint"))[0].textContent;
  return { el, model, figures, sum, why };
}

/** The last picture painted on a canvas, in [0, 1], one channel after the other. */
function pixels(canvas) {
  const { data } = canvas.drawn("pixels").at(-1).image;
  return Float32Array.from({ length: (3 * data.length) / 4 }, (_, i) => data[4 * (i % 4096) + Math.floor(i / 4096)] / 255);
}
const same = (levels, expected) => levels.forEach((level, i) => near(level, expected[i], 1 / 255));
/** What is drawn in a row and a column of the sheet. */
const cut = (row, column) => Float32Array.from({ length: 3 * 4096 }, (_, i) => SHEET.level(64 * column + (i % 64), 64 * row + (Math.floor(i / 64) % 64), Math.floor(i / 4096)) / 255);
const decoded = (z) => sigmoid(network(DECODER)(z));
const difference = (a, b) => a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length;

test("the code that is said of the new face is the one that is decoded and painted", async () => {
  const cases = [
    [{}, "face 0", [0.5, -1]],
    [{ face: 2, Smiling: 0.5 }, "face 2 + 0.50 smiling", [1 + 0.5 * STEPS[0][0], 1 + 0.5 * STEPS[0][1]]],
    [{ face: 1, Blond_Hair: -2, Narrow_Eyes: 0.1 }, "face 1 − 2.00 blond hair + 0.10 narrow eyes", [0, 1].map((i) => CODES[1][i] - 2 * STEPS[2][i] + 0.1 * STEPS[6][i])],
    [{ morph: 0.25 }, "0.75 face 0 + 0.25 face 1", [0.75 * 0.5 - 0.25 * 0.25, -0.75 + 0.5]],
    [{ other: 2, morph: 1, Beard: 1 }, "0.00 face 0 + 1.00 face 2 + 1.00 beard", [1 + STEPS[3][0], 1 + STEPS[3][1]]],
  ];
  const { model, figures, sum } = await view({});
  for (const [traits, said, z] of cases) {
    model.set({ face: 0, other: 1, morph: 0, ...Object.fromEntries(NAMES.map((name) => [name, 0])), ...traits });
    assert.ok(sum().startsWith(`Its code: ${said}. `), sum());
    assert.equal(figures[0].canvas.attributes["aria-label"], `The new face. Its code: ${said}.`);
    same(pixels(figures[0].canvas), decoded(z));
  }
});

test("x, x decoded and the same face drawn are those of the face, and their differences those of what is seen", async () => {
  const { model, figures, sum, why } = await view({ face: 1 });
  assert.deepEqual(figures.map(({ title }) => title), ["The new face", "The face x", "x, coded and decoded", "The same face drawn"]);
  const [, original, coded, truth] = figures.map(({ canvas }) => canvas);
  for (const face of [0, 1, 2]) {
    model.set({ face, ...Object.fromEntries(NAMES.map((name) => [name, 0])) });
    same(pixels(original), cut(face, 0));
    same(pixels(coded), decoded(CODES[face]));
    assert.equal(figures[3].figure.hidden, true, "no attribute is moved");
    assert.match(why(), /^Move one attribute/);
    for (const [k, name] of NAMES.entries()) {
      model.set({ ...Object.fromEntries(NAMES.map((other) => [other, 0])), [name]: HAS[face][k] ? -1 : 1 });
      assert.equal(figures[3].figure.hidden, false);
      assert.equal(why(), "");
      same(pixels(truth), cut(face, 1 + k));
      const [, now, before] = sum().match(/Mean squared difference from the face drawn so: of the new face (.*), of x decoded (.*)\.$/);
      for (const [said, picture] of [[now, decoded(CODES[face].map((value, i) => value + (HAS[face][k] ? -1 : 1) * STEPS[k][i]))], [before, decoded(CODES[face])]]) {
        assert.match(said, /^0\.\d{5}$/);
        near(Number(said), difference(picture, cut(face, 1 + k)), 6e-6);
      }
    }
  }
});

test("pictures are named by what they show, and what is seen is spoken, with why there is no counterfactual", async () => {
  const { el, model, figures, sum, why } = await view({ face: 1 });
  const people = ["face 0: with blond hair, with long hair", "face 1: smiling, with glasses", "face 2: none of the attributes"];
  const sides = [["not smiling", "smiling"], ["without glasses", "with glasses"], ["without blond hair", "with blond hair"], ["without a beard", "with a beard"], ["without a hat", "with a hat"], ["with short hair", "with long hair"], ["with open eyes", "with closed eyes"]];
  for (const face of [0, 2, 1]) {
    model.set({ face, ...Object.fromEntries(NAMES.map((name) => [name, 0])) });
    const [, original, decoded, truth] = figures;
    assert.deepEqual([original, decoded].map(({ canvas }) => canvas.attributes["aria-label"]), [`The face x; ${people[face]}`, `x, coded and decoded; ${people[face]}`]);
    for (const [k, name] of NAMES.entries()) {
      model.set(Object.fromEntries(NAMES.map((other) => [other, 0])));
      const said = spoken(el, () => model.set(name, HAS[face][k] ? -0.5 : 0.5));
      const drawn = `The same face drawn ${sides[k][1 - HAS[face][k]]}`;
      assert.deepEqual([truth.figure.textContent, truth.canvas.attributes["aria-label"]], [drawn, drawn]);
      assert.equal(said.trim(), sum());
    }
  }
  const said = spoken(el, () => model.set("morph", 0.5));
  assert.deepEqual([said, why()], [`${sum().trim()} ${why()}`, "No face was drawn between two: set morph to 0."]);
});

test("a face is chosen by its picture, x by the first row and the second face by the other; all sliders go back to 0 at once", async () => {
  const { el, model } = await view({ morph: 0.5, Smiling: 1 });
  const rows = el.all((one) => one.tag === "fieldset");
  assert.deepEqual(rows.map((row) => row.children[0].textContent), ["The face x", "The second face, for the morph"]);
  const radios = rows.map((row) => row.all((one) => one.attributes?.type === "radio"));
  const marked = () => radios.map((row) => row.map((radio) => Boolean(radio.checked)).indexOf(true));
  assert.deepEqual(marked(), [0, 1]);
  assert.deepEqual(radios[0].map((radio) => radio.attributes["aria-label"]), ["face 0: with blond hair, with long hair", "face 1: smiling, with glasses", "face 2: none of the attributes"]);
  radios[0][2].dispatchEvent(new Event("change"));
  radios[1][0].dispatchEvent(new Event("change"));
  assert.deepEqual([model.get("face"), model.get("other"), ...marked()], [2, 0, 2, 0]);
  for (const row of radios) for (const [i, radio] of row.entries()) same(pixels(radio.parentElement.children[1]), cut(i, 0));
  el.all((one) => one.tag === "button")[0].dispatchEvent(new Event("click"));
  assert.deepEqual([model.get("morph"), ...NAMES.map((name) => model.get(name))], [0, 0, 0, 0, 0, 0, 0, 0]);
});

test("an address can say what the sliders can: alphas from -2 to 2, a morph from face to face, and which faces", () => {
  const reach = limits();
  assert.deepEqual(Object.keys(reach), ["face", "other", "morph", ...NAMES]);
  for (const name of NAMES) assert.deepEqual(reach[name], [-2, 2, 0.1]);
  assert.deepEqual([reach.face, reach.other, reach.morph], [[0, 11, 1], [0, 11, 1], [0, 1, 0.05]]);
});
