"""The budgets of the explorers, measured in a headless browser on the built book; see bench.py."""

import gzip
import re
import statistics
import threading
from pathlib import Path

from serve import server
from setup import find_browser

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "_build" / "html"
PAGE = "chapters/00-start-here.html"
STATIC = ROOT / "vaelib" / "static"
LOADER = STATIC / "loader.js"
VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]'
LAUNCH = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

FIRST_PICTURE = """new MutationObserver(() => {
  const there = document.querySelector(".vaelib-picture[aria-label]");
  if (there) globalThis.firstPicture ??= performance.now();
}).observe(document, { subtree: true, childList: true, attributes: true });"""

DECODE = """async ([name, latents]) => {
  const root = new URL(document.documentElement.dataset.content_root, document.baseURI).href;
  const { network, sigmoid } = await import(`${root}_static/vaelib/engine.js`);
  const answer = await fetch(`${root}_static/weights/${name}.decoder.safetensors`);
  const decode = network(await answer.arrayBuffer());
  const times = [];
  for (let i = 0; i < 500; i++) {
    const start = performance.now();
    sigmoid(decode(Array.from({ length: latents }, (_, k) => 2 * Math.sin(i * (k + 1)))));
    times.push(performance.now() - start);
  }
  return times;
}"""

# From a key on the map until the frame is drawn in which the pictures changed. The explorer paints
# in the next frame, so most of it is waiting for that.
EVENT = """async () => {
  const map = document.querySelectorAll(".vaelib-map")[1];
  const times = [];
  for (let i = 0; i < 120; i++) {
    await new Promise((go) => setTimeout(go, 5 * Math.random()));
    const start = performance.now();
    const key = i % 20 < 10 ? "ArrowRight" : "ArrowLeft";
    map.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await new Promise((go) => requestAnimationFrame(go));
    times.push(performance.now() - start);
  }
  return times;
}"""


def bench_page() -> list[tuple[str, str, str]]:
    """What a reader of the start page waits for, and what the page weighs."""
    browser_path = find_browser()
    if browser_path is None or not (BOOK / PAGE).is_file():
        return [("the explorers in a page", "not measured: needs `make book` and a browser", "")]
    from playwright.sync_api import sync_playwright

    httpd = server(BOOK, 0)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    opened = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=LAUNCH)
        for _ in range(7):
            page = browser.new_page(viewport={"width": 1280, "height": 1600})
            page.add_init_script(FIRST_PICTURE)
            page.goto(f"http://127.0.0.1:{httpd.server_port}/{PAGE}")
            page.wait_for_selector(".vaelib-picture[aria-label]")
            opened.append(page.evaluate("firstPicture"))
        digit = page.evaluate(DECODE, ["vae-mnist-2d", 2])
        face, event = page.evaluate(DECODE, ["vae-avatars", 32]), page.evaluate(EVENT)
        pages = _weights_of_pages(browser, f"http://127.0.0.1:{httpd.server_port}")
        browser.close()
    httpd.shutdown()
    httpd.server_close()
    return [
        ("a digit decoded in the page", _percentiles(digit), "4 ms (p95)"),
        ("a face decoded in the page", _percentiles(face), "16 ms (p95)"),
        ("from a key to the painted frame", _percentiles(event), "a frame, 16.7 ms"),
        ("first picture after opening", _percentiles(opened), "1500 ms"),
        *pages,
        *_sizes(),
    ]


def _percentiles(milliseconds: list[float]) -> str:
    cuts = statistics.quantiles(milliseconds, n=20)
    return f"p50 {cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms"


# What a page asked for, once its explorers are awake: paths below the book.
ASKED = """() => [document.baseURI, ...performance.getEntriesByType("resource").map((e) => e.name)]
  .map((url) => new URL(url).pathname)"""


def _weights_of_pages(browser, address: str) -> list[tuple[str, str, str]]:
    """What each chapter makes a browser fetch, in gzip as a server sends it, and of that our own
    JavaScript as it is run; the fonts and pictures are compressed already."""
    text, alive, own = {}, {}, {}
    for path in sorted((BOOK / "chapters").glob("*.html")):
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.goto(f"{address}/chapters/{path.name}", wait_until="networkidle")
        views = page.locator(f".cell_output:has({VIEW})").all()
        for view in views:
            view.scroll_into_view_if_needed()
            view.locator(".vaelib-picture, .vaelib-plot").first.wait_for()
        files = [BOOK / name.lstrip("/") for name in sorted(set(page.evaluate(ASKED)))]
        page.close()
        models = [file for file in files if file.suffix == ".safetensors"]
        packed = sum(len(gzip.compress(f.read_bytes())) for f in files if f not in models)
        (alive if views else text)[path.stem] = packed
        if views:
            scripts = [f for f in files if f.suffix == ".js" and f.parent.name == "vaelib"]
            own[path.stem] = sum(f.stat().st_size for f in scripts) + LOADER.stat().st_size
    rows = []
    for what, sizes, unit, budget in (
        ("heaviest page of text alone, gzip", text, 1e6, "1.3 MB"),
        ("heaviest page with explorers, gzip, before models", alive, 1e6, "3 MB"),
        ("most of our own JavaScript on a page", own, 1e3, "40 kB"),
    ):
        if sizes:
            name = max(sizes, key=sizes.get)
            size = f"{sizes[name] / unit:.2f} {budget.split()[1]}"
            rows.append((what, f"{size} (`{name}`)", f"at most {budget}"))
    return rows


def _sizes() -> list[tuple[str, str, str]]:
    scripts = sorted(STATIC.glob("*.js"))
    copies = [BOOK / "_static" / "vaelib" / path.name for path in scripts]
    whole, carried = (sum(p.stat().st_size for p in some) / 1000 for some in (scripts, copies))
    page = (BOOK / PAGE).read_text(encoding="utf-8")
    state = re.search(r"jupyter.widget-state\+json\">(.*?)</script>", page)[1]
    views = page.count("jupyter.widget-view+json")
    return [
        (
            "our own JavaScript, all explorers together",
            f"{whole:.0f} kB with its comments, {carried:.0f} kB as the book carries it",
            "no page loads all of it",
        ),
        ("state embedded per explorer", f"{len(state) / views / 1000:.1f} kB", "at most 8 kB"),
        ("the loader that each embeds", f"{LOADER.stat().st_size / 1000:.1f} kB", "at most 3 kB"),
        (
            "the recorded trainings",
            f"{(STATIC / 'replay.safetensors').stat().st_size / 1000:.0f} kB",
            "at most 400 kB",
        ),
    ]
