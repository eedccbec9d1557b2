// A slider over beta: seven trained models; what each draws from the same z, what its latents cost, and where its codes lie.
import { network, readSafetensors, sigmoid } from "./engine.js";
import { DIGIT, element, fitMaps, inSight, paintPicture, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap } from "./plane.js";

// What a reader moves, and how far it goes: see keepState.
export const limits = (model) => ({ position: [0, model.get("names").length - 1, 1] });

// Scales that stay from beta to beta: nats of a full bar, which a longer one is cut off at, and the map's edges.
const SCALE = 4;
const BOX = [-4, 4, -4, 4];
// Where a code from beyond is drawn: half of it is seen, and a digit is not named there.
const EDGE = 4.001;

export async function mount({ model, el, load, patiently, signal }) {
  const [names, betas] = ["names", "betas"].map((trait) => model.get(trait));
  const wanted = () => model.get("position");
  const decoder = async (k) => network(await load(`weights/${names[k]}.decoder.safetensors`));
  const start = wanted();
  const [file, first] = await Promise.all([load("vaelib/betas.safetensors"), decoder(start)]);
  const { tensors } = readSafetensors(file);
  const row = (name, k) => {
    const { shape, data } = tensors[name];
    const size = data.length / shape[0];
    return data.subarray(k * size, (k + 1) * size);
  };
  const latents = tensors.kl.shape[1];
  const pictures = Array.from({ length: tensors.z.shape[0] }, () => element("canvas", { class: "vaelib-picture", role: "img" }));
  // Each z has its number, and its place.
  const numbered = pictures.map((picture, i) => element("div", {}, picture, element("span", { "aria-hidden": "true" }, `${i + 1}`)));
  const bars = element("div", { class: "vaelib-bars", role: "img" });
  const canvas = element("canvas", { class: "vaelib-map", role: "img" });
  const map = new PlaneMap(canvas, { box: BOX, colours: model.get("colours") });
  const axes = element("p", { class: "vaelib-note" });
  const costs = element("p", { class: "vaelib-note" });
  const sum = element("p", { class: "vaelib-sum" });
  const trouble = element("p", { class: "vaelib-hint" });
  el.replaceChildren(
    inSight(element("div", {},
      element("p", { class: "vaelib-title" }, "Ten z from the prior, the same for each β, decoded"),
      element("div", { class: "vaelib-row vaelib-samples" }, ...numbered))),
    sum,
    trouble,
    sideBySide(["What each latent costs", bars, costs], ["Codes of test digits", canvas, axes]),
    element("p", { class: "vaelib-hint" }, "Bars are sorted; an orange stub is a dark latent. Each β is another network, whose latents are its own. Dashed: one, two and three standard deviations of N(0, I)."),
  );
  const speak = quietSpeaker(el);

  let shown;
  function show(k, decode) {
    shown = k;
    const at = `β = ${betas[k]}`;
    for (const [i, picture] of pictures.entries()) {
      paintPicture(picture, sigmoid(decode(row("z", i))), DIGIT);
      picture.setAttribute("aria-label", `Sample ${i + 1} at ${at}`);
    }
    const [kl, used] = [row("kl", k), row("active", k)];
    const active = used.reduce((count, one) => count + one, 0);
    const bar = (nats, i) => element("i", { style: `height: ${(100 * Math.min(nats, SCALE)) / SCALE}%`, ...(used[i] ? {} : { class: "vaelib-dark" }) });
    const marks = [0, SCALE / 2, SCALE].map((nats) => element("span", { "aria-hidden": "true", style: `bottom: ${(100 * nats) / SCALE}%` }, `${nats}`));
    bars.replaceChildren(...marks, ...Array.from(kl, bar));
    bars.setAttribute("aria-label", `KL of each latent at ${at}, sorted, in nats: ${Array.from(kl, (nats) => nats.toFixed(1)).join(", ")}`);
    const longer = kl.filter((nats) => nats > SCALE).length;
    costs.textContent = `KL in nats${longer ? `; ${longer} bars are cut off, the longest is ${kl[0].toFixed(1)}` : ""}`;
    const [across, up] = Array.from(row("latents", k), (latent) => latent + 1);
    const [codes, labels] = [row("codes", k), tensors.labels.data];
    const beyond = codes.filter((value, i) => i % 2 === 0 && Math.max(Math.abs(value), Math.abs(codes[i + 1])) > BOX[1]).length;
    const edge = beyond > labels.length / 100 ? `; ${((100 * beyond) / labels.length).toFixed(0)} % lie beyond, drawn at the edge` : "";
    axes.textContent = `Latent ${across} across, ${up} up: the two that cost most${edge}`;
    canvas.setAttribute("aria-label", `Map of the codes at ${at}, latents ${across} and ${up}, coloured by digit`);
    map.show({ codes: { z: codes.map((value) => Math.max(-EDGE, Math.min(EDGE, value))), labels } });
    map.draw(null);
    const [rate, distortion] = ["rate", "distortion"].map((name) => tensors[name].data[k].toFixed(1));
    sum.textContent = `${at}: rate ${rate} nats, distortion ${distortion} nats, ${active} of ${latents} latents active.`;
  }

  // What was there stays until the decoder has come; one that comes too late for the slider is not shown.
  async function choose() {
    const k = wanted();
    const complain = (why) => {
      if (k !== wanted()) return;
      trouble.textContent = `The decoder of β = ${betas[k]} could not be loaded: ${why}. What you see is still β = ${betas[shown]}.`;
      speak(trouble.textContent);
      el.setAttribute("aria-busy", "false");
    };
    el.setAttribute("aria-busy", "true");
    try {
      const decode = await patiently(decoder(k), complain);
      if (k !== wanted()) return;
      show(k, decode);
      trouble.textContent = "";
      speak(sum.textContent);
      el.setAttribute("aria-busy", "false");
    } catch (error) {
      complain(error.message);
    }
    el.closest(".widget-box")?.querySelector(".noUi-handle")?.setAttribute("aria-valuetext", `${betas[k]}`);
  }
  show(start, first);
  model.on("change:position", choose);
  fitMaps(signal, [map], () => map.codes && map.draw(null));
  await choose();
}
