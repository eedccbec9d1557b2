// Sets a page's formulas without keeping its reader waiting: MathJax, a megabyte, is asked for when the page has been painted,
// and sets a few formulas at a time, those in sight first. Until then each stands there as it was written: it can be read,
// also aloud, and searched for, which it could not by MathJax's own ui/lazy, that leaves a gap until one scrolls to it.
{
  const FEW = 8;
  const program = new URL("tex-chtml.js", document.currentScript.src).href;
  const idle = globalThis.requestIdleCallback ?? setTimeout;
  const free = () => new Promise((go) => idle(go));
  // What MathJax is told to look into, see options.processHtmlClass; all else of a page it is told to leave alone.
  const waiting = () => [...document.querySelectorAll(".math, .mathjax_process, .tex2jax_process, .output_area")];
  const inSight = (place) => {
    const { top, bottom } = place.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  };

  // Between a formula and the full stop behind it a browser would begin a line.
  const END = /^[.,;:!?)\]’”]+/;
  function keepEnd(place) {
    const [end] = (place.nextSibling instanceof Text && place.nextSibling.data.match(END)) || [];
    if (!end || place.localName !== "span") return;
    const whole = document.createElement("span");
    whole.style.whiteSpace = "nowrap";
    place.nextSibling.deleteData(0, end.length);
    place.replaceWith(whole);
    whole.append(place, end);
  }

  async function setAll() {
    const places = waiting();
    const near = new Set(places.filter(inSight));
    places.sort((a, b) => near.has(b) - near.has(a));
    // Who prints now waits for the rest.
    const print = () => {
      const rest = places.splice(0);
      MathJax.typeset(rest);
      rest.forEach(keepEnd);
    };
    addEventListener("beforeprint", print);
    while (places.length) {
      await free();
      const few = places.splice(0, FEW);
      await MathJax.typesetPromise(few);
      few.forEach(keepEnd);
    }
    removeEventListener("beforeprint", print);
  }

  const mathJax = (window.MathJax ??= {});
  // Whoever waits for MathJax.startup.promise finds it before MathJax is here, which puts its own in this one's place.
  const promise = new Promise((set, fail) => {
    const pageReady = () => setAll().then(set, fail);
    const ask = (_, observer) => {
      observer.disconnect();
      mathJax.startup = { ...mathJax.startup, pageReady };
      document.head.append(Object.assign(document.createElement("script"), { src: program, onerror: fail }));
    };
    // By then all that has something to tell MathJax has told it (widgets/boot.js).
    addEventListener("DOMContentLoaded", () => new PerformanceObserver(ask).observe({ type: "paint", buffered: true }));
  });
  mathJax.startup = { ...mathJax.startup, promise };
}
