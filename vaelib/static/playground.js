// The playground: a VAE that trains in the page, with the reader's hand on its switches while it does. The training is in
// train.js, the worker that runs it in worker.js; here are the controls, what is drawn of it, and the museum of mistakes.
import { readSafetensors } from "./engine.js";
import { brush, DIGIT, element, fitMaps, paintPicture, quietSpeaker, sideBySide } from "./page.js";
import { PlaneMap, ticks, written } from "./plane.js";

const SETTINGS = ["beta", "noise", "likelihood", "sigma", "reduction", "lr", "warm_up", "mistake"];
const CHOICES = {
  noise: { learned: "learned σ", fixed: "fixed, σ = .5", off: "none" },
  likelihood: { Bernoulli: "Bernoulli", Gaussian: "Gaussian" },
  reduction: { sum: "sum", mean: "mean" },
};
// Four of the models of chapter 4's experiment, as settings.
const MODELS = {
  AE: { noise: "off", beta: 0 },
  "fixed noise": { noise: "fixed", beta: 0 },
  "free σ": { noise: "learned", beta: 0 },
  VAE: { noise: "learned", beta: 1 },
};
// A range input has even steps; what it means: position -> value, and back. Beta's scale is a logarithm's, with 0 before it.
const powers = (low, each) => [(at) => round(low * 10 ** (at / each)), (value) => each * Math.log10(value / low)];
const [fromBeta, toBeta] = powers(0.01, 20);
const SLIDERS = {
  beta: ["β", 0, 61, (at) => (at ? fromBeta(at - 1) : 0), (beta) => (beta ? Math.max(1, 1 + toBeta(beta)) : 0)],
  lr: ["Learning rate", 0, 60, ...powers(0.0001, 20)],
  warm_up: ["Warm-up, steps", 0, 40, (at) => 50 * at, (steps) => steps / 50],
  sigma: ["Decoder’s σ", 1, 20, (at) => at / 20, (sigma) => 20 * sigma],
};
const LIMITS = { beta: [0, 10], lr: [1e-4, 0.1], warm_up: [0, 2000], sigma: [0.05, 1], seed: [0, 9999] };
const round = (value) => Number(value.toPrecision(2));
const ORANGE = "#b34700";
const BLUE = "#0072b2";
const PICTURES = 10;
const POINTS = 600;

/**
 * What has typically happened where the numbers look like this: [sentence, page that explains it, its name], or null.
 * look: what worker.js posts; settings: where the switches stand.
 */
export function typical({ steps, own, right, posterior }, { noise, beta, likelihood }) {
  const [reconstruction, ...kl] = own;
  const sum = reconstruction + kl[0] + kl[1];
  if (![...own, ...right].every(Number.isFinite)) return ["The loss is no longer a number: the steps have become too large. Reset, with a smaller learning rate.", "07-sum-or-mean", "chapter 7"];
  if (steps < 100) return null;
  if (likelihood === "Bernoulli" && (sum < 0 || kl[0] + kl[1] < -0.5)) return ["A cross-entropy is never below 0, and neither is a KL. This program reports a loss that is.", "05-kl-divergence", "chapter 5"];
  if (likelihood === "Bernoulli" && own[0] > 1000) return ["The steps are too large: the loss is far above what it began with.", "07-sum-or-mean", "chapter 7"];
  const price = right[1] + right[2];
  if (noise === "learned" && beta > 0 && price < 0.1) return ["Collapse: the KL has gone to 0. Every digit has the same code, N(0, I), and the decoder paints the average of all.", "08-beta", "chapter 8"];
  const [width, learned] = spreads(posterior);
  const sigma = noise === "fixed" ? 0.5 : learned;
  if (noise === "learned" && sigma < 0.01 * width) return [`The noise is undone: σ is 1/${Number((width / sigma).toPrecision(2))} of the codes’ spread. An autoencoder is left.`, "04-experiment", "chapter 4"];
  if (noise === "learned" && Math.min(right[1], right[2]) < 0.05 && price > 0.5) return ["One latent has gone dark: its KL is 0, and the other carries all there is.", "08-beta", "chapter 8"];
  if (noise === "fixed" && beta === 0 && width > 5 * sigma) return [`The noise is being drowned: the codes have spread to ${width.toFixed(1)}, ${(width / sigma).toFixed(0)} times its σ.`, "04-experiment", "chapter 4"];
  if (noise === "off" && width > 2.5) return [`Nothing holds the codes: their spread is ${width.toFixed(0)}. Draws from N(0, I) know only the middle of the cloud.`, "01-autoencoder", "chapter 1"];
  return null;
}

