// As much of a page as the explorers' views ask for, in node: elements that know their attributes and children, and canvases
// that note what is drawn on them. Importing it puts `document` and its like where the views look for them.
import { readFileSync } from "node:fs";

/**
 * A drawing context that notes strokes, fills and texts in `drawn`, each with its colour, the path of lines and arcs, what it is
 * cut off at, and `on`, where a place lies in pixels of the canvas. Of an
 * image that knows its level(x, y, channel) getImageData gives as much as lies on the canvas, as a browser does.
 */
function context(canvas) {
  const [drawn, state] = [[], { globalAlpha: 1 }];
  let [path, clip, [across, down, left, top], kept] = [[], null, [1, 1, 0, 0], []];
  const note = (kind, more, colour) => {
    const [a, d, l, t] = [across, down, left, top];
    drawn.push({ kind, colour: state[colour], alpha: state.globalAlpha, clip, on: ([x, y]) => [l + a * x, t + d * y], ...more });
  };
  const known = {
    drawn,
    scale: (x, y) => ([across, down] = [across * x, down * y]),
    translate: (x, y) => ([left, top] = [left + across * x, top + down * y]),
    setTransform(a, b, c, d, l, t) {
      if (b !== 0 || c !== 0) throw new Error("nothing is drawn turned");
      [across, down, left, top] = [a, d, l, t];
    },
    save: () => kept.push([clip, [across, down, left, top], { ...state }]),
    restore() {
      [clip, [across, down, left, top]] = kept.at(-1);
      for (const name of Object.keys(state)) delete state[name];
      Object.assign(state, kept.pop()[2]);
    },
    rect: (x, y, width, height) => path.push({ x, y, width, height }),
    clip: () => (clip = path),
    beginPath: () => (path = []),
    moveTo: (x, y) => path.push([x, y]),
    lineTo: (x, y) => path.push([x, y]),
    arc: (x, y, radius, ...angles) => round(angles) && path.push({ x, y, radius }),
    ellipse: (x, y, across, up, turned, ...angles) => round([turned + angles[0], angles[1]]) && path.push({ x, y, across, up }),
    stroke: () => note("stroke", { path }, "strokeStyle"),
    fill: () => note("fill", { path }, "fillStyle"),
    fillRect: (x, y, width, height) => note("rect", { x, y, width, height }, "fillStyle"),
    fillText: (text, x, y) => note("text", { text, x, y, align: state.textAlign }, "fillStyle"),
    strokeText: (text, x, y) => note("halo", { text, x, y }, "strokeStyle"),
    measureText: (text) => ({ width: 6 * text.length }),
    putImageData: (image, x, y) => note("pixels", { image, x, y }),
    drawImage: (image, x, y, ...size) => note("image", { image: (state.image = image), x, y, size }),
    getImageData: (left, top, width, height) => ({
      data: Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) => {
        const [x, y] = [left + ((i >> 2) % width), top + Math.floor((i >> 2) / width)];
        return x < canvas.width && y < canvas.height ? state.image.level(x, y, i & 3) : 0;
      }),
    }),
  };
  return new Proxy(state, {
    get: (_, name) => known[name] ?? state[name] ?? (() => {}),
    set: (_, name, value) => ((state[name] = value), true),
  });
}

// The explorers draw no arc but whole circles and ellipses, from the right and once round.
function round(angles) {
  if (angles.length !== 2 || angles[0] !== 0 || angles[1] !== 2 * Math.PI) throw new Error(`${angles} is not once round`);
  return true;
}

const nodeOf = (part) => (typeof part === "string" ? { textContent: part, all: () => [] } : part);

