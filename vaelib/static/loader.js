// Every explorer embeds this, and little else. A page of the book has a script that loads the rest from the site (book.js);
// in a notebook the kernel sends it. Each widget has its own copy of this module, so what they share is on globalThis.
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
    setTimeout(() => fail(new Error("no kernel answered; run this cell again")), 20000);
    model.send({ path });
  });

function render({ model, el }) {
  const load = globalThis.vaelibLoad ?? ((path) => fromKernel(path, model));
  const leaving = new AbortController();
  (async () => {
    const code = new Blob([await load("vaelib/start.js")], { type: "text/javascript" });
    const { start } = await import(URL.createObjectURL(code));
    await start({ model, el, load, signal: leaving.signal });
  })().catch((error) => (el.textContent = `This explorer could not start: ${error.message}.`));
  return () => leaving.abort();
}
export default { render };
