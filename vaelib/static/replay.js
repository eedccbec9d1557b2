// Training, replayed: a slider over the steps of two trainings; the cloud of codes forms, and with it the reconstructions.
import { readSafetensors } from "./engine.js";
import { DIGIT, element, fitMaps, inSight, oncePerFrame, paintPicture, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap } from "./plane.js";

// What a reader moves, and how far it goes: see keepState.
export const limits = () => ({ frame: [0, 23, 1] });

// Milliseconds between frames while it plays.
const PAUSE = 400;

export async function mount({ model, el, load, signal }) {
  const { tensors } = readSafetensors(await load("vaelib/replay.safetensors"));
  const steps = tensors.steps.data;
  const panes = ["ae", "vae"].map((kind, i) => makePane(kind, tensors, model.get("boxes")[i], model.get("colours")));
  const note = element("p", { class: "vaelib-sum" });
  const play = element("button", { type: "button" }, "Play");
  el.replaceChildren(
    inSight(sideBySide(...panes.map((pane) => pane.parts))),
    note,
    play,
    element("p", { class: "vaelib-hint" }, "Above five test images, below their reconstructions. Each map keeps its scale, which holds the codes of every step. Dashed: one, two and three standard deviations of N(0, I)."),
  );
  const speak = quietSpeaker(el);

  const frame = () => Math.round(model.get("frame"));
  const update = oncePerFrame(() => {
    const k = frame();
    for (const pane of panes) pane.show(k);
    const losses = panes.map((pane) => `${pane.title} ${pane.loss(k).toFixed(1)}`);
    note.textContent = `After ${steps[k].toLocaleString("en")} steps. Loss on 2,000 test images, in nats: ${losses.join(", ")}.`;
    speak(note.textContent);
  });
  let timer;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    play.textContent = "Play";
  };
  const advance = () => {
    const next = frame() + 1;
    if (next >= steps.length) return stop();
    model.set("frame", next);
    model.save_changes();
  };
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (frame() === steps.length - 1) model.set("frame", -1);
    advance();
    timer = setInterval(advance, PAUSE);
    play.textContent = "Stop";
  });
  signal.addEventListener("abort", stop);
  update();
  model.on("change:frame", update);
  fitMaps(signal, panes.map((pane) => pane.map), update);
}

function makePane(kind, tensors, box, colours) {
  const title = { ae: "Autoencoder", vae: "VAE" }[kind];
  const labels = tensors.labels.data;
  const [codes, pictures, loss] = ["codes", "pictures", "loss"].map((name) => tensors[`${kind}.${name}`]);
  const canvas = element("canvas", { class: "vaelib-map", role: "img", "aria-label": `Map of the codes, ${title}` });
  const map = new PlaneMap(canvas, { box, colours });
  const [, count, height, width] = pictures.shape;
  const size = height * width;
  const row = (data, start) =>
    Array.from({ length: count }, (_, i) => {
      const picture = element("canvas", { class: "vaelib-picture" });
      paintPicture(picture, share(data, start + i * size, size), { ...DIGIT, shape: [1, height, width] });
      return picture;
    });
  const originals = element("div", { class: "vaelib-row", role: "img", "aria-label": "Five test images" }, ...row(tensors.originals.data, 0));
  const made = element("div", { class: "vaelib-row", role: "img", "aria-label": `Their reconstructions, ${title}` });
  return {
    title,
    map,
    parts: [title, canvas, originals, made],
    loss: (k) => loss.data[k],
    show(k) {
      const each = labels.length * 2;
      map.show({ codes: { z: codes.data.subarray(k * each, (k + 1) * each), labels } });
      map.draw(null);
      made.replaceChildren(...row(pictures.data, k * count * size));
    },
  };
}

function share(levels, start, size) {
  return Float32Array.from(levels.subarray(start, start + size), (level) => level / 255);
}
