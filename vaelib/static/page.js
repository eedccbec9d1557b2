// The small parts that all explorers share: making elements, painting a picture, moving a point.

/** An element with attributes and children: element("p", { class: "note" }, "text"). */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** How MNIST's pictures are painted: 0 is paper and 1 is ink. */
export const DIGIT = { shape: [1, 28, 28], ink: true };

/** What draws on a canvas; an Error where the browser has none to give, for privacy's sake or for want of memory. */
export function brush(canvas, options) {
  const context = canvas.getContext("2d", options);
  if (!context) throw new Error("this browser lets no canvas be drawn on");
  return context;
}

/** Paint pixels in [0, 1] on a canvas. kind: { shape: [C, H, W], ink }; one channel is grey light, or with ink, ink on white. */
export function paintPicture(canvas, pixels, { shape: [channels, height, width], ink }) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  const size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) {
      const level = pixels[channels === 1 ? i : c * size + i];
      image.data[4 * i + c] = 255 * (ink ? 1 - level : level);
    }
    image.data[4 * i + 3] = 255;
  }
  brush(canvas).putImageData(image, 0, 0);
}

/** A canvas for a small picture, in a figure with its title: [canvas, figure]. */
export function pictureFrame(title) {
  const canvas = element("canvas", { class: "vaelib-picture", role: "img", "aria-label": title });
  return [canvas, element("figure", {}, canvas, element("figcaption", {}, title))];
}

/** Radio buttons with pictures, pixels(i); the names are spoken. Calls choose(i). Returns their element, and what marks one. */
export function pictureChoice(legend, names, pixels, kind, choose) {
  const name = `vaelib-${Math.random()}`;
  const radios = names.map((label, i) => {
    const radio = element("input", { type: "radio", name, "aria-label": label });
    radio.addEventListener("change", () => choose(i));
    return radio;
  });
  const labels = radios.map((radio, i) => {
    const picture = element("canvas", { "aria-hidden": "true" });
    paintPicture(picture, pixels(i), kind);
    return element("label", {}, radio, picture);
  });
  const group = element("fieldset", { class: "vaelib-digits" }, element("legend", {}, legend), ...labels);
  return [group, (i) => radios.forEach((radio, k) => (radio.checked = k === i))];
}

/** Two numbers as a text has them: (0.50, −1.00). */
export const pairOf = (pair) => `(${pair.map((value) => value.toFixed(2).replace("-", "−")).join(", ")})`;

/** Mark what stays in sight on a phone while a slider moves. */
export function inSight(part) {
  part.classList.add("vaelib-sight");
  return part;
}

/** The parts of an explorer, side by side where there is room; each is [title, element, element …]. */
export function sideBySide(...parts) {
  const pane = ([title, ...inside]) =>
    element("div", { class: "vaelib-pane" }, element("p", { class: "vaelib-title" }, title), ...inside);
  return element("div", { class: "vaelib-panes" }, ...parts.map(pane));
}

/**
 * A card beside the pointer: of the code that lies under it which digit it is of, where it is, and the picture that
 * pixels(z) decodes from it. Fingers and keys move the point, of which the explorers say the same in words.
 */
export function cardOf(map, pixels) {
  const { canvas } = map;
  const [picture, text] = [element("canvas"), element("span")];
  const card = element("div", { class: "vaelib-card", "aria-hidden": "true", hidden: "" }, text, picture);
  canvas.after(card);
  let shown;
  canvas.addEventListener("pointermove", (event) => {
    const { offsetX: x, offsetY: y } = event;
    const i = event.pointerType === "touch" || event.buttons ? -1 : map.under(x, y);
    card.hidden = i < 0;
    if (i < 0) return;
    const z = [map.codes.z[2 * i], map.codes.z[2 * i + 1]];
    if (i !== shown) paintPicture(picture, pixels(z), DIGIT);
    shown = i;
    text.textContent = `a ${map.codes.labels[i]}, at ${pairOf(z)}; below decoded`;
    // On the side of the pointer where there is more room.
    const [aside, above] = [x > map.side / 2 ? -card.offsetWidth - 12 : 12, y > map.side / 2 ? -card.offsetHeight - 4 : 4];
    card.style.left = `${canvas.offsetLeft + x + aside}px`;
    card.style.top = `${canvas.offsetTop + y + above}px`;
  });
  for (const end of ["pointerleave", "pointerdown"]) canvas.addEventListener(end, () => (card.hidden = true));
}

/** Keep maps as large as their place on the page; `update` draws them. */
export function fitMaps(signal, maps, update) {
  const fit = () => {
    for (const map of maps) map.resize();
    update();
  };
  const observer = new ResizeObserver(fit);
  // A browser's zoom may leave their size and change the screen's pixels.
  addEventListener("resize", fit, { signal });
  // Not `el`, which on a phone has no box of its own (explorer.css).
  for (const map of maps) observer.observe(map.canvas);
  signal.addEventListener("abort", () => observer.disconnect());
}

/**
 * Call `paint` at most once per frame, however often the returned function is called; the first time at once, for what
 * cannot be painted has to be known before an explorer takes its still picture's place.
 */
