// z = mu + sigma * epsilon for one image: the sliders move epsilon, the image gives mu and sigma, and z is decoded.
import { digitChoice, loadDigits } from "./digits.js";
import { network, readSafetensors, sigmoid } from "./engine.js";
import { cardOf, DIGIT, element, fitMaps, inSight, makeDraggable, oncePerFrame, paintPicture, pictureFrame, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap } from "./plane.js";

// What a reader moves, and how far it goes: see keepState.
export const limits = () => ({ image: [0, 9, 1], epsilon1: [-3, 3, STEP], epsilon2: [-3, 3, STEP] });

const REACH = 4; // standard deviations that the map shows on each side of mu
const STEP = 0.05; // of the sliders
const MANY = 100; // draws of one button
const PAUSE = 50; // milliseconds between them

export async function mount({ model, el, load, signal }) {
  const name = model.get("name");
  const [decoder, file, digits] = await Promise.all([
    load(`weights/${name}.decoder.safetensors`),
    load(`weights/${name}.codes.safetensors`),
    loadDigits(load),
  ]);
  const decode = network(decoder);
  const { mu, sigma, labels } = readSafetensors(file).tensors;
  const codes = { z: mu.data, labels: labels.data };

  const [choice, mark] = digitChoice(digits, "An image x", (i) => set({ image: i }));
  const canvas = element("canvas", { class: "vaelib-map", "aria-label": "Map around mu: the arrow keys move z" });
  const map = new PlaneMap(canvas, { colours: model.get("colours") });
  const pictures = ["x", "μ decoded", "z decoded"].map(pictureFrame);
  const sums = element("p", { class: "vaelib-sum" });
  const [draw, many, clear] = ["Draw ε from N(0, I)", `${MANY} draws`, "Clear"].map((name) => element("button", { type: "button" }, name));
  const tally = element("p", { class: "vaelib-hint" });
  el.replaceChildren(
    choice,
    inSight(sideBySide(
      ["q(z|x), and z in it", canvas],
      ["Pictures", element("div", { class: "vaelib-column" }, ...pictures.map(([, figure]) => figure))],
    )),
    sums,
    element("div", { class: "vaelib-buttons" }, draw, many, clear),
    tally,
    element("p", { class: "vaelib-hint" }, "Ellipses: one, two and three σ around μ. Blue dots: what was drawn; small squares: μ of other test images. Drag the ring, or move it with the arrow keys."),
  );
  cardOf(map, (z) => sigmoid(decode(z)));
  const speak = quietSpeaker(el);

  const set = (traits) => {
    model.set(traits);
    model.save_changes();
  };
  const posterior = () => {
    const row = digits.rows[model.get("image")];
    return { mu: [mu.data[2 * row], mu.data[2 * row + 1]], sigma: [sigma.data[2 * row], sigma.data[2 * row + 1]] };
  };
  const point = () => {
    const q = posterior();
    return [0, 1].map((k) => q.mu[k] + q.sigma[k] * model.get(`epsilon${k + 1}`));
  };
  const paint = (k, pixels) => paintPicture(pictures[k][0], pixels, DIGIT);

  // Every epsilon that was drawn: of another image it is another z, at the same place in its q.
  let [trail, next, timer] = [[], draws(), null];
  const update = oncePerFrame(() => {
    const q = posterior();
    const z = point();
    map.draw(z, q);
    drawTrail(map, trail.map((epsilon) => epsilon.map((value, k) => q.mu[k] + q.sigma[k] * value)));
    drawSteps(map, q, z);
    paint(2, sigmoid(decode(z)));
    const lines = z.map((value, k) => {
      const terms = [q.mu[k], q.sigma[k], model.get(`epsilon${k + 1}`), value].map((number) => number.toFixed(3).replace("-", "−"));
      return `z${"₁₂"[k]} = μ${"₁₂"[k]} + σ${"₁₂"[k]} ε${"₁₂"[k]} = ${terms[0]} + ${terms[1]} × ${terms[2]} = ${terms[3]}`;
    });
    sums.replaceChildren(lines[0], element("br"), lines[1]);
    tally.textContent = counted(trail);
    clear.disabled = !trail.length;
    speak([...lines, tally.textContent].join("; "));
  });
  const drawOne = () => {
    const [epsilon1, epsilon2] = [next(), next()];
    trail.push([epsilon1, epsilon2]);
    set({ epsilon1, epsilon2 });
    update();
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    many.textContent = `${MANY} draws`;
  };
  const wipe = () => {
    stop();
    [trail, next] = [[], draws()];
    update();
  };
  draw.addEventListener("click", drawOne);
  clear.addEventListener("click", wipe);
  many.addEventListener("click", () => {
    if (timer) return stop();
    let left = MANY;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      while (left--) drawOne();
      return;
    }
    many.textContent = "Stop";
    timer = setInterval(() => {
      drawOne();
      if (--left === 0) stop();
    }, PAUSE);
  });
  el.addEventListener("reset", wipe);
  signal.addEventListener("abort", stop);
  const pick = () => {
    const q = posterior();
    mark(model.get("image"));
    const reach = REACH * Math.max(...q.sigma);
    map.box = q.mu.flatMap((middle) => [middle - reach, middle + reach]);
    map.show({ codes });
    paint(0, digits.pixels(model.get("image")));
    paint(1, sigmoid(decode(q.mu)));
    update();
  };
  makeDraggable(map, point, (z) => {
    const q = posterior();
    const [epsilon1, epsilon2] = z.map((value, k) => {
      const epsilon = Math.max(-3, Math.min(3, (value - q.mu[k]) / q.sigma[k]));
      return Math.round(epsilon / STEP) * STEP;
    });
    set({ epsilon1, epsilon2 });
  }, () => posterior().mu);

  pick();
  model.on("change:epsilon1", update);
  model.on("change:epsilon2", update);
  model.on("change:image", pick);
  fitMaps(signal, [map], update);
}

