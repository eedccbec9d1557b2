// Ten test images of MNIST, one of each digit, to choose from.
import { readSafetensors } from "./engine.js";
import { DIGIT, pictureChoice } from "./page.js";

/** The pictures: pixels(i) in [0, 1], and rows[i], which of the test images it is. */
export async function loadDigits(load) {
  const { metadata, tensors } = readSafetensors(await load("vaelib/digits.safetensors"));
  const size = 28 * 28;
  const pixels = (i) => Float32Array.from(tensors.pixels.data.subarray(i * size, (i + 1) * size), (level) => level / 255);
  return { pixels, rows: metadata.rows };
}

/** Radio buttons with the digits on them; see pictureChoice. */
export function digitChoice({ rows, pixels }, legend, choose) {
  const names = rows.map((_, digit) => `a ${digit}`);
  return pictureChoice(legend, names, pixels, DIGIT, choose);
}
