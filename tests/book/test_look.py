"""The book's face in a browser: measure, headings, code, tables, figures, the switch, print."""

import importlib.util
import re
from itertools import pairwise
from pathlib import Path

import pytest
from browsing import new_context, opened
from explorers import awake
from playwright.sync_api import expect

from .conftest import CHAPTER, PAGES, READY, STILL

pytestmark = pytest.mark.book

EVERY_CHAPTER = pytest.mark.parametrize("page", PAGES)
WAYS = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])

LINES = """() => {
  const lines = [];
  for (const p of document.querySelectorAll(".bd-article section > p")) {
    if (p.querySelector("mjx-container, code, img") || p.textContent.length < 200) continue;
    const found = new Map(), walker = document.createTreeWalker(p, NodeFilter.SHOW_TEXT);
    for (let text; (text = walker.nextNode()); )
      for (let i = 0; i < text.length; i++) {
        const range = new Range();
        range.setStart(text, i);
        range.setEnd(text, i + 1);
        const box = range.getBoundingClientRect();
        const line = Math.round(box.bottom / 12);
        if (box.width) found.set(line, (found.get(line) ?? 0) + 1);
      }
    lines.push(...[...found.values()].slice(0, -1));
  }
  return lines.sort((a, b) => a - b);
}"""
CUT = """() => {
  document.querySelectorAll("details").forEach((e) => (e.open = true));
  return [...document.querySelectorAll(".bd-article pre")]
    .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.innerText.slice(0, 80));
}"""
# The smallest writing of Matplotlib's figures has 10 points at 100 dots an inch.
WRITING = """() => [...document.querySelectorAll(".figure-box img")]
  .filter((e) => e.getClientRects().length)
  .map((e) => {
    const style = getComputedStyle(e), box = e.getBoundingClientRect().width;
    const drawn = parseFloat(style.getPropertyValue("--drawn"));
    const inner = box - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return { name: e.src, size: (10 / 72) * 100 * (inner / drawn) };
  })"""


# Each element's computed style, kept; and then, by the sheets as the theme brings them, what of it
# is another.
KEEP = """() => {
  globalThis.properties = [...getComputedStyle(document.body)];
  globalThis.styleOf = (e) => {
    const style = getComputedStyle(e);
    return properties.map((name) => style.getPropertyValue(name));
  };
  globalThis.was = new Map([...document.querySelectorAll("*")].map((e) => [e, styleOf(e)]));
  return was.size;
}"""
SWAP = """async (names) => {
  const links = [...document.querySelectorAll("link[rel=stylesheet]")].filter((e) =>
    names.includes(new URL(e.href).pathname.split("/").at(-1).replace(/\\.\\w{64}\\./, ".")));
  await Promise.all(links.map((link) => new Promise((loaded, failed) => {
    const href = link.href.split("?")[0] + "?whole";
    Object.assign(link, { onload: loaded, onerror: failed, href });
  })));
  await document.fonts.ready;
  return links.length;
}"""
OTHER = """() => {
  const other = [];
  for (const [e, before] of was)
    if (e.isConnected)
      for (const [i, value] of styleOf(e).entries())
        if (value !== before[i])
          other.push(`${e.tagName}.${e.className} ${properties[i]}: ${value} without a rule that ` +
            `is gone, it is ${before[i]}`);
  return other.slice(0, 5);
}"""
SHEETS = {
    "pydata-sphinx-theme.css": "pydata_sphinx_theme",
    "sphinx-book-theme.css": "sphinx_book_theme",
    "mystnb.css": "myst_nb",
    "togglebutton.css": "sphinx_togglebutton",
    "copybutton.css": "sphinx_copybutton",
    "sphinx-design.min.css": "sphinx_design",
}


@pytest.mark.parametrize("page", [PAGES[0], CHAPTER, "search"])
@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)], ids=["light", "dark-390"])
def test_what_is_left_out_of_style_sheets_changes_no_element(browser, address, page, dark, width):
    def answer(route) -> None:
        name = re.sub(r"\.\w{64}\.", ".", route.request.url.split("/")[-1].split("?")[0])
        package = SHEETS.get(name, "pydata_sphinx_theme")  # which brings the icons too
        (folder,) = importlib.util.find_spec(package).submodule_search_locations
        (whole,) = Path(folder).rglob(name)
        route.fulfill(path=whole)

    how = {"color_scheme": "dark" if dark else "light", "viewport": {"width": width, "height": 900}}
    with opened(browser, f"{address}{page}.html", reduced_motion="reduce", **how) as (there, _):
        there.route(re.compile(r"\.css\?whole$|fontawesome.*\.(woff2|ttf)$"), answer)
        there.evaluate(READY)
        awake(there)
        there.evaluate("document.querySelectorAll('details').forEach((e) => (e.open = true))")
        there.evaluate(STILL)
        assert there.evaluate(KEEP) > 100
        assert there.evaluate(SWAP, list(SHEETS)) == len(SHEETS)
        there.evaluate(STILL)
        assert there.evaluate(OTHER) == []