class Element extends EventTarget {
  constructor(tag) {
    super();
    Object.assign(this, { tag, attributes: {}, children: [], style: {}, dataset: {}, hidden: false, value: "", text: "" });
    Object.assign(this, { clientWidth: 300, clientHeight: 300, offsetWidth: 100, offsetHeight: 80, offsetLeft: 0, offsetTop: 0 });
    this.classes = new Set();
    this.classList = { add: (...names) => names.forEach((name) => this.classes.add(name)) };
  }
  setAttribute(name, value) {
    this.attributes[name] = String(value);
    if (name === "class") value.split(" ").forEach((one) => this.classes.add(one));
    if (name === "hidden") this.hidden = true;
    if (name === "value") this.value = String(value);
    if (name === "width" || name === "height") this[name] = Number(value);
  }
  getAttribute(name) {
    return this.attributes[name] ?? null;
  }
  append(...parts) {
    for (const part of parts) {
      this.children.push(nodeOf(part));
      if (part instanceof Element) part.parentElement = this;
    }
  }
  replaceChildren(...parts) {
    this.children = [];
    this.text = "";
    this.append(...parts);
  }
  after(...parts) {
    const around = this.parentElement?.children;
    if (around) around.splice(around.indexOf(this) + 1, 0, ...parts.map(nodeOf));
    else this.followers = [...(this.followers ?? []), ...parts];
    for (const part of parts) if (part instanceof Element) part.parentElement = this.parentElement;
  }
  remove() {
    const around = this.parentElement?.children;
    around?.splice(around.indexOf(this), 1);
    this.parentElement = null;
  }
  get isConnected() {
    return Boolean(this.parentElement);
  }
  get firstChild() {
    return this.children[0];
  }
  get nextSibling() {
    const around = this.parentElement?.children ?? [];
    return around[around.indexOf(this) + 1];
  }
  get textContent() {
    return this.children.length ? this.children.map((child) => child.textContent).join("") : this.text;
  }
  set textContent(text) {
    this.children = [];
    this.text = String(text);
  }
  closest() {
    return null;
  }
  getContext() {
    if (this.tag !== "canvas") throw new TypeError(`no ${this.tag} can be drawn on`);
    return (this.context ??= context(this));
  }
  getBoundingClientRect() {
    return { left: 0, top: 0, width: this.clientWidth, height: this.clientHeight };
  }
  setPointerCapture(pointer) {
    (this.captured ??= new Set()).add(pointer);
  }
  hasPointerCapture(pointer) {
    return Boolean(this.captured?.has(pointer));
  }
  /** Itself and all within it for which a condition holds. */
  all(holds) {
    return [...(holds(this) ? [this] : []), ...this.children.flatMap((child) => child.all?.(holds) ?? [])];
  }
  /** What is drawn on it, of one kind. */
  drawn(kind) {
    return (this.context?.drawn ?? []).filter((one) => one.kind === kind);
  }
}

const observers = new Set();
/** Give an element another place on the page, as wide as high, and tell who watches it. */
export function resized(element, side) {
  Object.assign(element, { clientWidth: side, clientHeight: side });
  for (const { watched, tell } of observers) if (watched.has(element)) tell();
}

const page = new EventTarget();
/** Another zoom of the browser: so many of the screen's pixels for each of the page's. */
export function zoomed(ratio) {
  globalThis.devicePixelRatio = ratio;
  page.dispatchEvent(new Event("resize"));
}

export const layers = []; // every canvas that was made, in order
Object.assign(globalThis, {
  document: {
    createElement(tag) {
      const made = new Element(tag);
      if (tag === "canvas") layers.push(made);
      return made;
    },
    addEventListener() {},
    querySelectorAll: () => [],
    documentElement: { dataset: {} },
  },
  addEventListener: page.addEventListener.bind(page),
  getComputedStyle: () => ({ fontSize: "16px" }),
  requestAnimationFrame: (frame) => frame(),
  cancelAnimationFrame: () => {},
  matchMedia: () => ({ matches: true }),
  ResizeObserver: class {
    watched = new Set();
    constructor(tell) {
      this.tell = tell;
      observers.add(this);
    }
    observe(element) {
      this.watched.add(element);
    }
    disconnect() {
      this.watched.clear();
    }
  },
  ImageData: class {
    constructor(width, height) {
      Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) });
    }
  },
});

