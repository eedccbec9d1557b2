// A map of the latent plane: a cloud of codes coloured by digit, an ellipse, and one point that can be dragged.
import { cdf, quantile } from "./normal.js";
import { brush } from "./page.js";

const INK = "#222";
// How much larger the loupe shows the posteriors: their sigma is small beside the plane.
const LOUPE = 10;

/**
 * codes: { z, labels, sigma } with z (N x 2, row by row), a digit for each, and where there are posteriors their sigma like
 * z; they are seen through a loupe, a canvas of its own, ten times larger. box: [low1, high1, low2, high2], what is shown. The map lies on white in light and dark
 * pages alike, for the ten colours are chosen for white. across: [[value, text], …] in place of round numbers.
 */
export class PlaneMap {
  constructor(canvas, { box, colours, across, loupe }) {
    Object.assign(this, { canvas, box, colours, across, loupe, left: 0, uniform: false, codes: null, cloud: null });
    this.context = brush(canvas);
  }

  /** Fit the drawing to the canvas's size on the screen; the cloud is drawn anew. */
  resize() {
    const side = this.canvas.clientWidth;
    if (!side) return;
    this.ratio = globalThis.devicePixelRatio || 1;
    this.side = side;
    // Type grows with the page's, as on a full screen; numbers below 11 pixels nobody reads.
    this.type = Math.max(1, parseFloat(getComputedStyle(this.canvas).fontSize) / 16);
    this.high = this.canvas.clientHeight;
    this.canvas.width = Math.round(side * this.ratio);
    this.canvas.height = Math.round(this.high * this.ratio);
    this.cloud = null;
  }

  /** Show the plane as it is, or each axis through the normal CDF, where N(0, I) fills the unit square evenly. */
  show({ codes = this.codes, uniform = this.uniform }) {
    Object.assign(this, { codes, uniform, cloud: null });
  }

  get limits() {
    return this.uniform ? [0, 1, 0, 1] : this.box;
  }

  /** The map's edges on the canvas, left, right, bottom and top, in CSS pixels; around them are the numbers. */
  get edges() {
    return [Math.max(36 * this.type, this.left), this.side - 6, this.high - 20 * this.type, 6];
  }

  font(pixels) {
    return `${pixels * this.type}px sans-serif`;
  }

  /** Where a latent point lies on the canvas, in CSS pixels. */
  toScreen(z) {
    const [a, b] = this.uniform ? [cdf(z[0]), cdf(z[1])] : z;
    const [low1, high1, low2, high2] = this.limits;
    const [x0, x1, y0, y1] = this.edges;
    return [x0 + ((a - low1) / (high1 - low1)) * (x1 - x0), y0 + ((b - low2) / (high2 - low2)) * (y1 - y0)];
  }

  /** Whether a latent point lies on the map. */
  holds(z) {
    const [low1, high1, low2, high2] = this.box;
    return this.uniform || (z[0] >= low1 && z[0] <= high1 && z[1] >= low2 && z[1] <= high2);
  }

  /** The latent point at a place on the canvas, kept inside the map. */
  toPlane(x, y) {
    const [low1, high1, low2, high2] = this.limits;
    const [x0, x1, y0, y1] = this.edges;
    const [share1, share2] = [within(0, (x - x0) / (x1 - x0), 1), within(0, (y - y0) / (y1 - y0), 1)];
    const z = [low1 + share1 * (high1 - low1), low2 + share2 * (high2 - low2)];
    return this.uniform ? z.map(quantile) : z;
  }

  /** Which code lies under a place on the canvas, or not further away than a pointer is exact; else -1. */
  under(x, y) {
    const { z, labels } = this.codes;
    let [best, distance] = [-1, 8 * this.type];
    for (let i = 0; i < labels.length; i++) {
      const [a, b] = this.toScreen([z[2 * i], z[2 * i + 1]]);
      const d = Math.hypot(a - x, b - y);
      if (d < distance) [best, distance] = [i, d];
    }
    return best;
  }

