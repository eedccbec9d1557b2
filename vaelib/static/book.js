// On pages of the book with explorers: loads what they ask for from the site's _static folder, as bytes. In a book opened
// from disk fetch is refused; there each file has a twin, a script that puts the same bytes as base64 into vaelibFiles.
globalThis.vaelibLoad = async (path) => {
  const url = new URL(`${document.documentElement.dataset.content_root || "./"}_static/${path}`, document.baseURI);
  if (url.protocol !== "file:") {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url.pathname} is not there (${answer.status})`);
    return answer.arrayBuffer();
  }
  await new Promise((onload, fail) => {
    const onerror = () => fail(new Error(`${url.pathname}.js is not there`));
    document.head.append(Object.assign(document.createElement("script"), { src: `${url}.js`, onload, onerror }));
  });
  return Uint8Array.from(atob(globalThis.vaelibFiles[path]), (character) => character.charCodeAt(0)).buffer;
};