/** The codes' standard deviation and the typical sigma, each the mean over both latents. */
export function spreads(posterior) {
  const count = posterior.length / 4;
  let [variance, sigma] = [0, 0];
  for (const k of [0, 1]) {
    let [sum, squares] = [0, 0];
    for (let n = 0; n < count; n++) {
      sum += posterior[4 * n + k];
      squares += posterior[4 * n + k] ** 2;
      sigma += Math.exp(posterior[4 * n + 2 + k] / 2) / count / 2;
    }
    variance += (squares / count - (sum / count) ** 2) / 2;
  }
  return [Math.sqrt(variance), sigma];
}

/** Settings and seed as they stand in an address, "beta=4&seed=2"; only what may be is taken. */
export function fromAddress(hash, museum) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const wanted = {};
  for (const [name, text] of given) {
    const [value, limits] = [Number(text), LIMITS[name]];
    if (limits && text && value >= limits[0] && value <= limits[1]) wanted[name] = ["seed", "warm_up"].includes(name) ? Math.round(value) : value;
    if (CHOICES[name] && Object.hasOwn(CHOICES[name], text)) wanted[name] = text;
    if (name === "exhibit" && museum[value - 1]) wanted.mistake = museum[value - 1].name;
  }
  return wanted;
}

export function toAddress(settings, first, museum) {
  const changed = Object.entries(settings).filter(([name, value]) => value !== first[name] && name !== "mistake");
  const exhibit = museum.findIndex(({ name }) => name === settings.mistake);
  return new URLSearchParams([...changed, ...(exhibit < 0 ? [] : [["exhibit", exhibit + 1]])]).toString();
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function digits(load, name) {
  const { tensors } = readSafetensors(await load(`vaelib/${name}.safetensors`));
  return [await inflated(tensors.zlib.data), tensors.labels.data];
}

// A worker's script has to be one: both modules, without the words that join modules.
async function makeWorker(load, signal) {
  const sources = await Promise.all(["train.js", "worker.js"].map(async (name) => new TextDecoder().decode(await load(`vaelib/${name}`))));
  const code = sources.join("\n").replace(/^export /gm, "").replace(/^import .*$/gm, "");
  signal.throwIfAborted();
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  signal.addEventListener("abort", () => worker.terminate());
  return worker;
}

export async function mount({ model, el, load, patiently, signal }) {
  const inBook = "content_root" in document.documentElement.dataset;
  const museum = model.get("museum");
  const [worker, [bytes], style] = await Promise.all([makeWorker(load, signal), digits(load, "train"), load("vaelib/playground.css")]);
  const tell = (what, given) => worker.postMessage([what, given]);
  const now = () => Object.fromEntries([...SETTINGS, "seed"].map((name) => [name, model.get(name)]));
  const first = now();
  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  if (inBook) change(fromAddress(location.hash, museum));

  const view = makeView(model.get("colours"));
  const controls = makeControls(now, change);
  const gallery = makeMuseum(museum, now, change);
  const trouble = element("p", { class: "vaelib-hint" });
  el.replaceChildren(
    element("style", {}, new TextDecoder().decode(style)),
    element("div", { class: "vaelib-play" }, controls.buttons, view.views, controls.panel, element("div", { class: "vaelib-play-said" }, view.numbers, view.typical, trouble), element("div", { class: "vaelib-play-rest" }, ...view.rest)),
    gallery.panel,
    element("p", { class: "vaelib-hint" }, "Digits: MNIST, by LeCun and Cortes, CC BY-SA 3.0; 4,000 to train on, 1,000 held out. Every figure is of those. Dashed: one, two and three standard deviations of N(0, I)."),
  );

  const speak = quietSpeaker(el);

  function chapter([sentence, page, name]) {
    const address = inBook && new URL(`${document.documentElement.dataset.content_root}chapters/${page}.html`, document.baseURI).href;
    return [`${sentence} `, address ? element("a", { href: address }, `Why: ${name}`) : `Why: ${name}`, "."];
  }

  let [playing, latest, history, said] = [false, null, [], ""];
  const run = () => tell("run", playing && !document.hidden);
  const play = (wanted) => {
    playing = wanted;
    controls.play.textContent = playing ? "Pause" : "Play";
    run();
  };
  const reset = () => {
    latest = null;
    history = [];
    said = "";
    tell("settings", now());
    tell("reset", model.get("seed"));
  };
  const draw = () => latest && view.draw(latest, history, now());
  function show(look) {
    latest = look;
    el.setAttribute("aria-busy", "false");
    const [reconstruction, ...kl] = look.own;
    // A look from before a reset may come after it.
    if (look.judged < history.at(-1)?.[0]) history = [];
    if (history.at(-1)?.[0] !== look.judged) history.push([look.judged, reconstruction, kl[0] + kl[1]]);
    // A long training's curve keeps every other point.
    if (history.length > 800) history = history.filter((_, i) => i % 2 === 0);
    draw();
    const happened = typical(look, now());
    const text = happened?.[0].replace(/[\d.]+/g, "") ?? "";
    if (happened) view.typical.replaceChildren(...chapter(happened));
    else view.typical.replaceChildren();
    if (text !== said || !playing) speak(happened?.[0] ?? view.numbers.textContent);
    said = text;
    gallery.show(look);
  }
  worker.onmessage = ({ data }) =>
    requestAnimationFrame(() => {
      if (data.seed === model.get("seed")) show(data);
      tell("drawn");
    });
  worker.onerror = ({ message }) => (trouble.textContent = `The training stopped: ${message}`);
  controls.play.addEventListener("click", () => play(!playing));
  controls.step.addEventListener("click", () => {
    play(false);
    tell("step");
  });
  controls.reset.addEventListener("click", reset);
  controls.next.addEventListener("click", () => change({ seed: (model.get("seed") + 1) % 10000 }));
  controls.copy.addEventListener("click", async () => {
    const link = `${location.href.split("#")[0]}#${toAddress(now(), first, museum)}`;
    await navigator.clipboard?.writeText(link).then(() => (controls.copied.textContent = "Copied."), () => {});
    if (!controls.copied.textContent) controls.copied.textContent = link;
    setTimeout(() => (controls.copied.textContent = ""), 6000);
  });
  controls.copy.hidden = !inBook;
  const hidden = () => run();
  document.addEventListener("visibilitychange", hidden);
  signal.addEventListener("abort", () => document.removeEventListener("visibilitychange", hidden));
  let timer;
  const changed = () => {
    controls.refresh();
    tell("settings", now());
    if (!inBook) return;
    clearTimeout(timer);
    // Late and not in the history, as keepState has it (page.js).
    timer = setTimeout(() => {
      const address = toAddress(now(), first, museum);
      globalThis.history.replaceState(globalThis.history.state, "", address ? `#${address}` : location.href.split("#")[0]);
    }, 300);
  };
  for (const name of SETTINGS) model.on(`change:${name}`, changed);
  for (const name of ["seed", "mistake"]) {
    model.on(`change:${name}`, () => {
      changed();
      gallery.refresh();
      reset();
    });
  }

  tell("pace", matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 100);
  tell("settings", now());
  tell("seed", model.get("seed"));
  tell("train", bytes);
  controls.refresh();
  gallery.refresh();
  fitMaps(signal, [view.map], draw);
  el.setAttribute("aria-busy", "true");
  const complain = (why) => (trouble.textContent = `The held-out digits have not come (${why}); without them there is nothing to see.`);
  // Training need not wait for what it is judged by.
  patiently(digits(load, "heldout"), complain).then(([pixels, labels]) => {
    trouble.textContent = "";
    const ten = Array.from({ length: PICTURES }, (_, digit) => labels.indexOf(digit));
    view.know(labels);
    tell("held", { bytes: pixels, labels, ten });
  }, (error) => complain(error.message));
}

// --- what is drawn -------------------------------------------------------------------------------------------------------

function makeView(colours) {
  const cloud = element("canvas", { class: "vaelib-map", role: "img", "aria-label": "Codes of held-out digits, coloured by digit, each with its one-sigma ellipse" });
  const map = new PlaneMap(cloud, { colours });
  const plane = element("canvas", { class: "vaelib-picture vaelib-play-plane", role: "img", "aria-label": "The plane, decoded" });
  const strip = (label) => element("canvas", { class: "vaelib-picture vaelib-play-strip", role: "img", "aria-label": label });
  const [originals, made, samples] = ["Ten held-out digits", "Their reconstructions", "Ten draws from the prior, decoded"].map(strip);
  const curves = element("canvas", { class: "vaelib-plot vaelib-play-curves", role: "img" });
  const bars = [1, 2].map((k) => [element("i"), element("span"), `z${"₀₁₂"[k]}`]);
  const titled = (title, ...inside) => element("div", {}, element("p", { class: "vaelib-title" }, title), ...inside);
  const view = {
    map,
    views: sideBySide(["Codes, held out", cloud], ["Decoded plane", plane]),
    numbers: element("p", { class: "vaelib-sum" }, "Not trained yet. Press Play."),
    typical: element("p", { class: "vaelib-play-typical" }),
    rest: [
      element("div", {},
        titled("Held-out digits, reconstructed", originals, made),
        titled("Draws from the prior, decoded", samples),
        titled("KL of each latent", ...bars.map(([bar, text, name]) => element("p", { class: "vaelib-play-kl" }, `${name} `, bar, text)))),
      titled("Held out, in nats, over steps", curves),
    ],
    know: (labels) => (view.labels = labels),
  };
  view.views.classList.add("vaelib-play-views");

  view.draw = ({ steps, rate, own, right, half, posterior, plane: decoded, side, made: ten, samples: drawn, originals: x }, history, { noise, mistake }) => {
    const count = Math.min(POINTS, posterior.length / 4);
    const [mu, sigma] = [0, 2].map((from) => Float32Array.from({ length: 2 * count }, (_, i) => posterior[4 * (i >> 1) + from + (i & 1)]));
    map.box = [-half, half, -half, half];
    map.show({ codes: { z: mu, labels: view.labels.subarray(0, count) } });
    map.draw(null);
    if (map.side && noise !== "off") ellipses(map, mu, noise === "fixed" ? sigma.fill(2 * Math.log(0.5)) : sigma, view.labels, colours);
    paintTiles(plane, decoded, side);
    paintTiles(made, ten, PICTURES);
    paintTiles(samples, drawn, PICTURES);
    paintTiles(originals, x, PICTURES);
    drawCurves(curves, history);
    const [reconstruction, ...kl] = own;
    const sum = reconstruction + kl[0] + kl[1];
    const by = mistake ? "by this program’s own reckoning" : "held out";
    view.numbers.textContent = `After ${written(steps)} steps${rate ? `, ${rate.toFixed(0)} a second` : ""}: ${by} ${nats(sum)} = reconstruction ${nats(reconstruction)} + KL ${nats(kl[0] + kl[1])}.`;
    bars.forEach(([bar, text], k) => {
      const value = noise === "off" ? 0 : kl[k];
      bar.style.width = `${Math.min(60, Math.max(0, 12 * value))}%`;
      text.textContent = noise === "off" ? "no noise, no KL" : `${nats(value)} nats`;
    });
    cloud.setAttribute("aria-label", `Codes of ${count} held-out digits after ${steps} steps, within ±${half}`);
  };
  return view;
}

const nats = (value) => (Math.abs(value) < 1e5 ? value.toFixed(Math.abs(value) < 10 ? 2 : 1) : value.toExponential(1)).replace("-", "−");

function ellipses(map, mu, logVar, labels, colours) {
  const g = map.context;
  const [x0, x1, y0, y1] = map.edges;
  g.save();
  g.beginPath();
  g.rect(x0, y1, x1 - x0, y0 - y1);
  g.clip();
  g.globalAlpha = 0.45;
  g.lineWidth = 1;
  for (let n = 0; 2 * n < mu.length; n += 3) {
    g.strokeStyle = colours[labels[n]];
    const [x, y] = map.toScreen([mu[2 * n], mu[2 * n + 1]]);
    const [edge, top] = map.toScreen([0, 1].map((k) => mu[2 * n + k] + Math.exp(logVar[2 * n + k] / 2)));
    if (!(edge - x < 1e4 && y - top < 1e4)) continue;
    g.beginPath();
    g.ellipse(x, y, edge - x, y - top, 0, 0, 2 * Math.PI);
    g.stroke();
  }
  g.restore();
}

/** Pictures of 28 x 28 levels, so many in a row, as one. */
function paintTiles(canvas, levels, across) {
  const [down, size] = [levels.length / 784 / across, 28];
  const pixels = new Float32Array(levels.length);
  for (let i = 0; i < levels.length; i++) {
    const [tile, x, y] = [Math.floor(i / 784), i % size, Math.floor((i % 784) / size)];
    pixels[(Math.floor(tile / across) * size + y) * across * size + (tile % across) * size + x] = levels[i] / 255;
  }
  paintPicture(canvas, pixels, { ...DIGIT, shape: [1, down * size, across * size] });
}

// Above the reconstruction and the sum of both, below the KL, each on its own scale; steps on a logarithmic one.
function drawCurves(canvas, history) {
  const ratio = globalThis.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const g = brush(canvas);
  g.scale(ratio, ratio);
  g.fillStyle = "#fff";
  g.fillRect(0, 0, width, height);
  g.font = "11px sans-serif";
  const [steps, reconstruction, kl] = history.at(-1);
  // What comes before step 10 would set the scale for all.
  const end = Math.log10(Math.max(100, steps)) - 1;
  const across = (step) => 40 + ((Math.log10(Math.max(10, step)) - 1) / end) * (width - 130);
  const shown = history.filter(([step]) => step >= Math.min(10, steps));
  const panels = [[8, height * 0.6, [["sum", ORANGE, (row) => row[1] + row[2]], ["reconstruction", BLUE, (row) => row[1]]]]];
  panels.push([height * 0.68, height - 22, [["KL", "#222", (row) => row[2]]]]);
  for (const [top, bottom, lines] of panels) {
    const values = lines.flatMap(([, , of]) => shown.map(of)).filter(Number.isFinite);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const margin = Math.max(0.5, 0.06 * (high - low));
    const up = (value) => bottom - ((value - low + margin) / (high - low + 2 * margin)) * (bottom - top);
    g.strokeStyle = "#ddd";
    g.fillStyle = "#444";
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const tick of ticks(low - margin, high + margin, 3)) {
      g.fillRect(36, up(tick), 4, 1);
      g.fillText((Math.abs(tick) < 1e4 ? String(tick) : tick.toExponential()).replace("-", "−"), 33, up(tick));
    }
    g.strokeRect(40, top, width - 130, bottom - top);
    g.textAlign = "left";
    let last = -Infinity;
    for (const [name, colour, of] of lines) {
      g.strokeStyle = g.fillStyle = colour;
      g.lineWidth = 2;
      g.beginPath();
      for (const row of shown) if (Number.isFinite(of(row))) g.lineTo(across(row[0]), up(of(row)));
      g.stroke();
      g.lineWidth = 1;
      const at = of(shown.at(-1));
      // One label below the other, however near the lines are.
      const place = Number.isFinite(at) ? Math.max(up(at), last + 12) : top + 8;
      g.fillText(name, width - 86, place);
      last = place;
    }
  }
  g.fillStyle = "#444";
  g.textAlign = "center";
  for (let step = 10; step <= Math.max(100, steps); step *= 10) g.fillText(written(step), across(step), height - 10);
  canvas.setAttribute("aria-label", `Losses held out over ${steps} steps: reconstruction ${nats(reconstruction)}, KL ${nats(kl)} nats`);
}

