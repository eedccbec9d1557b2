// On pages of the book with explorers: loads what they ask for from the site's _static folder, as bytes. In a book opened
// from disk fetch is refused; there each file has a twin, a script that puts the same bytes as base64 into vaelibFiles.
{
  const root = new URL(`${document.documentElement.dataset.content_root || "./"}_static/`, document.baseURI);

  // Of each file of numbers, in base64, how its sha256 begins: enough against damage; book_ext/vae_book.py writes them here. Code that is damaged fails by itself.
  const SUMS = {};

  async function fetched(path) {
    const url = new URL(path, root);
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url.pathname} is not there (${answer.status})`);
    const bytes = await answer.arrayBuffer();
    // On plain http, but for localhost, browsers have no crypto.subtle: there a wrong number is not noticed.
    const wanted = SUMS[path.replace(/.*\/|\.safetensors/g, "")];
    if (wanted && globalThis.crypto?.subtle) {
      const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      if (!btoa(String.fromCharCode(...sum)).startsWith(wanted)) throw new Error(`${url.pathname} is damaged: it is not the file that the book was built with`);
    }
    return bytes;
  }

  async function fromScript(path) {
    const url = new URL(`${path}.js`, root);
    await new Promise((onload, fail) => {
      const onerror = () => fail(new Error(`${url.pathname} is not there`));
      document.head.append(Object.assign(document.createElement("script"), { src: url, onload, onerror }));
    });
    return Uint8Array.from(atob(globalThis.vaelibFiles[path]), (character) => character.charCodeAt(0)).buffer;
  }

  const load = root.protocol === "file:" ? fromScript : fetched;
  // What every explorer needs is asked for while the widgets' own scripts are still being read.
  const ahead = new Map();
  for (const name of ["start.js", "sliders.js", "engine.js", "page.js", "plane.js", "normal.js", "explorer.css"]) {
    ahead.set(`vaelib/${name}`, load(`vaelib/${name}`));
    // Whoever needs it will ask again, and say so.
    ahead.get(`vaelib/${name}`).catch(() => ahead.delete(`vaelib/${name}`));
  }
  globalThis.vaelibLoad = (path) => ahead.get(path) ?? load(path);

  // Each explorer says by itself what keeps it (loader.js). Where the widgets' own scripts do not make it, this does.
  setInterval(() => {
    for (const still of document.querySelectorAll(".explorer-still")) {
      const said = still.querySelector("p.vaelib-late");
      if (still.parentElement.querySelector(".vaelib-here")) said?.remove();
      else if (!said) {
        const textContent = "This explorer could not start: the widgets' scripts have not come in 10 seconds. Reload the page to try again.";
        still.append(Object.assign(document.createElement("p"), { className: "vaelib-late", textContent }));
      }
    }
  }, 10000);
}
