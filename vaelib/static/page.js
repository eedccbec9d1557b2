// The small parts that all explorers share: making elements, painting a picture, and taking care of ipywidgets' sliders.

/** An element with attributes and children: element("p", { class: "note" }, "text"). */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Paint pixels in [0, 1] (C, H, W) on a canvas: one channel as ink on white, like the book's figures, or three as colour. */
export function paintPicture(canvas, pixels, [channels, height, width]) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  const size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = 255 * (channels === 1 ? 1 - pixels[i] : pixels[c * size + i]);
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** A canvas for a small picture, in a figure with its title: [canvas, figure]. */
export function pictureFrame(title) {
  const canvas = element("canvas", { class: "vaelib-picture", role: "img", "aria-label": title });
  return [canvas, element("figure", {}, canvas, element("figcaption", {}, title))];
}

/** Radio buttons with pictures, pixels(i); the names are spoken. Calls choose(i). Returns their element, and what marks one. */
export function pictureChoice(legend, names, pixels, shape, choose) {
  const name = `vaelib-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const radios = names.map((label, i) => {
    const radio = element("input", { type: "radio", name, "aria-label": label });
    radio.addEventListener("change", () => choose(i));
    return radio;
  });
  const labels = radios.map((radio, i) => {
    const picture = element("canvas", { "aria-hidden": "true" });
    paintPicture(picture, pixels(i), shape);
    return element("label", {}, radio, picture);
  });
  const group = element("fieldset", { class: "vaelib-digits" }, element("legend", {}, legend), ...labels);
  return [group, (i) => radios.forEach((radio, k) => (radio.checked = k === i))];
}

/** The parts of an explorer, side by side where there is room; each is [title, element, element …]. */
export function sideBySide(...parts) {
  const pane = ([title, ...inside]) =>
    element("div", { class: "vaelib-pane" }, element("p", { class: "vaelib-title" }, title), ...inside);
  return element("div", { class: "vaelib-panes" }, ...parts.map(pane));
}

/** Keep maps as large as their place on the page; `update` draws them. */
export function fitMaps(el, signal, maps, update) {
  const observer = new ResizeObserver(() => {
    for (const map of maps) map.resize();
    update();
  });
  observer.observe(el);
  signal.addEventListener("abort", () => observer.disconnect());
}

/** Call `paint` at most once per frame, however often the returned function is called. */
export function oncePerFrame(paint) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      paint();
    });
  };
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
 * Give the sliders beside an explorer what ipywidgets leaves out: a name on the handle for screen readers, no title that
 * says "null", and the mark that keeps Notebook 7 from taking the arrow keys. They may appear after the explorer.
 */
export function nameSliders(el, signal) {
  const box = boxOf(el);
  const repair = () => {
    for (const slider of box.querySelectorAll(".widget-slider")) {
      const handle = slider.querySelector(".noUi-handle, .ui-slider-handle");
      const label = slider.querySelector(".widget-label");
      const readout = slider.querySelector(".widget-readout");
      if (label?.title === "null") label.removeAttribute("title");
      if (!handle || !label || handle.hasAttribute("data-lm-suppress-shortcuts")) continue;
      handle.setAttribute("aria-label", label.textContent);
      handle.setAttribute("data-lm-suppress-shortcuts", "true");
      readout?.setAttribute("aria-label", `${label.textContent}, typed`);
    }
  };
  repair();
  const observer = new MutationObserver(repair);
  observer.observe(box, { childList: true, subtree: true });
  signal.addEventListener("abort", () => observer.disconnect());
}

const boxOf = (el) => el.closest(".widget-box") ?? el.parentElement; // that holds the explorer and its sliders

/** Put the explorers' style sheet into a page that does not have it. */
export async function addStyle(load) {
  const id = "vaelib-style";
  const text = new TextDecoder().decode(await load("vaelib/explorer.css"));
  if (!document.getElementById(id)) document.head.append(element("style", { id }, text));
}

/** Once all is loaded: mark the explorer and its sliders for the style sheet, and take the still picture away. */
export function comeAlive(el, ...classes) {
  boxOf(el).classList.add("vaelib-explorer", ...classes);
  for (const still of el.closest(".cell_output")?.querySelectorAll(".explorer-still") ?? []) still.hidden = true;
}

/**
 * Let the point of a PlaneMap be dragged, and moved with the arrow keys. point(): where it is now; moveTo(z): called with
 * where it shall be; home(): where the Home key takes it.
 */
export function makeDraggable(map, point, moveTo, home) {
  const { canvas } = map;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("data-lm-suppress-shortcuts", "true"); // on the focused element, or Notebook 7 takes the arrow keys
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