// --- what the reader moves -----------------------------------------------------------------------------------------------

function makeControls(now, change) {
  const button = (text) => element("button", { type: "button" }, text);
  const [play, step, reset, next, copy] = ["Play", "One step", "Reset", "Next seed", "Copy link"].map(button);
  const copied = element("span", { role: "status", class: "vaelib-play-copied" });
  const seed = element("span", { class: "vaelib-play-seed" });
  const refreshers = [];
  const models = Object.entries(MODELS).map(([name, values]) => {
    const made = button(name);
    made.addEventListener("click", () => change(values));
    refreshers.push((at) => made.setAttribute("aria-pressed", String(values.noise === at.noise && values.beta === at.beta)));
    return made;
  });
  const sliders = Object.entries(SLIDERS).map(([name, [label, min, max, toValue, toPlace]]) => {
    const input = element("input", { type: "range", min, max, step: 1, "aria-label": label });
    const shown = element("output");
    input.addEventListener("input", () => change({ [name]: toValue(Number(input.value)) }));
    const row = element("label", { class: "vaelib-play-slider" }, element("span", {}, label), input, shown);
    refreshers.push((at) => {
      input.value = Math.round(toPlace(at[name]));
      input.setAttribute("aria-valuetext", (shown.textContent = String(at[name])));
      if (name === "sigma") row.hidden = at.likelihood !== "Gaussian";
      if (name === "beta") input.disabled = at.noise === "off";
    });
    return row;
  });
  const labels = { noise: "Noise on the code", likelihood: "Decoder", reduction: "Over the pixels" };
  const choices = Object.entries(CHOICES).map(([name, options]) => {
    const select = element("select", {}, ...Object.entries(options).map(([value, text]) => element("option", { value }, text)));
    select.addEventListener("change", () => change({ [name]: select.value }));
    refreshers.push((at) => (select.value = at[name]));
    return element("label", { class: "vaelib-play-choice" }, element("span", {}, labels[name]), select);
  });
  refreshers.push((at) => (seed.textContent = `seed ${at.seed}`));
  const [beta, ...others] = sliders;
  return {
    play, step, reset, next, copy, copied,
    buttons: element("div", { class: "vaelib-play-buttons" }, play, step, reset, next, seed, copy, copied),
    panel: element("div", { class: "vaelib-play-controls" }, element("div", { class: "vaelib-play-models", role: "group", "aria-label": "Four models" }, ...models), beta, ...choices, ...others),
    refresh: () => refreshers.forEach((refresh) => refresh(now())),
  };
}

