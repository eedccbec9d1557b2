// Training, replayed: a curve of the loss to go along; the cloud of codes forms, and with it the reconstructions.
import { readSafetensors } from "./engine.js";
import { DIGIT, element, fitMaps, inSight, makeDraggable, oncePerFrame, paintPicture, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap } from "./plane.js";

// What a reader moves, and how far it goes: see keepState.
export const limits = () => ({ frame: [0, 23, 1] });

// Milliseconds from one recorded step to the next while it plays.
const PAUSE = 400;
const COLOURS = { ae: "#d55e00", vae: "#0072b2" };

/** What was recorded, frame after frame of `each` numbers, at `moment`: between two frames on the straight line. */
export function between(recorded, each, moment) {
  const k = Math.floor(moment);
  const here = recorded.subarray(k * each, (k + 1) * each);
  if (moment === k) return here;
  return here.map((value, i) => value + (moment - k) * (recorded[(k + 1) * each + i] - value));
}

export async function mount({ model, el, load, signal }) {
  const { tensors } = readSafetensors(await load("vaelib/replay.safetensors"));
  const steps = tensors.steps.data;
  const last = steps.length - 1;
  const panes = ["ae", "vae"].map((kind, i) => makePane(kind, tensors, model.get("boxes")[i], model.get("colours")));
  const curve = makeCurve(panes, steps);
  const note = element("p", { class: "vaelib-sum" });
  const play = element("button", { type: "button" }, "Play");
  el.replaceChildren(
    inSight(sideBySide(...panes.map((pane) => pane.parts))),
    note,
    curve.canvas,
    play,
    element("p", { class: "vaelib-hint" }, "Above five test images, below their reconstructions. Drag the yellow ring along the loss. Between two recorded steps codes are drawn on the straight line; pictures are of the nearer one. Each map keeps its scale, which holds the codes of every step. Dashed: one, two and three standard deviations of N(0, I)."),
  );
  const speak = quietSpeaker(el);

  // The trait is a recorded step, and what is shown may lie between two.
  const frame = () => Math.round(model.get("frame"));
  let moment = frame();
  const update = oncePerFrame(() => {
    const k = Math.round(moment);
    for (const pane of panes) pane.show(moment);
    curve.draw([moment, panes[1].loss(moment)]);
    const losses = panes.map((pane) => `${pane.title} ${pane.loss(k).toFixed(1)}`);
    note.textContent = `After ${steps[k].toLocaleString("en")} steps. Loss on 2,000 test images, in nats: ${losses.join(", ")}.`;
    speak(note.textContent);
  });
  const go = (to) => {
    moment = Math.min(last, Math.max(0, to));
    if (Math.round(moment) !== frame()) {
      model.set("frame", Math.round(moment));
      model.save_changes();
    }
    update();
  };
  const heard = () => {
    if (Math.round(moment) !== frame()) moment = frame();
    update();
  };
  let stop = null;
  // Without motion, where a reader wants less of it: from recorded step to recorded step.
  function start() {
    const whole = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (moment === last) go(0);
    let before = null;
    const step = (now) => {
      const passed = before === null ? 0 : (now - before) / PAUSE;
      if (!whole || passed >= 1 || before === null) {
        go(whole ? Math.round(moment) + Math.floor(passed) : moment + passed);
        before = now;
      }
      if (moment >= last) return stop();
      waiting = requestAnimationFrame(step);
    };
    let waiting = requestAnimationFrame(step);
    play.textContent = "Stop";
    stop = () => {
      cancelAnimationFrame(waiting);
      stop = null;
      play.textContent = "Play";
    };
  }
  play.addEventListener("click", () => (stop ?? start)());
  signal.addEventListener("abort", () => stop?.());
  el.addEventListener("reset", () => {
    stop?.();
    go(frame());
  });
  makeDraggable(curve, () => [moment, panes[1].loss(moment)], ([to]) => {
    stop?.();
    go(to);
  }, () => [0]);
  update();
  model.on("change:frame", heard);
  fitMaps(signal, [curve, ...panes.map((pane) => pane.map)], update);
}

// Both losses over the recorded steps, which are even in the logarithm.
function makeCurve(panes, steps) {
  const canvas = element("canvas", { class: "vaelib-map vaelib-curve", "aria-label": "Loss over the steps: the arrow keys go along it" });
  const across = [0, 10, 100, 1000].map((wanted) => [steps.findIndex((step) => step >= wanted), wanted.toLocaleString("en")]);
  const curve = new PlaneMap(canvas, { box: [0, steps.length - 1, 100, 560], colours: [], across });
  curve.codes = { z: [], labels: [] };
  curve.drawPrior = (g) => {
    g.font = curve.font(12);
    g.textBaseline = "middle";
    for (const [i, { kind, title, loss }] of panes.entries()) {
      g.strokeStyle = g.fillStyle = COLOURS[kind];
      g.lineWidth = 2;
      g.beginPath();
      steps.forEach((_, k) => g.lineTo(...curve.toScreen([k, loss(k)])));
      g.stroke();
      g.textAlign = i ? "left" : "right";
      const [x, y] = curve.toScreen([9.5, loss(9.5)]);
      g.fillText(title, x + (i ? 10 : -10), y);
    }
    g.fillStyle = "#222";
    g.textAlign = "right";
    const [, right, , top] = curve.edges;
    g.fillText("loss in nats, over the steps", right - 5, top + 10);
  };
  return curve;
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
  let painted;
  return {
    kind,
    title,
    map,
    parts: [title, canvas, originals, made],
    loss: (moment) => between(loss.data, 1, moment)[0],
    show(moment) {
      map.show({ codes: { z: between(codes.data, labels.length * 2, moment), labels } });
      map.draw(null);
      if (painted === Math.round(moment)) return;
      painted = Math.round(moment);
      made.replaceChildren(...row(pictures.data, painted * count * size));
    },
  };
}

function share(levels, start, size) {
  return Float32Array.from(levels.subarray(start, start + size), (level) => level / 255);
}
