// Noise on its way to codes, by the flow of chapter 12, and the face that one of a hundred draws becomes.
import { WORDS } from "./attributes.js";
import { dense, network, readSafetensors, sigmoid } from "./engine.js";
import { element, fitMaps, inSight, oncePerFrame, paintPicture, pictureFrame, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap } from "./plane.js";
import { newest, slowly } from "./slices.js";

const FACE = { shape: [3, 64, 64] };
const BLUE = "#0072b2";
const HERD = 4; // draws that are carried together; the engine's product takes four rows at once
const SINES = 8;

// What a reader moves, and how far it goes: see keepState.
export const limits = () => ({
  time: [0, 1, 0.02],
  steps: [1, 50, 1],
  draw: [0, 99, 1],
  ...Object.fromEntries(Object.keys(WORDS).map((name) => [name, [-1, 1, 1]])),
});

/** A flow's file, as vaelib/flow.py has it: the latents that it knows, and velocity(x, t, told) of N points x at one time. */
export function flowIn(buffer) {
  const { metadata, tensors } = readSafetensors(buffer);
  const { active, depth } = metadata.recipe.flow;
  const parts = (name) => [tensors[`${name}.weight`], tensors[`${name}.bias`]];
  const velocity = (x, t, told) => {
    const count = x.length / active.length;
    const angles = Array.from({ length: SINES }, (_, i) => Math.PI * t * (i + 1));
    const known = [...angles.map(Math.sin), ...angles.map(Math.cos), ...told];
    const rows = Array.from({ length: count }, (_, n) => [...x.subarray(n * active.length, (n + 1) * active.length), ...known]);
    const h = dense(Float32Array.from(rows.flat()), count, ...parts("first"));
    for (let d = 0; d < depth; d++) {
      const inner = normed(h, count, ...parts(`norms.${d}`)).map((a) => a / (1 + Math.exp(-a)));
      const more = dense(inner, count, ...parts(`hidden.${d}`));
      for (let i = 0; i < h.length; i++) h[i] += more[i];
    }
    return dense(h, count, ...parts("last"));
  };
  return { active, velocity };
}

/** Layer norm: each of N rows less its mean, by its standard deviation, times weight, plus bias. */
function normed(h, count, weight, bias) {
  const width = h.length / count;
  const y = new Float32Array(h.length);
  for (let from = 0; from < h.length; from += width) {
    const row = h.subarray(from, from + width);
    const mean = row.reduce((sum, a) => sum + a, 0) / width;
    const variance = row.reduce((sum, a) => sum + (a - mean) ** 2, 0) / width;
    for (let i = 0; i < width; i++) y[from + i] = ((row[i] - mean) / Math.sqrt(variance + 1e-5)) * weight.data[i] + bias.data[i];
  }
  return y;
}

/** Points after a midpoint step of length h: with the velocity halfway, reached at that of the start. */
export function midpoint(velocity, x, t, h) {
  const start = velocity(x, t);
  const halfway = velocity(x.map((a, i) => a + (h / 2) * start[i]), t + h / 2);
  return x.map((a, i) => a + h * halfway[i]);
}

/** Where a way of [point after 0 steps, after 1, …] is at a time in [0, 1]: steps are straight. */
export function placeAt(way, time) {
  const at = time * (way.length - 1);
  const i = Math.min(Math.floor(at), way.length - 2);
  return way[i].map((a, k) => a + (at - i) * (way[i + 1][k] - a));
}

const distance = (a, b) => Math.hypot(...a.map((value, k) => value - b[k]));

/** How many times as long a way is as the straight line between its ends. */
export function detour(way) {
  const long = way.slice(1).reduce((sum, point, i) => sum + distance(point, way[i]), 0);
  return long / distance(way[0], way.at(-1)) || 1; // not walked yet
}

