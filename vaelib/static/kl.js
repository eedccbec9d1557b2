// The KL of one latent from N(0, 1): what is integrated, and where the gradient pushes. Derived in chapter 5.
import { element, fitMaps, inSight, makeDraggable, oncePerFrame, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap } from "./plane.js";

// What a reader moves, and how far it goes: see keepState.
export const limits = (model) => {
  const [low1, high1, low2, high2] = model.get("box");
  return { mu: [low1, high1, 0.05], log_var: [low2, high2, 0.05] };
};

// Of the curves, whatever q is: low and high across, low and high up; the integrand is never below -p/e.
const AXES = [-7, 7, -0.2, 1.4];

/** KL(N(mu, exp(logVar)) || N(0, 1)) in nats, and its gradient by [mu, logVar]. */
export function divergence([mu, logVar]) {
  const variance = Math.exp(logVar);
  return [-0.5 * (1 + logVar - mu ** 2 - variance), [mu, (variance - 1) / 2]];
}

/** [p, q, q log(q / p)] at z. */
export function densities(z, [mu, logVar]) {
  const log = (m, l) => -((z - m) ** 2 / Math.exp(l) + l + Math.log(2 * Math.PI)) / 2;
  const [p, q] = [log(0, 0), log(mu, logVar)];
  return [Math.exp(p), Math.exp(q), Math.exp(q) * (q - p)];
}

export async function mount({ model, el, signal }) {
  const make = (kind, label, box) => {
    const canvas = element("canvas", { class: kind, "aria-label": label });
    const map = new PlaneMap(canvas, { box, colours: [] });
    return Object.assign(map, { codes: { z: [], labels: [] } });
  };
  const curves = make("vaelib-map vaelib-plot", "Densities p and q, and the integrand q log(q/p), shaded", AXES);
  const bowl = make("vaelib-map", "The cost: the arrow keys move μ and log σ²", model.get("box"));
  curves.canvas.setAttribute("role", "img");
  bowl.drawPrior = drawContours;
  const sums = element("p", { class: "vaelib-sum" });
  const hint = "Curves: black q, dashed p; the KL is the orange area less the blue, and the axes stay. Map: μ across, log σ² up, on each contour its nats; the arrow is minus the gradient, at most 2 long. Drag the ring, or use the arrow keys.";
  const panes = sideBySide(["What is integrated", curves.canvas], ["The cost, and downhill", bowl.canvas]);
  panes.classList.add("vaelib-large");
  inSight(panes.firstChild);
  el.replaceChildren(panes, sums, element("p", { class: "vaelib-hint" }, hint));
  const speak = quietSpeaker(el);

  const point = () => [model.get("mu"), model.get("log_var")];
  const update = oncePerFrame(() => {
    const at = point();
    const [nats, gradient] = divergence(at);
    drawIntegrand(curves, at, model.get("colours"));
    bowl.draw(at);
    drawArrow(bowl, at, gradient);
    const [kl, sigma, ...slopes] = [nats, Math.exp(at[1] / 2), ...gradient].map(show);
    sums.textContent = `KL = ${kl} nats; σ = ${sigma}; ∂KL/∂μ = ${slopes[0]}; ∂KL/∂log σ² = ${slopes[1]}`;
    speak(sums.textContent);
  });
  const moveTo = (z) => {
    const [mu, log_var] = z.map((value) => Math.round(value * 20) / 20); // the sliders' step
    model.set({ mu, log_var });
    model.save_changes();
  };
  makeDraggable(bowl, point, moveTo, () => [0, 0]);
  update();
  for (const name of ["mu", "log_var"]) model.on(`change:${name}`, update);
  fitMaps(signal, [curves, bowl], update);
}

const show = (number) => (number + 1e-9).toFixed(3).replace("-", "−");

/** How much of q's KL lies on the axes of the curves, in nats: what is beyond their ends, or above them, is cut off. */
export function onTheAxes(q) {
  const [low, high, , top] = AXES;
  const step = (high - low) / 4000;
  let sum = 0;
  for (let i = 0; i < 4000; i++) sum += Math.min(top, densities(low + (i + 0.5) * step, q)[2]) * step;
  return sum;
}

function drawIntegrand(map, q, colours) {
  const [low, high] = AXES;
  const rows = Array.from({ length: 1201 }, (_, i) => low + (i / 1200) * (high - low)).map((z) => [z, ...densities(z, q)]);
  map.cloud = null;
  map.drawPrior = (g) => {
    for (const [k, limit] of [Math.max, Math.min].entries()) {
      g.fillStyle = colours[k];
      path(map, g, [[low, 0], ...rows.map((row) => [row[0], limit(0, row[3])]), [high, 0]]);
      g.fill();
    }
    for (const k of [1, 2]) {
      g.setLineDash(k === 1 ? [4, 3] : []);
      path(map, g, rows.map((row) => [row[0], row[k]]));
      g.stroke();
    }
    const [seen, all] = [onTheAxes(q), divergence(q)[0]];
    if (Math.abs(all - seen) < 0.01 * all + 0.005) return;
    g.fillStyle = "#222";
    g.font = map.font(12);
    g.textAlign = "right";
    g.fillText(`in sight: ${show(seen)} of ${show(all)} nats`, map.edges[1] - 6, map.edges[3] + 16 * map.type);
  };
  map.draw();
}

/** The contour of so many nats, [mu, log_var] all around: mu^2 = 2 nats - (exp(l) - 1 - l), with l for log_var. */
export function contour(nats) {
  const right = [];
  for (let l = -7; l < 3.1; l += 0.01) {
    const square = 2 * nats - Math.exp(l) + 1 + l;
    if (square >= 0) right.push([Math.sqrt(square), l]);
  }
  return [...right, ...right.map(([mu, l]) => [-mu, l]).reverse(), right[0]];
}

// Each has its number on it, at its upper left, where they are far enough apart, and inside the map.
function drawContours(g) {
  g.font = this.font(11);
  g.textAlign = "center";
  g.textBaseline = "middle";
  for (const nats of [0.1, 0.5, 1, 2, 4, 8]) {
    const places = contour(nats);
    path(this, g, places);
    g.lineWidth = 1;
    g.stroke();
    const aside = Math.min(2.4, 0.75 * Math.sqrt(2 * nats));
    const [x, y] = this.toScreen(places.find(([mu]) => mu <= -aside));
    g.strokeStyle = "#fff";
    g.lineWidth = 5;
    g.strokeText(String(nats), x, y);
    g.fillStyle = "#222";
    g.fillText(String(nats), x, y);
  }
}

function drawArrow(map, from, gradient) {
  const share = Math.min(1, 2 / (Math.hypot(...gradient) + 1e-9));
  const to = from.map((value, k) => value - share * gradient[k]);
  const [[x0, y0], [x1, y1]] = [from, to].map((z) => map.toScreen(z));
  const turn = Math.atan2(y1 - y0, x1 - x0);
  const g = map.context;
  g.lineWidth = 2.5;
  path(map, g, [from, to]);
  for (const side of [-2.6, 2.6]) {
    g.moveTo(x1, y1);
    g.lineTo(x1 + 9 * Math.cos(turn + side), y1 + 9 * Math.sin(turn + side));
  }
  g.stroke();
}

function path(map, g, points) {
  g.strokeStyle = "#222";
  g.beginPath();
  for (const z of points) g.lineTo(...map.toScreen(z));
}