export function oncePerFrame(paint) {
  let [run, waiting] = [(work) => work(), false];
  return () => {
    if (waiting) return;
    waiting = true;
    run(() => {
      waiting = false;
      paint();
    });
    run = requestAnimationFrame;
  };
}

const entries = (hash) => new URLSearchParams(hash.includes("=") ? hash.replace(/^#/, "") : "");

/** What an address says of the explorer `key`, "kl1.mu=0.5&kl1.log_var=-2", within limits: trait -> [low, high, step]. */
export function fromAddress(hash, key, limits) {
  const wanted = {};
  for (const [name, text] of entries(hash)) {
    const trait = name.startsWith(`${key}.`) ? name.slice(key.length + 1) : "";
    if (!Object.hasOwn(limits, trait) || !text.trim() || !Number.isFinite(Number(text))) continue;
    const [low, high, step] = limits[trait];
    wanted[trait] = Math.min(high, Math.max(low, Number((Math.round(text / step) * step).toFixed(6))));
  }
  return wanted;
}

/** The address with those traits of the explorer `key` that are not as at `first`; what it says of others stays. */
export function toAddress(hash, key, now, first) {
  const said = entries(hash);
  for (const name of [...said.keys()]) if (name.startsWith(`${key}.`)) said.delete(name);
  for (const [name, value] of Object.entries(now)) {
    if (value !== first[name]) said.set(`${key}.${name}`, Number(Number(value).toFixed(4)));
  }
  return said.toString();
}

/**
 * Keep the traits that `limits` names, see fromAddress, in the page's address, and put them there where the address says so;
 * a notebook's address is its own. Returns what takes them back to where the page had put them. Tells `el` of that, "reset",
 * for there may be more to take back.
 */
export function keepState({ model, el, limits, signal }) {
  const names = Object.keys(limits);
  const now = () => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const first = now();
  // One after the other: what hears of the first may move another, as a slider does that is given new limits.
  const set = (traits) => {
    for (const [name, value] of Object.entries(traits)) model.set(name, value);
    model.save_changes();
  };
  const places = [...document.querySelectorAll(".widget-subarea")];
  const key = `${model.get("explorer")}${1 + places.indexOf(el.closest(".widget-subarea"))}`;
  const read = () => {
    const wanted = fromAddress(location.hash, key, limits);
    for (const name of Object.keys(wanted)) if (typeof first[name] === "boolean") wanted[name] = Boolean(wanted[name]);
    if (Object.keys(wanted).length) set(wanted);
  };
  // Browsers count how often a page changes its address, and Safari stops at 100 in half a minute.
  let timer;
  const write = () => {
    const address = toAddress(location.hash, key, now(), first);
    const hash = address ? `#${address}` : "";
    // Not in the history: the way back leads to where the reader came from. A link to a place in the page stays as it is.
    if (hash !== location.hash && (hash || location.hash.includes("=")))
      globalThis.history.replaceState(globalThis.history.state, "", hash || location.pathname + location.search);
  };
  if ("content_root" in document.documentElement.dataset) {
    read();
    addEventListener("hashchange", read, { signal });
    for (const name of names) {
      model.on(`change:${name}`, () => {
        clearTimeout(timer);
        timer = setTimeout(write, 300);
      });
    }
  }
  return () => {
    set(first);
    el.dispatchEvent(new Event("reset"));
  };
}

/** The buttons below every explorer: back to the start, where `reset` is given, and full screen, where the browser has it. */
export function addTools(box, el, reset) {
  const tools = element("div", { class: "vaelib-tools" });
  const button = (name, act) => {
    const made = element("button", { type: "button" }, name);
    made.addEventListener("click", act);
    tools.append(made);
    return made;
  };
  if (reset) button("Reset", reset);
  if (document.fullscreenEnabled) {
    const full = button("Full screen", () => {
      const work = document.fullscreenElement ? document.exitFullscreen() : box.requestFullscreen();
      // Refused: there is nothing that this button can do.
      work?.catch(() => full.remove());
    });
    box.addEventListener("fullscreenchange", () => {
      full.textContent = document.fullscreenElement === box ? "Leave full screen" : "Full screen";
    });
  }
  el.append(tools);
}

/** A line for screen readers that speaks only after things have been still for a moment. */
export function quietSpeaker(parent) {
  const line = element("p", { role: "status", class: "vaelib-unseen" });
  parent.append(line);
  let timer;
  return (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => (line.textContent = text), 800);
  };
}

/**
 * Let the point of a PlaneMap be dragged, and moved with the arrow keys. point(): where it is now; moveTo(z): called with
 * where it shall be; home(): where the Home key takes it.
 */
export function makeDraggable(map, point, moveTo, home) {
  const { canvas } = map;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  const follow = (event) => {
    const frame = canvas.getBoundingClientRect();
    moveTo(map.toPlane(event.clientX - frame.left, event.clientY - frame.top));
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    follow(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) follow(event);
  });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way && event.key !== "Home") return;
    event.preventDefault();
    event.stopPropagation();
    const pixels = Math.max(1, map.side / 60) * (event.shiftKey ? 5 : 1);
    const [x, y] = map.toScreen(point());
    moveTo(way ? map.toPlane(x + way[0] * pixels, y + way[1] * pixels) : home());
  });
}