  /** Draw everything. z: the point, or null for none; ellipse: { mu, sigma } or null. */
  draw(z, ellipse) {
    if (!this.side) this.resize();
    if (!this.side) return;
    this.cloud ??= this.drawCloud();
    const g = this.context;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.drawImage(this.cloud, 0, 0);
    g.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (ellipse) this.drawEllipse(ellipse);
    if (z) this.drawPoint(z);
    if (!this.loupe) return;
    const near = ellipse && !this.uniform && this.holds(z);
    this.loupe.style.visibility = near ? "" : "hidden";
    if (near) this.drawLoupe(z, ellipse);
  }

  drawCloud() {
    // Safari keeps what is not used any more for long, and full screens of it end the page.
    if (this.layer) this.layer.width = 0;
    const layer = (this.layer = document.createElement("canvas"));
    layer.width = this.canvas.width;
    layer.height = this.canvas.height;
    const g = brush(layer);
    g.scale(this.ratio, this.ratio);
    g.fillStyle = "#fff";
    g.fillRect(0, 0, this.side, this.high);
    this.drawAxes(g);
    const [x0, x1, y0, y1] = this.edges;
    g.save();
    g.beginPath();
    g.rect(x0, y1, x1 - x0, y0 - y1);
    g.clip();
    this.drawPrior(g);
    const { z, labels } = this.codes;
    const size = Math.max(1.5, this.side / 130);
    g.globalAlpha = 0.7;
    for (let i = 0; i < labels.length; i++) {
      const [x, y] = this.toScreen([z[2 * i], z[2 * i + 1]]);
      g.fillStyle = this.colours[labels[i]];
      g.fillRect(x - size / 2, y - size / 2, size, size);
    }
    g.restore();
    this.drawNames(g);
    return layer;
  }

  drawAxes(g) {
    const [low1, high1, low2, high2] = this.limits;
    g.font = this.font(11);
    g.fillStyle = INK;
    g.lineWidth = 1;
    const numbers = (low, high, room) => ticks(low, high, room < 220 ? 4 : 6).map((value) => [value, written(value)]);
    const [marks1, marks2] = [this.across ?? numbers(low1, high1, this.side), numbers(low2, high2, this.high)];
    // The longest number finds room; the map begins where it ends.
    this.left = Math.max(...marks2.map(([, text]) => g.measureText(text).width)) + 8;
    const [x0, x1, y0, y1] = this.edges;
    for (const [low, high, along, marks] of [[low1, high1, true, marks1], [low2, high2, false, marks2]]) {
      for (const [value, text] of marks) {
        const share = (value - low) / (high - low);
        const [x, y] = [x0 + share * (x1 - x0), y0 + share * (y1 - y0)];
        g.strokeStyle = value === 0 && !this.uniform ? "#999" : "#e4e4e4";
        g.beginPath();
        g.moveTo(along ? x : x0, along ? y0 : y);
        g.lineTo(along ? x : x1, along ? y1 : y);
        g.stroke();
        g.textAlign = along ? "center" : "right";
        g.textBaseline = along ? "top" : "middle";
        const half = g.measureText(text).width / 2;
        if (along) g.fillText(text, Math.min(x, this.side - half - 1), y0 + 5);
        else g.fillText(text, x0 - 5, within(y1 + 6, y, y0 - 4));
      }
    }
    g.strokeStyle = "#999";
    g.strokeRect(x0, y1, x1 - x0, y0 - y1);
  }

  // Circles of one, two and three standard deviations of N(0, I).
  drawPrior(g) {
    g.strokeStyle = "#555";
    g.setLineDash([4, 3]);
    for (const radius of [1, 2, 3]) this.outline(g, [0, 0], [radius, radius]);
    g.setLineDash([]);
  }

  outline(g, centre, radii) {
    g.beginPath();
    for (let step = 0; step <= 60; step++) {
      const angle = (step / 60) * 2 * Math.PI;
      g.lineTo(...this.toScreen([centre[0] + radii[0] * Math.cos(angle), centre[1] + radii[1] * Math.sin(angle)]));
    }
    g.stroke();
  }

