// The latent explorer: models side by side, one point. Each pane shows its model's codes and what it decodes at the point.
import { network, readSafetensors, sigmoid } from "./engine.js";
import { cardOf, DIGIT, element, fitMaps, inSight, makeDraggable, oncePerFrame, pairOf, paintPicture, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap } from "./plane.js";

// What a reader moves, and how far it goes: see keepState.
export const limits = (model) => {
  const far = Math.max(PRIOR[1], ...model.get("panes").flatMap(({ box }) => box.map(Math.abs)));
  const z = [-far, far, STEP];
  return { zoom: [0, 1, 1], cdf: [0, 1, 1], z1: z, z2: z };
};

// The sliders' step.
const STEP = 0.05;
// The same as in vaelib/explorers/widgets.py.
const PRIOR = [-4, 4, -4, 4];
const HINTS = [
  "Drag the yellow ring, or move it with the arrow keys (Shift: larger steps, Home: the origin).",
  "Dashed: one, two and three standard deviations of N(0, I).",
  "In the round loupe, ten times larger: one standard deviation of the posteriors near the point, the nearest image's in black.",
];

export async function mount({ model, el, load, signal }) {
  const panes = await Promise.all(model.get("panes").map((pane) => makePane(pane, model.get("colours"), load)));
  const [through, throughLabel] = checkbox("Through the normal CDF, where N(0, I) would fill the square evenly");
  const [zoom, zoomLabel] = checkbox("All at the scale of N(0, I), −4 to 4");
  el.replaceChildren(
    inSight(sideBySide(...panes.map((pane) => pane.parts))),
    zoomLabel,
    throughLabel,
    element("p", { class: "vaelib-hint" }, HINTS.slice(0, panes.some((pane) => pane.means.sigma) ? 3 : 2).join(" ")),
  );
  const speak = quietSpeaker(el);

  const point = () => [model.get("z1"), model.get("z2")];
  const set = (traits) => {
    model.set(traits);
    model.save_changes();
  };
  const update = oncePerFrame(() => {
    const sentences = panes.map((pane) => pane.update(point()));
    speak(`z1 = ${point()[0].toFixed(2)}, z2 = ${point()[1].toFixed(2)}. ${sentences.join(" ")}`);
  });
  const moveTo = (z) => {
    const [z1, z2] = z.map((value) => Math.round(value / STEP) * STEP);
    set({ z1, z2 });
  };
  const choose = () => {
    through.checked = model.get("cdf");
    zoom.checked = model.get("zoom");
    for (const pane of panes) {
      pane.map.box = zoom.checked ? PRIOR : pane.box;
      pane.map.show({ uniform: through.checked, codes: through.checked ? pane.samples : pane.means });
    }
    update();
  };
  // The sliders reach as far as the maps; first the point has to be there.
  const reach = () => {
    const corners = model.get("zoom") ? PRIOR : panes.flatMap((pane) => pane.box);
    const [low, high] = [Math.min(...corners), Math.max(...corners)];
    const [z1, z2] = point().map((value) => Math.min(high, Math.max(low, value)));
    // Once more behind the limits: the old ones may have held it back.
    for (const traits of [{ z1, z2 }, { low, high }, { z1, z2 }]) set(traits);
    choose();
  };
  for (const [box, trait] of [[through, "cdf"], [zoom, "zoom"]]) {
    box.addEventListener("change", () => set({ [trait]: box.checked }));
  }
  for (const pane of panes) {
    makeDraggable(pane.map, point, moveTo, () => [0, 0]);
    cardOf(pane.map, pane.decode);
  }

  reach();
  model.on("change:z1", update);
  model.on("change:z2", update);
  model.on("change:cdf", choose);
  model.on("change:zoom", reach);
  fitMaps(signal, panes.map((pane) => pane.map), update);
}

async function makePane({ name, title, box }, colours, load) {
  const [decoder, file] = await Promise.all(
    ["decoder", "codes"].map((part) => load(`weights/${name}.${part}.safetensors`)),
  );
  const decode = network(decoder);
  const { mu, z, sigma, labels } = readSafetensors(file).tensors;
  const canvas = element("canvas", { class: "vaelib-map", "aria-label": `Map of the codes, ${title}: the arrow keys move the point` });
  const picture = element("canvas", { class: "vaelib-picture", role: "img" });
  const loupe = sigma && element("canvas", { class: "vaelib-loupe", role: "img", "aria-label": "Posteriors near the point, ten times larger" });
  const note = element("p", { class: "vaelib-note" });
  const map = new PlaneMap(canvas, { box, colours, loupe });

  function update(point) {
    const pixels = sigmoid(decode(point));
    paintPicture(picture, pixels, DIGIT);
    const i = nearest(mu.data, point);
    const at = (tensor) => [tensor.data[2 * i], tensor.data[2 * i + 1]];
    const spread = sigma ? at(sigma) : null;
    map.draw(point, spread && { mu: at(mu), sigma: spread });
    const about = spread ? `σ = ${pairOf(spread)}` : "a point, without σ";
    note.textContent = `Nearest test image: a ${labels.data[i]}, at ${pairOf(at(mu))}; ${about}`;
    picture.setAttribute("aria-label", `${title}: decoded picture, near a ${labels.data[i]}`);
    return `${title}: near a ${labels.data[i]}.`;
  }
  return {
    decode: (z) => sigmoid(decode(z)),
    parts: [title, canvas, element("div", { class: "vaelib-beside" }, picture, ...(loupe ? [loupe] : [])), note],
    map,
    box,
    update,
    means: { z: mu.data, labels: labels.data, sigma: sigma?.data },
    samples: { z: z.data, labels: labels.data },
  };
}

function checkbox(text) {
  const box = element("input", { type: "checkbox" });
  return [box, element("label", { class: "vaelib-choice" }, box, ` ${text}`)];
}

function nearest(mu, [z1, z2]) {
  let best, distance = Infinity;
  for (let i = 0; i < mu.length / 2; i++) {
    const d = (mu[2 * i] - z1) ** 2 + (mu[2 * i + 1] - z2) ** 2;
    if (d < distance) [best, distance] = [i, d];
  }
  return best;
}
