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
LAUNCH = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

FIRST_PICTURE = """new MutationObserver(() => {
  const there = document.querySelector(".vaelib-picture[aria-label]");
  if (there) globalThis.firstPicture ??= performance.now();
}).observe(document, { subtree: true, childList: true, attributes: true });"""

DECODE = """async () => {
  const root = new URL(document.documentElement.dataset.content_root, document.baseURI).href;
  const { network, sigmoid } = await import(`${root}_static/vaelib/engine.js`);
  const answer = await fetch(`${root}_static/weights/vae-mnist-2d.decoder.safetensors`);
  const decode = network(await answer.arrayBuffer());
  const times = [];
  for (let i = 0; i < 500; i++) {
    const start = performance.now();
    sigmoid(decode([2 * Math.sin(i), 2 * Math.cos(3 * i)]));
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
        decode, event = page.evaluate(DECODE), page.evaluate(EVENT)
        browser.close()
    httpd.shutdown()
    httpd.server_close()
    return [
        ("a digit decoded in the page", _percentiles(decode), "4 ms (p95)"),
        ("from a key to the painted frame", _percentiles(event), "a frame, 16.7 ms"),
        ("first picture after opening", _percentiles(opened), "1500 ms"),
        *_sizes(),
    ]


def _percentiles(milliseconds: list[float]) -> str:
    cuts = statistics.quantiles(milliseconds, n=20)
    return f"{cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms"


def _sizes() -> list[tuple[str, str, str]]:
    scripts = [path.read_bytes() for path in sorted((ROOT / "vaelib" / "static").glob("*.js"))]
    page = (BOOK / PAGE).read_text(encoding="utf-8")
    state = re.search(r"jupyter.widget-state\+json\">(.*?)</script>", page)[1]
    views = page.count("jupyter.widget-view+json")
    total = sum(map(len, scripts)) / 1000
    packed = sum(len(gzip.compress(script)) for script in scripts) / 1000
    return [
        (
            "our own JavaScript, all explorers together",
            f"{total:.0f} kB with its comments, {packed:.0f} kB gzip",
            "40 kB; a page loads what its explorers need, see tests/test_explore.py",
        ),
        ("state embedded per explorer", f"{len(state) / views / 1000:.1f} kB", "8 kB"),
    ]
