// The exact posterior of one image, drawn or chosen, under a VAE with two latents: where the encoder's q lies in it, what the ELBO lacks to
// log p(x), and how the bound closes on it with more draws. The mathematics is in evidence.js.
import { digitChoice, loadDigits } from "./digits.js";
import { network, posterior, readSafetensors } from "./engine.js";
import { boundsOf, coarsePlane, exactPosterior, weighed } from "./evidence.js";
import { drawingPad } from "./pad.js";
import { element, fitMaps, inSight, oncePerFrame, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap, written } from "./plane.js";
import { newest } from "./slices.js";

// What a reader moves, and how far it goes: see keepState.
export const limits = () => ({ digit: [0, 9, 1], position: [0, DRAWS.length - 1, 1] });

const INK = "#222";
const ORANGE = [213, 94, 0];
const BLUE = "#0072b2";
// The map holds the encoder's ellipse, and each cell of the posterior within so many nats of the highest.
const SHOWN = 9;
// k, as the slider has it; the same as in vaelib/explorers/posterior.py.
const DRAWS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

export async function mount({ model, el, load, signal }) {
  const name = model.get("name");
  const [encoder, decoder, digits] = await Promise.all([
    ...["encoder", "decoder"].map((part) => load(`weights/${name}.${part}.safetensors`)),
    loadDigits(load),
  ]);
  const [encode, decode] = [network(encoder, [1, 28, 28]), network(decoder)];
  const [choice, mark] = digitChoice(digits, "or choose a test image", (i) => {
    if (model.get("digit") === i) return choose();
    model.set("digit", i);
    model.save_changes();
  });
  let x;
  // An empty square is an image as well.
  const { pad, undo, wipe, show } = drawingPad((pixels) => {
    mark(-1);
    x = pixels ?? new Float32Array(28 * 28);
    find();
  });
  const make = (kind, label, across) => {
    const canvas = element("canvas", { class: kind, role: "img", "aria-label": label });
    return Object.assign(new PlaneMap(canvas, { colours: [], across }), { codes: { z: [], labels: [] } });
  };
  const map = make("vaelib-map vaelib-plot", "The exact posterior, the encoder's ellipse and its draws");
  const curve = make("vaelib-map vaelib-plot", "The bound over the number of draws, below log p(x)", [1, 10, 100, 1000].map((k) => [Math.log10(k), written(k)]));
  const sums = element("p", { class: "vaelib-sum" });
  const panes = sideBySide(["Draw an image x", pad, undo, " ", wipe], ["p(z|x) and q(z|x)", map.canvas], ["What the bound lacks", curve.canvas]);
  panes.classList.add("vaelib-large");
  el.classList.add("vaelib-wide");
  inSight(panes.children[1]);
  let speak = () => {};

  let found = null;
  const update = oncePerFrame(() => {
    if (!found) return;
    const at = model.get("position");
    drawPlane(map, found, DRAWS[at]);
    drawCurve(curve, found, DRAWS, at);
    const nats = (value) => value.toFixed(2).replace("-", "−");
    const k = DRAWS[at];
    const terms = [`log p(x) = ${nats(found.logEvidence)}`, `ELBO = ${nats(found.bounds[0])}`, `gap = ${nats(found.logEvidence - found.bounds[0])} nats`];
    sums.textContent = `${terms.join("; ")}. With k = ${written(k)}: ${nats(found.logEvidence - found.bounds[at])} nats are left.`;
    speak(sums.textContent);
  });
  let plane;
  const find = newest(el, signal, async (stopped) => {
    plane ??= await coarsePlane(decode, signal);
    const q = posterior(encode(x));
    const exact = await exactPosterior(decode, plane, x, stopped);
    const bounds = await boundsOf(await weighed(decode, x, q, stopped), DRAWS, stopped);
    found = { q, ...exact, ...bounds };
    update();
  });
  const choose = () => {
    const i = model.get("digit");
    x = digits.pixels(i);
    show(x);
    mark(i);
    return find();
  };
  await choose();
  el.replaceChildren(
    panes,
    sums,
    choice,
    element("p", { class: "vaelib-hint" }, "Orange: the exact posterior p(z|x), summed over the plane. Ellipses: one and two σ of the encoder's q(z|x); dots: k draws from it. Right: nats below log p(x), over k = 1 to 1,000."),
  );
  speak = quietSpeaker(el);
  model.on("change:digit", choose);
  el.addEventListener("reset", choose);
  model.on("change:position", update);
  fitMaps(signal, [map, curve], update);
}

function drawPlane(map, { cells, q, draws }, k) {
  const top = cells.reduce((most, { log }) => Math.max(most, log), -Infinity);
  const seen = cells.filter(({ log }) => log > top - SHOWN);
  const ends = [0, 1].map((axis) => {
    const places = [...seen.map(({ z }) => z[axis]), q.mu[axis] - 4 * q.sigma[axis], q.mu[axis] + 4 * q.sigma[axis]];
    return [Math.min(...places), Math.max(...places)];
  });
  const half = (1.1 * Math.max(...ends.map(([low, high]) => high - low))) / 2;
  map.box = ends.flatMap(([low, high]) => [(low + high) / 2 - half, (low + high) / 2 + half]);
  map.cloud = null;
  map.drawPrior = (g) => {
    for (const { z, size, log } of seen) {
      // To whole pixels of the screen, so that between neighbours there is neither a gap nor a seam.
      const ends = [-0.5, 0.5].map((side) => map.toScreen(z.map((value) => value + side * size)));
      const [[x0, y1], [x1, y0]] = ends.map((place) => place.map((pixels) => Math.round(map.ratio * pixels) / map.ratio));
      g.fillStyle = `rgba(${ORANGE.join(", ")}, ${Math.exp(log - top)})`;
      g.fillRect(x0, y0, x1 - x0, y1 - y0);
    }
    g.fillStyle = BLUE;
    for (const z of draws.slice(0, k)) g.fillRect(...map.toScreen(z).map((place) => place - 1.5), 3, 3);
    g.strokeStyle = INK;
    for (const reach of [1, 2]) map.outline(g, q.mu, q.sigma.map((s) => reach * s));
  };
  map.draw(null);
}

function drawCurve(map, { logEvidence, bounds }, ks, at) {
  const left = bounds.map((bound) => logEvidence - bound);
  const top = 1.1 * left[0];
  map.box = [0, 3, -top, top / 12];
  map.cloud = null;
  map.drawPrior = (g) => {
    const places = ks.map((k, i) => map.toScreen([Math.log10(k), -left[i]]));
    const line = [0, 3].map((z) => map.toScreen([z, 0]));
    g.fillStyle = `rgba(${ORANGE.join(", ")}, 0.25)`;
    g.beginPath();
    for (const place of [...places, line[1], line[0]]) g.lineTo(...place);
    g.fill();
    for (const [colour, points] of [[INK, line], [BLUE, places], [INK, [places[at], map.toScreen([Math.log10(ks[at]), 0])]]]) {
      g.strokeStyle = colour;
      g.lineWidth = 2;
      g.beginPath();
      for (const place of points) g.lineTo(...place);
      g.stroke();
    }
    g.fillStyle = INK;
    g.beginPath();
    g.arc(...places[at], 5, 0, 2 * Math.PI);
    g.fill();
    g.font = map.font(12);
    g.textAlign = "right";
    g.fillText("log p(x)", line[1][0] - 4, line[1][1] - 6);
    g.fillText("bound; k draws across", line[1][0] - 4, map.edges[2] - 8);
  };
  map.draw(null);
}
