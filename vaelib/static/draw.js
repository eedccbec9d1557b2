// Draw a digit: the encoder runs in the page, and shows where the drawing lies among the test images.
import { digitChoice, loadDigits } from "./digits.js";
import { network, posterior, readSafetensors, sigmoid } from "./engine.js";
import { drawingPad } from "./pad.js";
import { cardOf, DIGIT, element, fitMaps, pairOf, paintPicture, pictureFrame, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap } from "./plane.js";

// What a reader moves, and how far it goes: see keepState.
export const limits = () => ({ digit: [0, 9, 1] });

const NEIGHBOURS = 10;
// Milliseconds of the tour for each digit: how long it rests on one, and how long the way to the next takes.
const REST = 1200;
const WAY = 1500;

export async function mount({ model, el, load, signal }) {
  const name = model.get("name");
  const [encoder, decoder, file, digits] = await Promise.all([
    ...["encoder", "decoder", "codes"].map((part) => load(`weights/${name}.${part}.safetensors`)),
    loadDigits(load),
  ]);
  const encode = network(encoder, DIGIT.shape);
  const decode = network(decoder);
  const { mu, sigma, labels } = readSafetensors(file).tensors;

  const { pad, undo, wipe, show: lay } = drawingPad((pixels) => {
    mark(null);
    if (pixels) look(pixels);
    else wait();
  });
  const canvas = element("canvas", { class: "vaelib-map", role: "img", "aria-label": "Map of the codes" });
  const loupe = element("canvas", { class: "vaelib-loupe", role: "img", "aria-label": "Posteriors near the code, ten times larger" });
  const near = element("figure", {}, loupe, element("figcaption", {}, "around μ, ×10"));
  const map = new PlaneMap(canvas, { loupe, box: model.get("box"), colours: model.get("colours") });
  map.show({ codes: { z: mu.data, labels: labels.data, sigma: sigma.data } });
  const pictures = ["as encoded", "μ decoded"].map(pictureFrame);
  const note = element("p", { class: "vaelib-sum" });
  const [choice, mark] = digitChoice(digits, "or choose a test image", pick);
  el.classList.add("vaelib-wide");
  el.replaceChildren(
    sideBySide(
      ["Draw a digit", pad, undo, " ", wipe],
      ["Its code", canvas],
      ["Painted from its code", element("div", { class: "vaelib-column" }, ...pictures.map(([, figure]) => figure), near)],
    ),
    note,
    choice,
  );
  cardOf(map, (z) => sigmoid(decode(z)));
  const speak = quietSpeaker(el);
  let shown = null;

  // A test image goes to the encoder as it is; on the pad it is only seen, and the first stroke takes its place.
  function choose(i, say = speak) {
    lay(digits.pixels(i));
    mark(i);
    look(digits.pixels(i), say);
  }

  function pick(i) {
    if (model.get("digit") === i) return choose(i);
    model.set("digit", i);
    model.save_changes();
  }

  // For a drawing: there is none.
  function wait() {
    shown = null;
    map.draw(null);
    for (const [picture] of pictures) paintPicture(picture, new Float32Array(28 * 28), DIGIT);
    canvas.setAttribute("aria-label", "Map of the codes");
    note.textContent = "Draw a digit in the square.";
    speak(note.textContent);
  }

  // Shows what the model makes of pixels in [0, 1], 28 x 28.
  function look(pixels, say = speak) {
    const at = posterior(encode(pixels));
    paintPicture(pictures[0][0], pixels, DIGIT);
    show(at);
    const near = neighbours(mu.data, labels.data, at.mu);
    note.textContent = `μ = ${pairOf(at.mu)}, σ = ${pairOf(at.sigma)}. The ${NEIGHBOURS} nearest test images: ${near.join(" ")}.`;
    canvas.setAttribute("aria-label", `Map of the codes; the drawing lies near a ${near[0]}`);
    say(note.textContent);
  }

  function show(at) {
    shown = at;
    paintPicture(pictures[1][0], sigmoid(decode(at.mu)), DIGIT);
    map.draw(at.mu, at);
  }

  // Once round the ten digits, each code decoded on its way to the next, until the reader does anything here. It says nothing
  // aloud, for nobody asked.
  function tour(digit) {
    const stop = element("button", { type: "button" }, "Stop");
    wipe.after(" ", stop);
    const silent = () => {};
    // Each when the tour comes to it: all ten at once would hold up the page while it is still being made.
    const codes = [];
    const code = (i) => (codes[i] ??= posterior(encode(digits.pixels(i))));
    let [left, start, frame] = [10, null];
    const end = () => {
      if (!stop.isConnected) return;
      cancelAnimationFrame(frame);
      stop.remove();
      choose(digit);
    };
    // Before the pad, the buttons and the choice hear of it: what they do then stays.
    for (const touch of ["pointerdown", "keydown"]) el.addEventListener(touch, end, { capture: true, signal });
    signal.addEventListener("abort", () => cancelAnimationFrame(frame));
    const step = (now) => {
      if (away) return;
      start ??= now;
      const next = (digit + 1) % 10;
      const way = (now - start - REST) / WAY;
      if (way >= 1) {
        choose((digit = next), silent);
        start = now;
        if (--left === 0) return end();
      } else if (way > 0) {
        show(between(code(digit), code(next), way * way * (3 - 2 * way)));
      }
      frame = requestAnimationFrame(step);
    };
    // Scrolled out of sight it waits, and begins again at its digit.
    let away = true;
    const observer = new IntersectionObserver((seen) => {
      const was = away;
      away = !seen.at(-1).isIntersecting;
      if (!was || away || !stop.isConnected) return;
      start = null;
      frame = requestAnimationFrame(step);
    });
    observer.observe(pad);
    signal.addEventListener("abort", () => observer.disconnect());
  }

  const start = () => choose(model.get("digit"));
  start();
  model.on("change:digit", start);
  el.addEventListener("reset", start);
  if (model.get("tour") && !matchMedia("(prefers-reduced-motion: reduce)").matches) tour(model.get("digit"));
  fitMaps(signal, [map], () => map.draw(shown?.mu, shown));
}

function between(a, b, share) {
  const mixed = (part) => a[part].map((value, k) => value + share * (b[part][k] - value));
  return { mu: mixed("mu"), sigma: mixed("sigma") };
}

function neighbours(mu, labels, [z1, z2]) {
  const distance = (i) => (mu[2 * i] - z1) ** 2 + (mu[2 * i + 1] - z2) ** 2;
  const order = [...labels.keys()].sort((a, b) => distance(a) - distance(b));
  return order.slice(0, NEIGHBOURS).map((i) => labels[i]);
}