@pytest.mark.parametrize("width", [1280, 1920])
def test_a_line_of_prose_has_60_to_75_letters(browser, address, width):
    size = {"width": width, "height": 900}
    with opened(browser, f"{address}{CHAPTER}.html", viewport=size) as (page, _):
        page.evaluate(READY)
        lines = page.evaluate(LINES)
    assert len(lines) > 20
    assert 60 <= lines[len(lines) // 2] <= 75


@EVERY_CHAPTER
def test_no_code_is_cut_off_on_a_wide_page(browser, address, page):
    with opened(browser, f"{address}{page}.html") as (tab, _):
        assert tab.evaluate(CUT) == []


@EVERY_CHAPTER
@WAYS
def test_the_writing_in_figures_can_be_read_on_a_phone(browser, address, page, dark):
    options = {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark" if dark else "light",
    }
    with opened(browser, f"{address}{page}.html", **options) as (tab, _):
        tab.evaluate("document.querySelectorAll('img').forEach((e) => (e.loading = 'eager'))")
        assert [each for each in tab.evaluate(WRITING) if not each["size"] >= 9] == []


def test_each_heading_outranks_the_next_and_all_outrank_bold_text(browser, address):
    with opened(browser, f"{address}{CHAPTER}.html") as (page, _):
        sizes = page.evaluate(
            """() => ["h1", "h2", "h3", "strong"].map((name) => {
              const style = getComputedStyle(document.querySelector(`.bd-article ${name}`));
              return [parseFloat(style.fontSize), Number(style.fontWeight)];
            })"""
        )
    assert all(above > 1.15 * below for (above, _), (below, _) in pairwise(sizes))
    assert min(weight for _, weight in sizes[:3]) > sizes[3][1]


@WAYS
def test_output_tables_lie_on_the_page_s_own_ground(browser, address, dark):
    scheme = "dark" if dark else "light"
    with opened(browser, f"{address}{CHAPTER}.html", color_scheme=scheme) as (page, _):
        grounds = page.evaluate(
            """() => [...document.querySelectorAll(".cell_output .text_html:has(table)")]
              .flatMap((e) => [e, ...e.querySelectorAll("*")])
              .map((e) => getComputedStyle(e).backgroundColor)"""
        )
    assert set(grounds) == {"rgba(0, 0, 0, 0)"}


def visible_code(page) -> int:
    return page.locator("div.cell_input:visible, details.above-input:visible").count()


def test_a_switch_hides_all_code_by_key_and_is_remembered(browser, address):
    context = new_context(browser)
    page = context.new_page()
    page.goto(f"{address}{CHAPTER}.html")
    switch = page.get_by_role("button", name="Hide all code")
    expect(switch).to_have_attribute("aria-pressed", "false")
    outputs = page.locator(".cell_output:visible").count()
    assert visible_code(page) > 10
    switch.focus()
    page.keyboard.press("Enter")
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert visible_code(page) == 0
    assert page.locator(".cell_output:visible").count() == outputs
    page.goto(f"{address}chapters/01-autoencoder.html")
    switch = page.get_by_role("button", name="Hide all code")
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert visible_code(page) == 0
    switch.click()
    assert visible_code(page) > 10
    context.close()


def test_what_is_being_read_stays_in_place_when_code_goes(browser, address):
    with opened(browser, f"{address}{CHAPTER}.html") as (page, _):
        page.evaluate(READY)
        heading = page.locator("h2", has_text="Exercises")
        heading.evaluate("(e) => window.scrollTo({ top: e.offsetTop - 200, behavior: 'instant' })")
        before = heading.bounding_box()["y"]
        height = page.evaluate("document.documentElement.scrollHeight")
        # Not by a click of Playwright's, which scrolls by itself.
        page.get_by_role("button", name="Hide all code").evaluate("(e) => e.click()")
        assert page.evaluate("document.documentElement.scrollHeight") < height - 1000
        assert abs(heading.bounding_box()["y"] - before) < 2


def test_the_switch_works_where_nothing_may_be_remembered(browser, address):
    context = new_context(browser)
    context.add_init_script(
        """const real = Storage.prototype.getItem;
        Storage.prototype.getItem = function (key) {
          if (key === "code") throw new DOMException("no", "SecurityError");
          return real.call(this, key);
        };
        Storage.prototype.setItem = () => { throw new DOMException("no", "SecurityError"); };"""
    )
    page = context.new_page()
    page.goto(f"{address}{CHAPTER}.html")
    page.get_by_role("button", name="Hide all code").click()
    assert visible_code(page) == 0
    context.close()


def test_a_page_without_code_has_no_switch(browser, address):
    with opened(browser, f"{address}chapters/glossary.html") as (page, _):
        assert page.get_by_role("button", name="Hide all code").count() == 0


@EVERY_CHAPTER
def test_a_page_says_in_words_what_it_is_about(book, page):
    text = (book / f"{page}.html").read_text(encoding="utf-8")
    assert len(re.findall('<meta name="description" content="[^"]{40,260}"', text)) == 1
    assert len(re.findall('<meta property="og:title" content="[^"]+"', text)) == 1


def test_the_landing_page_is_the_site_s_index_and_bears_the_book_s_name(browser, address, book):
    text = (book / "index.html").read_text(encoding="utf-8")
    assert "refresh" not in text.lower()
    assert "<title>From autoencoders to variational autoencoders</title>" in text
    for url in (address, (book / "index.html").as_uri()):
        with opened(browser, url) as (page, seen):
            page.evaluate(READY)
            assert page.locator("article h1").count() == 1
            assert (seen.errors, seen.failed, seen.outside) == ([], [], [])
            page.locator(".bd-sidebar-primary a", has_text="Glossary").click()
            page.wait_for_url("**/chapters/glossary.html")


@pytest.mark.parametrize("where", ["", "chapters/train-it-yourself.html"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_on_a_page_that_begins_with_an_explorer_while_it_wakes(
    browser, address, width, where
):
    """Layout shift as browsers sum it: of what was not caused by the reader. .1 is called good."""
    context = new_context(browser, viewport={"width": width, "height": 844})
    page = context.new_page()
    page.add_init_script("""
      globalThis.shifts = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) shifts += entry.value;
      }).observe({ type: "layout-shift", buffered: true });
    """)
    page.goto(address + where)
    page.locator(".vaelib-explorer .vaelib-picture").first.wait_for()
    page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    assert page.evaluate("shifts") < 0.05
    context.close()


@WAYS
def test_a_page_is_in_the_reader_s_colours_before_the_theme_s_script_has_come(
    browser, address, dark
):
    """Else it is drawn twice: first with code that has no colours and other lines."""
    scheme = "dark" if dark else "light"
    context = new_context(browser, color_scheme=scheme)
    context.route("**/pydata-sphinx-theme.js*", lambda route: route.abort())
    page = context.new_page()
    page.goto(f"{address}{CHAPTER}.html")
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    context.close()


def test_an_explorer_asks_for_its_weights_when_the_page_has_been_painted(browser, address):
    context = new_context(browser)
    page = context.new_page()
    page.add_init_script("""
      const held = [];
      globalThis.PerformanceObserver = class {
        constructor(seen) { this.seen = seen; }
        observe() { held.push(this); }
        disconnect() {}
      };
      globalThis.paint = () => held.splice(0).forEach((one) => one.seen([], one));
    """)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address, wait_until="networkidle")
    assert "The explorer is loading" in page.locator(".widget-subarea").first.inner_text()
    assert [url for url in asked if "/weights/" in url] == []
    page.evaluate("paint()")
    page.locator(".vaelib-explorer .vaelib-picture").first.wait_for()
    assert [url for url in asked if "/weights/" in url]
    context.close()


def test_links_of_the_index_lead_somewhere(book):
    text = (book / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'\s(?:href|src)="([^":#?]+)["#?]', text)
    assert len(links) > 30
    assert [link for link in links if not (book / link).exists()] == []


def test_print_is_light_and_leaves_out_what_paper_has_no_use_for(browser, address):
    with opened(browser, f"{address}{CHAPTER}.html", color_scheme="dark") as (page, _):
        page.evaluate(READY)
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
            "rgb(255, 255, 255)",
            "rgba(0, 0, 0, 0)",
        )
        colour = page.evaluate("getComputedStyle(document.querySelector('article p')).color")
        assert max(map(int, re.findall(r"\d+", colour))) < 80
        for part in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article"):
            assert page.locator(f"{part}:visible").count() == 0
        assert page.evaluate(CUT) == []


def test_on_paper_a_still_stands_where_an_explorer_was(browser, address):
    with opened(browser, f"{address}chapters/09-latent-space.html") as (page, _):
        awake(page)
        stills = page.locator(".explorer-still")
        expect(stills.first).to_be_hidden()
        page.emulate_media(media="print")
        for still in stills.all():
            expect(still.locator("img")).to_be_visible()
        assert page.locator(".vaelib-explorer:visible, .widget-subarea:visible").count() == 0
