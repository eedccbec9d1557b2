"""The built book, served as GitHub Pages serves it, and a browser that looks at it."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import cache
from http.server import ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
import yaml
from browsing import Visit, listen, new_context
from explorers import EXPLORERS, awake
from filelock import FileLock
from playwright.sync_api import Browser, Page

from bench_page import ALL_PICTURES, ASKED
from project import ROOT
from serve import Quiet

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text()) if (ROOT / "_toc.yml").is_file() else {}
PREFIX = (
    "/vae-book/"  # Pages serves a project below its name; a link that starts with / breaks there
)


def pages_of(node: dict) -> list[str]:
    """All files that a node of _toc.yml names, as paths without ending."""
    found = [node[key] for key in ("root", "file") if key in node]
    children = [*node.get("chapters", []), *node.get("sections", []), *node.get("parts", [])]
    return found + [page for child in children for page in pages_of(child)]


PAGES = [re.sub(r"\.(ipynb|md)$", "", page) for page in pages_of(TOC)]
# One for all: with code, folded code, figures, tables, printed output.
CHAPTER = "chapters/04-experiment"


@pytest.fixture(scope="session")
def built(tmp_path_factory, worker_id, aloud) -> Path:
    """The output folder of a fresh build; or the one that VAELIB_BOOK names (…/_build). Of the
    workers that want one, the first builds it, and the others wait for that."""
    if given := os.environ.get("VAELIB_BOOK"):
        return Path(given)
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent  # the run's, that all workers share
    out, ended = base / "book", base / "book.ended"
    command = [sys.executable, ROOT / "tools" / "build_book.py", out]
    with FileLock(base / "book.lock"):
        if not ended.exists():
            with aloud():
                print(file=sys.stderr, flush=True)
                status = subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode
            ended.write_text(str(status))
    if int(ended.read_text()):
        pytest.fail("the book does not build; what is wrong is said above, where it was built")
    return out / "_build"


@pytest.fixture(scope="session")
def book(built) -> Path:
    """The folder of the pages."""
    return built / "html"


@pytest.fixture(scope="session")
def executed(built) -> dict[str, dict]:
    """The notebooks as the build ran them: path without ending -> the notebook, with outputs."""
    folder = built / "jupyter_execute"
    return {
        str(path.relative_to(folder).with_suffix("")): json.loads(path.read_text())
        for path in sorted(folder.rglob("*.ipynb"))
    }


def pages_of_explorers() -> dict[str, list[str]]:
    """Of a small book, a page for each explorer."""
    shows = "from vaelib import explore\n\nexplore."
    return {name: [f"# {name}", shows + case.call] for name, case in EXPLORERS.items()}


def build_small(source: Path, pages: dict[str, list[str]]) -> Path:
    """A book in `source` with the real book's settings; the folder of its pages. It begins with a
    page of text alone; pages: name in chapters/ -> its text, and a code cell for each string more.
    """
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    (source / "chapters").mkdir()
    for name, (text, *cells) in pages.items():
        notebook.cells = [
            nbformat.v4.new_markdown_cell(text),
            *map(nbformat.v4.new_code_cell, cells),
        ]
        nbformat.write(notebook, source / "chapters" / f"{name}.ipynb")
    (source / "intro.md").write_text("# Text alone\n\nNothing moves here.\n")
    chapters = [{"file": f"chapters/{name}"} for name in pages]
    contents = {"format": "jb-book", "root": "intro", "chapters": chapters}
    (source / "_toc.yml").write_text(yaml.safe_dump(contents))
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    extensions = settings["sphinx"]["local_extensions"]
    settings["sphinx"]["local_extensions"] = dict.fromkeys(extensions, str(ROOT / "book_ext"))
    shutil.copytree(ROOT / "book_ext" / "static", source / "book_ext" / "static")
    # In the order of the real settings: the pages' scripts are loaded in it.
    (source / "_config.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
    command = [Path(sys.executable).with_name("jupyter-book"), "build", "-n", "-W", "--keep-going"]
    run = subprocess.run(
        [*command, source], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-2000:]
    return source / "_build" / "html"


@contextmanager
def serving(folder: Path):
    """Serve a built book below a folder, as on Pages; yields its address."""

    class BelowPrefix(Quiet):
        def translate_path(self, path: str) -> str:
            return super().translate_path(path.removeprefix(PREFIX[:-1]))

        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), BelowPrefix)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}{PREFIX}"
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture(scope="session")
def address(book) -> str:
    """Where the book is served."""
    with serving(book) as where:
        yield where


@pytest.fixture(scope="session")
def visit(browser, address):
    """visit(page, dark=False, width=1280) -> Visit; a page is opened once for each way."""
    seen: dict[tuple, Visit] = {}

    def go(page: str, dark: bool = False, width: int = 1280) -> Visit:
        key = (page, dark, width)
        if key not in seen:
            seen[key] = look(browser, address, f"{address}{page}.html", dark, width)
        return seen[key]

    return go


READY = """async () => {
  await window.MathJax?.startup.promise;
  await (ALL_PICTURES)();
  const views = document.querySelectorAll(
    'script[type="application/vnd.jupyter.widget-view+json"]').length;
  const until = Date.now() + 15000;
  const drawn = () => document.querySelectorAll('.widget-subarea .jupyter-widgets, ' +
    '.cell_output .jupyter-widgets').length;
  while (views && drawn() < views && Date.now() < until)
    await new Promise((done) => setTimeout(done, 50));
}""".replace("ALL_PICTURES", ALL_PICTURES)

FACTS = """() => {
  const visible = (e) => e.getClientRects().length && getComputedStyle(e).visibility !== 'hidden';
  const channels = (colour) => (colour.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0.9) return c;
    }
    return [255, 255, 255];
  };
  const light = (c) => c.slice(0, 3)
    .map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (e) => {
    const [a, b] = [light(channels(getComputedStyle(e).color)), light(ground(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const article = document.querySelector('.bd-article') ?? document.body;
  const words = (cell) => {
    const found = [], walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let text; (text = walker.nextNode()); ) {
      if (text.parentElement.closest('mjx-container')) continue;
      for (const { 0: word, index } of text.data.matchAll(/[\\p{L}\\p{N}_'’]+/gu)) {
        found.push(new Range());
        found.at(-1).setStart(text, index);
        found.at(-1).setEnd(text, index + word.length);
      }
    }
    return found;
  };
  const onTwoLines = (range) => {
    const boxes = [...range.getClientRects()];
    return boxes.length && boxes.at(-1).top >= boxes[0].bottom - 1;
  };
  const texts = [...article.querySelectorAll('h1, h2, h3, p, li, td, th, summary, p a')];
  const faint = texts.filter(visible).filter((e) => e.textContent.trim())
    .map((e) => [contrast(e), e.textContent.trim().slice(0, 60)]).filter(([c]) => c < 4.5);
  const images = [...article.querySelectorAll('img')];
  const prose = article.cloneNode(true);
  prose.querySelectorAll('pre, code, script, style, mjx-container').forEach((e) => e.remove());
  // What formulas show is in their style sheet; the same text, for screen readers, is in the page.
  const formulas = [...document.querySelectorAll('mjx-container')];
  return {
    theme: document.documentElement.dataset.theme,
    text: article.innerText,
    backslashes: [prose, ...formulas].map((e) => e.textContent)
      .flatMap((text) => text.match(/.{0,20}\\\\[A-Za-z_{].{0,20}/g) ?? []),
    brokenWords: [...document.querySelectorAll('td, th')].flatMap(words).filter(onTwoLines)
      .map(String),
    sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    faint: faint.slice(0, 5),
    brokenImages: images.filter((i) => !i.complete || !i.naturalWidth).map((i) => i.src),
    squeezed: images.filter(visible).filter((i) => {
      const { width, height } = i.getBoundingClientRect();
      return Math.abs((width / height) * (i.naturalHeight / i.naturalWidth) - 1) > 0.02;
    }).map((i) => i.alt),
    mathErrors: [...document.querySelectorAll('mjx-merror, [data-mjx-error]')]
      .map((e) => e.getAttribute('data-mjx-error') ?? e.textContent),
    formulas: document.querySelectorAll('mjx-container').length,
    views: document.querySelectorAll(
      'script[type="application/vnd.jupyter.widget-view+json"]').length,
    widgets: document.querySelectorAll('.cell_output .jupyter-widgets').length,
    scripts: [...document.scripts].map((s) => s.src).filter(Boolean),
  };
}"""


# What scrolls, and no key gets there: the theme makes such boxes stops for the Tab key, a moment
# after the page has changed.
UNREACHABLE = """async () => {
  const boxes = '.pst-scrollable-table-container, .cell_output > .output, .bd-article pre';
  const found = () => [...document.querySelectorAll(boxes)]
    .filter((e) => e.scrollWidth > e.clientWidth && e.tabIndex < 0).map((e) => e.innerText);
  const until = Date.now() + 3000;
  while (found().length && Date.now() < until)
    await new Promise((done) => setTimeout(done, 50));
  return found();
}"""


@cache
def axe() -> str:
    path = ROOT / ".cache" / "axe" / "axe.min.js"
    if not path.is_file():
        pytest.fail(f"{path} is missing; `make test` and `make test-book` fetch it.")
    return path.read_text(encoding="utf-8")


# What fades in, as opened details do, is on its way to its colours: axe would see some of them.
STILL = """() => Promise.all(document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().endTime < Infinity)
  .map((one) => one.finished.catch(() => {})))"""


def barriers(page: Page) -> list[str]:
    """What axe finds on a page that keeps somebody out, a line for each thing."""
    page.evaluate(axe())
    page.evaluate(STILL)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{rule['impact']} {rule['id']}: {node['target'][-1]} {node['html'][:120]} {colours(node)}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def colours(node: dict) -> str:
    """Which colours axe saw, where it judged them."""
    seen = [check["data"] for check in node["any"] if isinstance(check["data"], dict)]
    return " ".join(f"{d['fgColor']} on {d['bgColor']}" for d in seen if d.get("fgColor"))


def look(browser: Browser, address: str, url: str, dark: bool, width: int) -> Visit:
    """Open a page, let it finish, and note what it did."""
    visit = Visit()
    scheme, size = "dark" if dark else "light", {"width": width, "height": 900}
    context = new_context(browser, color_scheme=scheme, viewport=size)
    page = context.new_page()
    listen(page, visit, address.removesuffix(PREFIX))
    page.goto(url, wait_until="networkidle")
    page.evaluate(READY)
    page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    visit.facts = page.evaluate(FACTS)
    if not (dark and width < 1280):  # colours depend on one, what scrolls on the other
        awake(page)
        visit.facts["barriers"] = barriers(page)
        visit.facts["unreachable"] = page.evaluate(UNREACHABLE)
        visit.facts["asked"] = [path.removeprefix(PREFIX) for path in set(page.evaluate(ASKED))]
    context.close()
    return visit