// --- the museum ----------------------------------------------------------------------------------------------------------

function makeMuseum(museum, now, change) {
  const option = (value, text) => element("option", { value }, text);
  const exhibits = element("select", {}, option("", "none: the program is right"), ...museum.map(({ name }, i) => option(name, `exhibit ${i + 1}`)));
  // In the order of their letters: the order of the exhibits gives nothing away.
  const sentences = museum.map(({ name, sentence }) => option(name, sentence)).sort((a, b) => a.textContent.localeCompare(b.textContent));
  const guess = element("select", {}, option("", "What is wrong with it?"), ...sentences);
  const give = element("button", { type: "button" }, "Tell me");
  const answer = element("p", { role: "status", class: "vaelib-play-answer" });
  const about = () => museum.find(({ name }) => name === now().mistake);
  let last = null;
  const compare = () => {
    if (!last) return "";
    const total = ([reconstruction, ...kl]) => nats(reconstruction + kl[0] + kl[1]);
    return ` It reports ${total(last.own)} nats; by the right formulas the same network costs ${total(last.right)}.`;
  };
  const tellAll = (before) => {
    const { sentence, symptom, source } = about();
    answer.replaceChildren(element("b", {}, `${before}${sentence}`), ` ${symptom}${compare()} Published: ${source}.`);
  };
  exhibits.addEventListener("change", () => change({ noise: "learned", beta: 1, reduction: "sum", likelihood: "Bernoulli", mistake: exhibits.value }));
  guess.addEventListener("change", () => {
    if (!guess.value) return;
    if (guess.value === now().mistake) tellAll("Yes. ");
    else answer.textContent = `No, that one looks different. A question that helps: ${about().question}`;
  });
  give.addEventListener("click", () => tellAll(""));
  const label = (text, inside) => element("label", { class: "vaelib-play-choice" }, element("span", {}, text), inside);
  const guessing = element("div", { class: "vaelib-play-guess" }, label("Your guess", guess), give);
  return {
    panel: element("div", { class: "vaelib-play-museum" },
      element("p", { class: "vaelib-title" }, "The museum of mistakes"),
      element("p", { class: "vaelib-hint" }, "Each exhibit is this program with one published mistake. Choose one, press Play, watch, guess."),
      label("Program", exhibits), guessing, answer),
    show: (look) => (last = look),
    refresh() {
      exhibits.value = now().mistake;
      guessing.hidden = !now().mistake;
      guess.value = "";
      answer.textContent = "";
    },
  };
}