export async function mount({ model, el, load, signal }) {
  const [file, decoder, drawn] = await Promise.all([
    load(`weights/${model.get("flow")}.safetensors`),
    load(`weights/${model.get("name")}.decoder.safetensors`),
    load("vaelib/flow.safetensors"),
  ]);
  const decode = network(decoder);
  const { active, velocity } = flowIn(file);
  const { noise, codes, latents } = readSafetensors(drawn).tensors;
  const [count, size] = noise.shape;
  const shown = [...latents.data].map((latent) => active.indexOf(latent));
  const starts = Array.from({ length: count }, (_, i) => noise.data.subarray(i * size, (i + 1) * size));

  const set = (traits) => {
    model.set(traits);
    model.save_changes();
  };
  const canvas = element("canvas", { class: "vaelib-map", role: "img", "aria-label": "A hundred draws on two latents, over the codes of held-out faces" });
  const map = new PlaneMap(canvas, { box: model.get("box"), colours: ["#999"] });
  Object.assign(map, { codes: { z: codes.data, labels: new Uint8Array(codes.shape[0]) }, drawNames() {} });
  const [picture] = pictureFrame("The face");
  const sums = element("p", { class: "vaelib-sum" });
  const switches = Object.entries(WORDS).map(([name, [without, having]]) => {
    const label = name.replace("_", " ").toLowerCase();
    const select = element("select", { "aria-label": `Told of ${label}` });
    for (const [value, text] of [[0, `${label}: not told`], [1, having], [-1, without]]) select.append(element("option", { value }, text));
    select.addEventListener("change", () => set({ [name]: Number(select.value) }));
    return [name, select];
  });
  el.replaceChildren(
    inSight(sideBySide(["Noise, on its way", canvas], ["The ring, decoded", picture])),
    sums,
    element("div", { class: "vaelib-buttons vaelib-told", role: "group", "aria-label": "What the flow is told" }, ...switches.map(([, select]) => select)),
    element("p", { class: "vaelib-hint" }, "Blue: a hundred draws of noise, at time t. Grey: the codes of held-out faces. The line is the whole way of the ringed draw; tap another to see its face."),
  );
  picture.parentElement.classList.add("vaelib-face");
  const speak = quietSpeaker(el);

  const ways = starts.map(([...z]) => Array(2).fill(Float32Array.from(active, (latent) => z[latent])));
  // Google Colab's sliders may give 5.000000000000001.
  const whole = (trait) => Math.round(model.get(trait));
  const onMap = (point) => shown.map((k) => point[k]);
  const drawMap = oncePerFrame(() => {
    const [time, way] = [model.get("time"), ways[whole("draw")]];
    map.draw(null);
    drawCloud(map, ways.map((one) => onMap(placeAt(one, time))), way.map(onMap));
    map.drawPoint(onMap(placeAt(way, time)));
  });
  const drawFace = oncePerFrame(() => {
    const [time, steps, draw] = [model.get("time"), whole("steps"), whole("draw")];
    const z = Float32Array.from(starts[draw]);
    placeAt(ways[draw], time).forEach((value, k) => (z[active[k]] = value));
    paintPicture(picture, sigmoid(decode(z)), FACE);
    const told = switches.flatMap(([name]) => (model.get(name) ? WORDS[name][(model.get(name) + 1) / 2] : []));
    const says = `t = ${time.toFixed(2)}, ${steps} midpoint step${steps === 1 ? "" : "s"}. Told: ${told.join(", ") || "nothing"}. This way is ${detour(ways[draw]).toFixed(2)} times as long as a straight line.`;
    sums.textContent = says;
    picture.setAttribute("aria-label", `The face of draw ${draw}. ${says}`);
    speak(says);
  });
  const update = () => {
    drawMap();
    drawFace();
  };

  // The ringed draw first, then the others, each with those that the engine takes in its stride.
  const carry = newest(el, signal, async (stopped) => {
    for (const [name, select] of switches) select.value = model.get(name);
    const [steps, K] = [whole("steps"), active.length];
    const herdOf = (draw) => Math.floor(draw / HERD);
    const first = herdOf(whole("draw"));
    const told = switches.map(([name]) => model.get(name));
    const herds = [...Array(Math.ceil(count / HERD)).keys()].sort((a, b) => (b === first) - (a === first));
    const moves = herds.flatMap((herd) => Array.from({ length: steps }, (_, step) => ({ herd, step })));
    let points;
    await slowly(moves, ({ herd, step }) => {
      const members = starts.slice(herd * HERD, (herd + 1) * HERD);
      if (step === 0) points = [Float32Array.from(members.flatMap((start) => active.map((latent) => start[latent])))];
      points.push(midpoint((z, t) => velocity(z, t, told), points.at(-1), step / steps, 1 / steps));
      if (step < steps - 1) return;
      members.forEach((_, k) => (ways[herd * HERD + k] = points.map((all) => all.subarray(k * K, (k + 1) * K))));
      drawMap();
      if (herd === herdOf(whole("draw"))) drawFace();
    }, stopped);
  });

  canvas.addEventListener("click", (event) => {
    const far = ways.map((way) => distance(map.toScreen(onMap(placeAt(way, model.get("time")))), [event.offsetX, event.offsetY]));
    set({ draw: far.indexOf(Math.min(...far)) });
  });
  for (const name of ["time", "draw"]) model.on(`change:${name}`, update);
  for (const name of ["steps", ...Object.keys(WORDS)]) model.on(`change:${name}`, carry);
  fitMaps(signal, [map], drawMap);
  update();
  carry();
}

function drawCloud(map, places, way) {
  const g = map.context;
  g.fillStyle = BLUE;
  const size = Math.max(4, map.side / 60);
  for (const [x, y] of places.filter((z) => map.holds(z)).map((z) => map.toScreen(z))) g.fillRect(x - size / 2, y - size / 2, size, size);
  g.strokeStyle = "#222";
  g.lineWidth = 1.5;
  g.beginPath();
  for (const z of way) g.lineTo(...map.toScreen(z));
  g.stroke();
}
