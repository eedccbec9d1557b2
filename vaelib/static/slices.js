// Long work in a page: a slice of time at once, and given up where it is asked for anew.

// The main thread is free again after so many milliseconds.
const SLICE = 16;

/** Do the work for each thing, a slice of time at once. Throws what `signal` was aborted for. */
export async function slowly(things, work, signal) {
  let until = performance.now() + SLICE;
  for (const [i, thing] of things.entries()) {
    work(thing, i);
    if (performance.now() < until) continue;
    await new Promise((done) => setTimeout(done));
    signal?.throwIfAborted();
    until = performance.now() + SLICE;
  }
}

/** What calls work(signal) and gives up the call before, or any once the explorer leaves; meanwhile `el` is busy. */
export function newest(el, leaving, work) {
  let working;
  leaving.addEventListener("abort", () => working?.abort());
  return async () => {
    working?.abort();
    const mine = (working = new AbortController());
    el.setAttribute("aria-busy", "true");
    try {
      await work(mine.signal);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
    if (mine === working) el.setAttribute("aria-busy", "false");
  };
}