/** Draws from N(0, 1), the same ones for every reader, kept within the sliders' reach (Box and Muller's method). */
export function draws() {
  let state = 20231;
  // Park and Miller's generator: numbers in (0, 1), even.
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  return () => {
    const draw = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    return Math.max(-3, Math.min(3, Math.round(draw / STEP) * STEP));
  };
}

/** How many draws lie within one and two sigma, beside how many of very many do: 1 - exp(-r^2 / 2) in the plane. */
export function counted(trail) {
  if (!trail.length) return "";
  const within = [1, 2].map((reach) => {
    const count = trail.filter((pair) => Math.hypot(...pair) <= reach).length;
    return `${count} within ${["one", "two"][reach - 1]} σ (of very many, ${(100 * (1 - Math.exp((-reach * reach) / 2))).toFixed(0)} %)`;
  });
  return `Drawn: ${trail.length}; ${within.join(", ")}.`;
}

function drawTrail(map, places) {
  const g = map.context;
  g.fillStyle = "#0072b2";
  g.globalAlpha = 0.5;
  for (const z of places) {
    g.beginPath();
    g.arc(...map.toScreen(z), 2.5 * map.type, 0, 2 * Math.PI);
    g.fill();
  }
  g.globalAlpha = 1;
}

// Two and three sigma, and the step from mu to z.
function drawSteps(map, { mu, sigma }, z) {
  const g = map.context;
  g.lineWidth = 1;
  g.strokeStyle = "#555";
  for (const reach of [2, 3]) map.outline(g, mu, sigma.map((s) => reach * s));
  g.lineWidth = 2;
  g.strokeStyle = g.fillStyle = "#000";
  const [x, y] = map.toScreen(mu);
  g.beginPath();
  g.moveTo(x, y);
  g.lineTo(...map.toScreen(z));
  g.stroke();
  g.beginPath();
  g.arc(x, y, 3, 0, 2 * Math.PI);
  g.fill();
}
