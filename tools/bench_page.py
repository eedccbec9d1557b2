"""The budgets of the explorers, measured in a headless browser on the built book; see bench.py."""

import gzip
import os
import re
import statistics
import threading
from contextlib import contextmanager
from pathlib import Path

from serve import server
from set_up import find_browser

ROOT = Path(__file__).resolve().parent.parent
BOOK = Path(os.environ.get("VAELIB_BOOK", ROOT / "_build")) / "html"
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
    opened = []
    with _opened() as (browser, address):
        for _ in range(7):
            page = browser.new_page(viewport={"width": 1280, "height": 1600})
            page.add_init_script(FIRST_PICTURE)
            page.goto(f"{address}/{PAGE}")
            page.wait_for_selector(".vaelib-picture[aria-label]")
            opened.append(page.evaluate("firstPicture"))
        digit = page.evaluate(DECODE, ["vae-mnist-2d", 2])
        face, event = page.evaluate(DECODE, ["vae-avatars", 32]), page.evaluate(EVENT)
        pages = _rows_of_weights(weights_of_pages(browser, address))
    return [
        ("a digit decoded in the page", _percentiles(digit), "4 ms (p95)"),
        ("a face decoded in the page", _percentiles(face), "16 ms (p95)"),
        ("from a key to the painted frame", _percentiles(event), "a frame, 16.7 ms"),
        ("first picture after opening", _percentiles(opened), "1000 ms"),
        *pages,
        *_sizes(),
    ]


def _percentiles(milliseconds: list[float]) -> str:
    cuts = statistics.quantiles(milliseconds, n=20)
    return f"p50 {cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms"


# What a page asked for: paths below the book.
ASKED = """() => [document.baseURI, ...performance.getEntriesByType("resource").map((e) => e.name)]
  .map((url) => new URL(url).pathname)"""
# Pictures that a page fetches only when they come near the screen.
# Of those that do not wait a browser does not look how wide they are shown.
ALL_PICTURES = """() => Promise.all([...document.images].map((image) => {
  for (const each of image.parentElement.querySelectorAll("source[sizes]"))
    each.sizes = each.sizes.replace("auto, ", "");
  image.loading = "eager";
  return image.decode().catch(() => {});
}))"""
KINDS = {
    "html": {".html"},
    "css": {".css"},
    "js": {".js", ".json"},
    "fonts": {".woff", ".woff2", ".ttf"},
    "pictures": {".png", ".webp", ".svg"},
    "models": {".safetensors"},
}


def by_kind(paths: set[str], book: Path = BOOK) -> dict[str, int]:
    """Gzip bytes of what was asked for below the book's folder, by kind; whatever is none of them
    is an error. Pictures and fonts are compressed already."""
    sizes = dict.fromkeys(KINDS, 0)
    for path in paths:
        (kind,) = [kind for kind, endings in KINDS.items() if Path(path).suffix in endings]
        sizes[kind] += len(gzip.compress((book / path.lstrip("/")).read_bytes()))
    return sizes


def weigh(browser, address: str, name: str) -> tuple[dict[str, int], dict[str, int], int]:
    """What a chapter makes a browser fetch: as it opens; in the end, with every explorer awake and
    every picture seen; and of that our own JavaScript as it is run, in bytes."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/chapters/{name}.html", wait_until="networkidle")
    opened = set(page.evaluate(ASKED))
    page.evaluate(ALL_PICTURES)
    views = page.locator(f".cell_output:has({VIEW})").all()
    for view in views:
        view.scroll_into_view_if_needed()
        view.locator(".vaelib-picture, .vaelib-plot").first.wait_for()
    page.wait_for_load_state("networkidle")
    whole = set(page.evaluate(ASKED))
    page.close()
    own = sum((BOOK / path.lstrip("/")).stat().st_size for path in whole if _is_own(path))
    loader = LOADER.stat().st_size if views else 0
    return by_kind(opened), by_kind(whole), own + loader


def _is_own(path: str) -> bool:
    return "/_static/vaelib/" in path and path.endswith(".js")


def weights_of_pages(browser, address: str) -> dict[str, tuple]:
    """:func:`weigh` of each chapter."""
    names = sorted(path.stem for path in (BOOK / "chapters").glob("*.html"))
    return {name: weigh(browser, address, name) for name in names}


def before_models(sizes: dict[str, int], *also: str) -> float:
    return sum(size for kind, size in sizes.items() if kind not in ("models", *also)) / 1e3


def _rows_of_weights(pages: dict[str, tuple]) -> list[tuple[str, str, str]]:
    opened, _, _ = pages[Path(PAGE).stem]
    rows = [
        ("the landing page as it opens, before models, gzip",
         f"{before_models(opened):.0f} kB", "at most 500 kB"),
    ]  # fmt: skip
    for what, size, budget in (
        ("heaviest chapter, before models and pictures, gzip",
         lambda _, whole, own: before_models(whole, "pictures"), "900 kB"),
        ("most pictures of a chapter", lambda _, whole, own: whole["pictures"] / 1e3, "800 kB"),
        ("most of our own JavaScript on a page", lambda _, whole, own: own / 1e3,
         "60 kB, 80 with the playground"),
    ):  # fmt: skip
        name = max(pages, key=lambda name: size(*pages[name]))
        rows.append((what, f"{size(*pages[name]):.0f} kB (`{name}`)", f"at most {budget}"))
    return rows


def print_weights() -> None:
    """The weights of all pages, a line each: python tools/bench_page.py"""
    with _opened() as (browser, address):
        print(
            f"{'page':28}{'opened':>8}" + "".join(f"{kind:>10}" for kind in KINDS) + f"{'own':>7}"
        )
        for name, (opened, whole, own) in weights_of_pages(browser, address).items():
            kilobytes = "".join(f"{size / 1e3:10.0f}" for size in whole.values())
            print(f"{name:28}{before_models(opened):8.0f}{kilobytes}{own / 1e3:7.0f}")


@contextmanager
def _opened():
    """A browser, and the address at which the book is served."""
    from playwright.sync_api import sync_playwright

    httpd = server(BOOK, 0)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=LAUNCH)
        yield browser, f"http://127.0.0.1:{httpd.server_port}"
        browser.close()
    httpd.shutdown()
    httpd.server_close()


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


if __name__ == "__main__":
    print_weights()