  // Each digit is written at the median of its codes, so that colour is never the only sign.
  drawNames(g) {
    const { z, labels } = this.codes;
    g.font = `bold ${this.font(12)}`;
    g.textAlign = "center";
    g.textBaseline = "middle";
    for (let digit = 0; digit < this.colours.length; digit++) {
      const mine = [...labels.keys()].filter((i) => labels[i] === digit);
      if (!mine.length) continue;
      const middle = [0, 1].map((axis) => median(mine.map((i) => z[2 * i + axis])));
      if (!this.holds(middle)) continue;
      const [x, y] = this.toScreen(middle);
      disc(g, [x, y], 8 * this.type, "#fff", 2, this.colours[digit]);
      g.fillStyle = INK;
      g.fillText(String(digit), x, y + 0.5);
    }
  }

  drawEllipse({ mu, sigma }, scale = 1, g = this.context) {
    for (const [width, colour] of [[4, "#fff"], [2, "#000"]]) {
      g.lineWidth = width / scale;
      g.strokeStyle = colour;
      this.outline(g, mu, sigma);
    }
  }

  // Everything near the point ten times larger, on a canvas of its own, where it hides nothing: the posteriors of the images
  // that lie there, and the nearest one's in black.
  drawLoupe(z, nearest) {
    const side = this.loupe.clientWidth;
    if (!side) return;
    this.loupe.width = this.loupe.height = Math.round(side * this.ratio);
    const g = brush(this.loupe);
    g.scale(this.ratio, this.ratio);
    const [x, y] = this.toScreen(z);
    const [middle, radius] = [[side / 2, side / 2], side / 2 - 1.5];
    g.save();
    disc(g, middle, radius, "#fff", 2, INK);
    g.clip();
    g.translate(...middle);
    g.scale(LOUPE, LOUPE);
    g.translate(-x, -y);
    g.lineWidth = 1.2 / LOUPE;
    const { z: mu, sigma, labels } = this.codes;
    const [[low1, high1, low2, high2], [x0, x1, y0, y1]] = [this.limits, this.edges];
    const [scale1, scale2] = [(x1 - x0) / (high1 - low1), (y0 - y1) / (high2 - low2)];
    for (let i = 0; i < labels.length; i++) {
      const [a, b] = this.toScreen([mu[2 * i], mu[2 * i + 1]]);
      const [across, up] = [sigma[2 * i] * scale1, sigma[2 * i + 1] * scale2];
      // Of some thousand posteriors a few dozen reach into the loupe: while the point moves, each frame draws these alone.
      if (Math.abs(a - x) > across + radius / LOUPE || Math.abs(b - y) > up + radius / LOUPE) continue;
      g.strokeStyle = this.colours[labels[i]];
      g.beginPath();
      g.ellipse(a, b, across, up, 0, 0, 2 * Math.PI);
      g.stroke();
    }
    this.drawEllipse(nearest, LOUPE, g);
    g.restore();
    disc(g, middle, 3.5, "#ffd400", 1.5, "#000");
  }

  // The point is an open ring, for the ellipse is often small enough to lie inside it. Beyond the map's edge it is shown
  // at the edge, faint.
  drawPoint(z) {
    const [place, [x0, x1, y0, y1]] = [this.toScreen(z), this.edges];
    const [x, y] = [within(x0, place[0], x1), within(y1, place[1], y0)];
    const g = this.context;
    g.globalAlpha = this.holds(z) ? 1 : 0.4;
    const radius = this.side < 220 ? 7 : 9;
    for (const [width, colour] of [[7, "#000"], [4, "#ffd400"]]) disc(g, [x, y], radius, "#0000", width, colour);
    g.fillStyle = "#000";
    g.fillRect(x - 1, y - 1, 2, 2);
    g.globalAlpha = 1;
  }
}

const within = (low, value, high) => Math.min(high, Math.max(low, value));

function disc(g, centre, radius, fill, width, stroke) {
  g.beginPath();
  g.arc(...centre, radius, 0, 2 * Math.PI);
  Object.assign(g, { fillStyle: fill, lineWidth: width, strokeStyle: stroke });
  g.fill();
  g.stroke();
}

/** About `count` round numbers between low and high. */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** A number as an axis has it: 10,000; −0.5. Only thousands ask the browser for a language's ways: it reads up on them first. */
export function written(value) {
  const rounded = Number(value.toFixed(4)) || 0;
  return (Math.abs(rounded) < 1000 ? String(rounded) : rounded.toLocaleString("en", { maximumFractionDigits: 4 })).replace("-", "−");
}

export function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}
