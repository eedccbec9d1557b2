// A drawing made into a picture the way MNIST's were: scaled, keeping its proportions, into a box of 20 x 20, and placed in
// a frame of 28 x 28 with its centre of mass in the middle (LeCun, Cortes and Burges describe it on MNIST's page).

const BOX = 20;
const FRAME = 28;

/**
 * The drawing's inked part, scaled so that its longer side is 20: { pixels, width, height }, or null if nothing is drawn.
 * ink: side x side numbers in [0, 1]. Each new pixel is the mean of the area that it covers.
 */
export function fitted(ink, side) {
  let [left, right, top, bottom] = [side, -1, side, -1];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if (ink[y * side + x] < 0.1) continue;
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    }
  }
  if (right < 0) return null;
  // Old pixels in a new one.
  const scale = Math.max(right - left + 1, bottom - top + 1) / BOX;
  const [width, height] = [right - left + 1, bottom - top + 1].map((length) => Math.max(1, Math.round(length / scale)));
  const pixels = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      pixels[y * width + x] = mean(ink, side, left + x * scale, top + y * scale, scale);
    }
  }
  return { pixels, width, height };
}

// The mean over a square; an old pixel at its edge counts by the share of it that lies inside.
function mean(ink, side, x0, y0, size) {
  let [sum, area] = [0, 0];
  for (let y = Math.floor(y0); y < Math.min(side, y0 + size); y++) {
    const high = Math.min(y + 1, y0 + size) - Math.max(y, y0);
    for (let x = Math.floor(x0); x < Math.min(side, x0 + size); x++) {
      const share = high * (Math.min(x + 1, x0 + size) - Math.max(x, x0));
      sum += share * ink[y * side + x];
      area += share;
    }
  }
  return sum / area;
}

/** The 28 x 28 frame with the small picture in it, its centre of mass as near to the middle as whole pixels allow. */
export function centred({ pixels, width, height }) {
  let [mass, sumX, sumY] = [0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const ink = pixels[y * width + x];
      [mass, sumX, sumY] = [mass + ink, sumX + ink * (x + 0.5), sumY + ink * (y + 0.5)];
    }
  }
  const [left, top] = [sumX, sumY].map((sum) => Math.round(FRAME / 2 - sum / mass));
  const frame = new Float32Array(FRAME * FRAME);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, row] = [left + x, top + y];
      // What lies above the frame or below it has no place in the array.
      if (column < 0 || column >= FRAME) continue;
      frame[row * FRAME + column] = pixels[y * width + x];
    }
  }
  return frame;
}