/** Timers that wait for tick(milliseconds), until time goes on. */
export function stopped() {
  const { setTimeout, clearTimeout } = globalThis;
  const timers = new Set();
  let now = 0;
  globalThis.clearTimeout = (timer) => timers.delete(timer);
  globalThis.setTimeout = (work, after) => {
    const timer = { work, at: now + after };
    timers.add(timer);
    return timer;
  };
  const tick = (after) => {
    now += after;
    for (const timer of [...timers]) if (timer.at <= now && timers.delete(timer)) timer.work();
  };
  return { tick, goOn: () => Object.assign(globalThis, { setTimeout, clearTimeout }) };
}

/** As much of a widget's model as is used. `saved`: what a kernel would know. */
export function model(traits) {
  const heard = new Map();
  const made = {
    traits,
    saved: { ...traits },
    get: (name) => traits[name],
    set(name, value) {
      const changed = Object.entries(typeof name === "string" ? { [name]: value } : name).filter(([key, now]) => traits[key] !== now);
      for (const [key, now] of changed) traits[key] = now;
      for (const [key] of changed) heard.get(`change:${key}`)?.forEach((hear) => hear());
    },
    save_changes: () => (made.saved = { ...traits }),
    on: (event, hear) => heard.set(event, [...(heard.get(event) ?? []), hear]),
  };
  return made;
}

/** The bytes of a safetensors file: metadata as it stands in the header, tensors { name: [dtype, shape, numbers] }. */
export function safetensors(metadata, tensors) {
  const header = { __metadata__: Object.fromEntries(Object.entries({ format: 1, ...metadata }).map(([key, value]) => [key, JSON.stringify(value)])) };
  const parts = [];
  let end = 0;
  for (const [name, [dtype, shape, numbers]] of Object.entries(tensors)) {
    parts.push(new Uint8Array((dtype === "U8" ? Uint8Array : Float32Array).from(numbers).buffer));
    header[name] = { dtype, shape, data_offsets: [end, (end += parts.at(-1).length)] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  let at = 8;
  for (const part of [text, ...parts]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes.buffer;
}

/** The file of a network of one layer, outputs x inputs. */
export function oneLayer(outputs, inputs, weight, bias) {
  const weights = Array.from({ length: outputs * inputs }, (_, i) => weight(Math.floor(i / inputs), i % inputs));
  const biases = Array.from({ length: outputs }, (_, o) => bias(o));
  return safetensors({ layers: [{ op: "linear", name: "0" }] }, { "0.weight": ["F32", [outputs, inputs], weights], "0.bias": ["F32", [outputs], biases] });
}

/** The bytes of a file below the book's _static. */
export async function load(path) {
  const bytes = readFileSync(new URL(path.replace(/^vaelib\//, "static/"), new URL("../../vaelib/", import.meta.url)));
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** An explorer's view of traits, or of a model, mounted: its element, its model, the canvases that it made, and what takes it from the page. */
export async function mounted(explorer, traits, loaded = load) {
  const el = new Element("div");
  const [before, one, leaving] = [layers.length, traits.get ? traits : model(traits), new AbortController()];
  await explorer.mount({ model: one, el, load: loaded, patiently: (work) => work, signal: leaving.signal });
  return { el, model: one, made: layers.slice(before), leave: () => leaving.abort() };
}

/** What an explorer says aloud of a change, without the moment of quiet before. */
export function spoken(el, change) {
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (work) => work();
  try {
    change();
  } finally {
    globalThis.setTimeout = setTimeout;
  }
  return el.all((one) => one.attributes?.role === "status")[0].textContent;
}

export const near = (a, b, tolerance) => {
  if (!(Math.abs(a - b) <= tolerance)) throw new Error(`${a} is not within ${tolerance} of ${b}`);
};
