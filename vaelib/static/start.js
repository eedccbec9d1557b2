// Mounts an explorer when it comes into view: only then is its code loaded, and its weights.
const cache = (globalThis.vaelibCache ??= new Map()); // of what is loaded, shared by all explorers of a page

function once(key, make) {
  if (!cache.has(key)) {
    const made = make();
    cache.set(key, made);
    made.catch(() => cache.delete(key)); // so that it can be tried again
  }
  return cache.get(key);
}

/** model: the widget's traits; load(path): the bytes of a file; signal: aborts when the explorer leaves the page. */
export async function start({ model, el, load, signal }) {
  const loadOnce = (path) => once(path, () => load(path));
  el.textContent = "The explorer is loading …";
  await inView(el, signal);
  const module = await import(await address(`${model.get("explorer")}.js`, loadOnce));
  await module.mount({ model, el, load: loadOnce, signal });
}

function inView(el, signal) {
  return new Promise((resolve) => {
    const observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && resolve(observer.disconnect()),
      { rootMargin: "300px" },
    );
    observer.observe(el);
    signal.addEventListener("abort", () => observer.disconnect());
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
