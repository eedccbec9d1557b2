// Attributes of a face turned up and down: z_new = z + alpha * feature_vector, decoded; and beside it, where there is one, the
// truth: the same face drawn with that attribute, or without.
import { WORDS } from "./attributes.js";
import { network, readSafetensors, sigmoid } from "./engine.js";
import { brush, element, inSight, oncePerFrame, paintPicture, pictureChoice, pictureFrame, quietSpeaker } from "./page.js";

const SIDE = 64;
const FACE = { shape: [3, SIDE, SIDE] };
export const layout = ["vaelib-two"]; // columns of sliders
const HINT = "z is x's code μ, α what the slider says, and feature_vector the mean code of faces with the attribute minus that of faces without. Morph takes z on a straight line to the second face's.";

// What a reader moves, and how far it goes: see keepState.
export const limits = () => {
  const alphas = Object.keys(WORDS).map((name) => [name, [-2, 2, 0.1]]);
  return { face: [0, 11, 1], other: [0, 11, 1], morph: [0, 1, 0.05], ...Object.fromEntries(alphas) };
};

/** The code of a face, morphed into another's, plus alpha times the vector of each attribute. */
export function mixed(face, other, morph, alphas, vectors) {
  const z = face.map((value, i) => (1 - morph) * value + morph * other[i]);
  for (const [k, alpha] of alphas.entries()) vectors[k].forEach((step, i) => (z[i] += alpha * step));
  return z;
}

/** Which attribute a slider takes to its other side, where it alone is moved: [attribute], or [-1, why there is none]. */
export function flipped(alphas, morph, has) {
  const moved = [...alphas.keys()].filter((k) => alphas[k] !== 0);
  if (morph) return [-1, "No face was drawn between two: set morph to 0."];
  if (!moved.length) return [-1, "Move one attribute, and the same face drawn with it, or without, is here."];
  if (moved.length > 1) return [-1, `Faces were drawn with one attribute changed, and ${moved.length} are.`];
  const [k] = moved;
  if (alphas[k] > 0 !== Boolean(has[k])) return [k];
  return [-1, `There is no more of it to draw: this is a face ${Object.values(WORDS)[k][has[k]]}.`];
}

export async function mount({ model, el, load, signal }) {
  const [decoder, file] = await Promise.all([
    load(`weights/${model.get("name")}.decoder.safetensors`),
    load("vaelib/mixer.safetensors"),
  ]);
  const decode = network(decoder);
  const { metadata: { names }, tensors } = readSafetensors(file);
  const drawn = await cutSheet(tensors.png.data);
  const [codes, has, vectors] = ["mu", "has", "vectors"].map((name) => rows(tensors[name]));

  const set = (traits) => {
    model.set(traits);
    model.save_changes();
  };
  const people = has.map((mine, i) => {
    const words = names.filter((_, k) => mine[k]).map((name) => WORDS[name][1]);
    return `face ${i}: ${words.join(", ") || "none of the attributes"}`;
  });
  const choice = (trait, legend) => pictureChoice(legend, people, (i) => drawn(i, 0), FACE, (i) => set({ [trait]: i }));
  const [faces, markFace] = choice("face", "The face x");
  const [others, markOther] = choice("other", "The second face, for the morph");
  const titles = ["The new face", "The face x", "x, coded and decoded", "The same face drawn"];
  const [[result, large], [original, first], [decoded, second], [truth, third]] = titles.map(pictureFrame);
  const why = element("p", { class: "vaelib-hint" });
  const sums = element("p", { class: "vaelib-sum" });
  const none = element("button", { type: "button" }, "All sliders to 0");
  none.addEventListener("click", () => set(Object.fromEntries(["morph", ...names].map((name) => [name, 0]))));
  el.replaceChildren(
    element("div", { class: "vaelib-faces" }, inSight(large), element("div", {}, first, second, element("div", {}, third, why), sums)),
    none,
    faces,
    others,
    element("p", { class: "vaelib-hint" }, element("code", {}, "z_new = z + alpha * feature_vector"), `: ${HINT}`),
  );
  const speak = quietSpeaker(el);

  let reconstruction;
  const update = oncePerFrame(() => {
    const [face, other, morph] = ["face", "other", "morph"].map((trait) => model.get(trait));
    const alphas = names.map((name) => model.get(name));
    const picture = sigmoid(decode(mixed(codes[face], codes[other], morph, alphas, vectors)));
    paintPicture(result, picture, FACE);
    const terms = alphas.map((alpha, k) => alpha && ` ${alpha < 0 ? "−" : "+"} ${Math.abs(alpha).toFixed(2)} ${names[k].replace("_", " ").toLowerCase()}`);
    const start = morph ? `${(1 - morph).toFixed(2)} face ${face} + ${morph.toFixed(2)} face ${other}` : `face ${face}`;
    const says = [`Its code: ${start}${terms.filter(Boolean).join("")}.`];
    result.setAttribute("aria-label", `The new face. ${says}`);
    const [k, reason] = flipped(alphas, morph, has[face]);
    third.hidden = k < 0;
    why.textContent = reason ?? "";
    if (k >= 0) {
      const goal = drawn(face, 1 + k);
      paintPicture(truth, goal, FACE);
      truth.nextSibling.textContent = `The same face drawn ${WORDS[names[k]][1 - has[face][k]]}`;
      truth.setAttribute("aria-label", truth.nextSibling.textContent);
      const [now, before] = [picture, reconstruction].map((pixels) => distance(pixels, goal).toFixed(5));
      says.push(`Mean squared difference from the face drawn so: of the new face ${now}, of x decoded ${before}.`);
    }
    sums.replaceChildren(`${says[0]} `, element("br"), says[1] ?? "");
    speak([...says, reason].join(" "));
  });
  const pick = () => {
    const face = model.get("face");
    markFace(face);
    markOther(model.get("other"));
    reconstruction = sigmoid(decode(codes[face]));
    paintPicture(original, drawn(face, 0), FACE);
    paintPicture(decoded, reconstruction, FACE);
    for (const picture of [original, decoded]) picture.setAttribute("aria-label", `${picture.nextSibling.textContent}; ${people[face]}`);
    update();
  };
  pick();
  for (const name of ["morph", ...names]) model.on(`change:${name}`, update);
  for (const name of ["face", "other"]) model.on(`change:${name}`, pick);
}

function rows({ shape: [count, size], data }) {
  return Array.from({ length: count }, (_, i) => data.subarray(i * size, (i + 1) * size));
}

/** The mean over all numbers of the squared difference of two pictures. */
function distance(a, b) {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length;
}

// The sheet has a row for each face: the face, then its counterfactual in each attribute. Gives a function of row and column.
async function cutSheet(png) {
  const sheet = await createImageBitmap(new Blob([png], { type: "image/png" }));
  const canvas = element("canvas", { width: sheet.width, height: sheet.height });
  const context = brush(canvas, { willReadFrequently: true });
  context.drawImage(sheet, 0, 0);
  return (row, column) => {
    const { data } = context.getImageData(column * SIDE, row * SIDE, SIDE, SIDE);
    return Float32Array.from({ length: 3 * SIDE * SIDE }, (_, i) => data[4 * (i % SIDE ** 2) + Math.floor(i / SIDE ** 2)] / 255);
  };
}
