// Mounts an explorer when it comes into view: only then is its code loaded, and its weights.
// What is loaded, shared by all explorers of a page of the book. In a notebook each asks its kernel: one that was restarted never answers.
const cache = globalThis.vaelibLoad ? (globalThis.vaelibCache ??= new Map()) : new Map();

function once(key, make) {
  if (!cache.has(key)) {
    const made = make();
    cache.set(key, made);
    // So that it can be tried again.
    made.catch(() => cache.delete(key));
  }
  return cache.get(key);
}

/**
 * model: the widget's traits; load(path): the bytes of a file; patiently(work, say): work, and a word where it is late;
 * signal: aborts when the explorer leaves the page, or could not start.
 */
export async function start({ model, el, load, patiently, say, signal }) {
  const loadOnce = (path) => once(path, () => load(path));
  const own = async (name) => import(await address(`${name}.js`, loadOnce));
  const { joinSliders, nameSliders } = await patiently(own("sliders"), say);
  await joinSliders(model, signal);
  await Promise.all([inView(el), painted()]);
  el.textContent = "The explorer is loading …";
  await patiently((async () => {
    const [explorer] = await Promise.all([own(model.get("explorer")), addStyle(loadOnce)]);
    const { addTools, keepState } = await own("page");
    const reset = explorer.limits && keepState({ model, el, limits: explorer.limits(model), signal });
    await explorer.mount({ model, el, load: loadOnce, patiently, signal });
    const box = el.closest(".widget-box") ?? el.parentElement;
    addTools(box, el, reset);
    nameSliders(box, signal);
    // All is read and drawn: the explorer takes its still picture's place.
    box.classList.add("vaelib-explorer", ...(explorer.layout ?? []));
    for (const still of el.closest(".cell_output")?.querySelectorAll(".explorer-still") ?? []) still.hidden = true;
  })(), say);
}

/** Put the explorers' style sheet into a page that does not have it. */
async function addStyle(load) {
  const textContent = new TextDecoder().decode(await load("vaelib/explorer.css"));
  const id = "vaelib-style";
  if (!document.getElementById(id)) document.head.append(Object.assign(document.createElement("style"), { id, textContent }));
}

function inView(el) {
  return new Promise((resolve) => {
    const observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && resolve(observer.disconnect()),
      { rootMargin: "300px" },
    );
    observer.observe(el);
  });
}

// A page of the book is there to be read before half a megabyte of weights is asked for; in a notebook it is there already.
function painted() {
  if (!("content_root" in document.documentElement.dataset)) return;
  return new Promise((resolve) => {
    new PerformanceObserver((_, observer) => resolve(observer.disconnect())).observe({ type: "paint", buffered: true });
  });
}

// Modules import each other as "./name.js", which means nothing to code that was not fetched by its address. Each becomes
// a blob with an address of its own, and that is put into the modules that import it.
function address(name, load) {
  return once(`module ${name}`, async () => {
    let code = new TextDecoder().decode(await load(`vaelib/${name}`));
    const imports = [...code.matchAll(/from "\.\/([\w.]+)"/g)];
    const addresses = await Promise.all(imports.map(([, other]) => address(other, load)));
    for (const [i, [text]] of imports.entries()) code = code.replace(text, `from "${addresses[i]}"`);
    return URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  });
}
