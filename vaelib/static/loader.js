// Every explorer embeds this, and little else. A page of the book has a script that loads the rest from the site (book.js);
// in a notebook the kernel sends it. Each widget has its own copy of this module, so what they share is on globalThis.
const SECONDS = 10;

const fromKernel = (path, model) =>
  new Promise((resolve, fail) => {
    const hear = (answer, buffers) => {
      if (answer.path !== path) return;
      model.off("msg:custom", hear);
      if (answer.error) return fail(new Error(answer.error));
      const { buffer, byteOffset: at, byteLength: size } = buffers[0];
      resolve(buffer ? buffer.slice(at, at + size) : buffers[0]);
    };
    model.on("msg:custom", hear);
    model.send({ path });
  });

function render({ model, el }) {
  const leaving = new AbortController();
  // Sphinx writes this; where it is not, there is a kernel.
  const inBook = "content_root" in document.documentElement.dataset;
  const [late, again] = inBook
    ? ["its files have not come", "Reload the page to try again; the still picture stays until then."]
    : ["no kernel answered", "It starts when a busy kernel is free; after a restart, run its cell again."];
  const say = (why) => (el.textContent = `This explorer could not start: ${why}. ${again}`);
  // Says what keeps the reader waiting, and goes on waiting: a slow connection or a busy kernel may still bring it.
  const patiently = (work, say) => {
    const timer = setTimeout(say, SECONDS * 1000, `${late} in ${SECONDS} seconds`);
    return work.finally(() => clearTimeout(timer));
  };
  const begin = async () => {
    if (inBook && !globalThis.vaelibLoad) throw new Error("book.js, a script of this page, has not come");
    const load = globalThis.vaelibLoad ?? ((path) => fromKernel(path, model));
    const code = new Blob([await patiently(load("vaelib/start.js"), say)], { type: "text/javascript" });
    const { start } = await import(URL.createObjectURL(code));
    await start({ model, el, load, patiently, say, signal: leaving.signal });
  };
  el.classList.add("vaelib-here");
  el.textContent = "The explorer is loading …";
  begin().catch((error) => {
    leaving.abort();
    say(error.message);
  });
  return () => leaving.abort();
}
export default { render };
