// Ten test images of MNIST, one of each digit, to choose from.
import { readSafetensors } from "./engine.js";
import { element, paintPicture } from "./page.js";

export const SHAPE = [1, 28, 28];

/** The pictures: pixels(i) in [0, 1], and rows[i], which of the test images it is. */
export async function loadDigits(load) {
  const { metadata, tensors } = readSafetensors(await load("vaelib/digits.safetensors"));
  const size = 28 * 28;
  const pixels = (i) => Float32Array.from(tensors.pixels.data.subarray(i * size, (i + 1) * size), (level) => level / 255);
  return { pixels, rows: metadata.rows };
}

/** Radio buttons with the pictures on them; calls choose(i). Returns their element, and a function that marks one. */
export function digitChoice(digits, legend, choose) {
  const name = `vaelib-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const radios = digits.rows.map((_, i) => {
    const radio = element("input", { type: "radio", name, "aria-label": `a ${i}` });
    radio.addEventListener("change", () => choose(i));
    return radio;
  });
  const labels = radios.map((radio, i) => {
    const picture = element("canvas", { "aria-hidden": "true" });
    paintPicture(picture, digits.pixels(i), SHAPE);
    return element("label", {}, radio, picture);
  });
  const group = element("fieldset", { class: "vaelib-digits" }, element("legend", {}, legend), ...labels);
  const mark = (i) => radios.forEach((radio, k) => (radio.checked = k === i));
  return [group, mark];
}
