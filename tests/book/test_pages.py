"""The built book in a browser: every page, light and dark, wide and narrow, with no network."""

import re
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browsing import opened
from bs4 import BeautifulSoup
from explorers import holds
from PIL import Image
from playwright.sync_api import expect

from bench_page import by_kind
from project import ROOT
from vaelib.explorers import Canvas

from .conftest import CHAPTER, PAGES, barriers

pytestmark = pytest.mark.book

WAYS = [(False, 1280), (True, 1280), (False, 390)]
ALL = [*PAGES, "search", "genindex"]
# CHAPTER alone is asked what lies in the theme and not in a page: a dark phone, and widths between.
EVERY_PAGE = pytest.mark.parametrize("page", ALL)
EVERY_CHAPTER = pytest.mark.parametrize("page", PAGES)
EVERY_WAY = pytest.mark.parametrize(
    ("page", "dark", "width"),
    [*((page, *way) for page in ALL for way in WAYS), (CHAPTER, True, 390)],
    ids=lambda value: {False: "light", True: "dark"}.get(value),
)


def at_widths(everywhere: list[int], once: list[int]):
    """Each page at some widths, and one of them at others."""
    pairs = [(page, width) for page in ALL for width in everywhere]
    return pytest.mark.parametrize(("page", "width"), pairs + [(CHAPTER, width) for width in once])


# Text that a page shows only when something was not rendered.
RAW = r"```|:::|\{(ref|doc|cite\w*|numref|eq|term|math)\}`|\$\$|<details|\\begin\{"
PROGRESS_BAR = re.compile(r"^.*\|.*\[.*(it|step|B|s|\?)(/s|/it)?.*\]\s*$|^\s*$")


@EVERY_WAY
def test_page_asks_nothing_of_any_other_server(visit, page, dark, width):
    assert visit(page, dark, width).outside == []


@EVERY_WAY
def test_page_opens_without_errors(visit, page, dark, width):
    seen = visit(page, dark, width)
    assert (seen.errors, seen.failed) == ([], [])
    assert seen.facts["theme"] == ("dark" if dark else "light")


@EVERY_PAGE
@pytest.mark.parametrize("width", [320, 390])
def test_page_fits_a_phone(visit, page, width):
    assert visit(page, False, width).facts["sideways"] <= 0


@EVERY_CHAPTER
@pytest.mark.parametrize("width", [390, 1280])
def test_pictures_keep_their_proportions(visit, page, width):
    assert visit(page, width=width).facts["squeezed"] == []


@EVERY_PAGE
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_words_in_tables_stay_whole(visit, page, width):
    assert visit(page, width=width).facts["brokenWords"] == []


@EVERY_PAGE
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_what_scrolls_is_reached_with_the_tab_key(visit, page, width):
    assert visit(page, width=width).facts["unreachable"] == []


def follow_last_link(tab, menu):
    """Tap the menu's last link that leads to another page, and see that the page comes."""
    link = menu.locator("li:not(.current) > a:visible").last
    target = link.evaluate("(a) => a.href")
    link.tap()
    tab.wait_for_url(target)


@at_widths([390], [768, 900])
def test_the_menu_opens_over_a_narrow_page_and_leads_to_a_chapter(browser, address, page, width):
    with at_a_touch(browser, address, page, width) as tab:
        button, menu = tab.locator(".primary-toggle:visible"), tab.locator("dialog:visible")
        button.tap()
        expect(menu).to_have_id("pst-primary-sidebar-modal")
        tab.keyboard.press("Escape")
        expect(menu).to_have_count(0)
        button.tap()
        follow_last_link(tab, menu)
        expect(menu).to_have_count(0)


@pytest.mark.parametrize("page", [PAGES[0], CHAPTER, "search"])
def test_the_menu_s_button_hides_and_shows_the_sidebar_of_a_wide_page(browser, address, page):
    with at_a_touch(browser, address, page, 1280) as tab:
        button, sidebar = tab.locator(".primary-toggle:visible"), tab.locator(".bd-sidebar-primary")
        expect(sidebar).to_be_visible()
        for change in ("hidden", "visible"):
            button.tap()
            sidebar.wait_for(state=change)
        follow_last_link(tab, sidebar)


@at_widths([390, 1280], [768, 900, 1100])
def test_the_contents_lead_to_a_heading_that_is_then_seen(browser, address, book, page, width):
    if not soup_of(book / f"{page}.html").select("#pst-secondary-sidebar a"):
        return  # a page without headings has no contents
    with at_a_touch(browser, address, page, width) as tab:
        button, contents = tab.locator(".secondary-toggle:visible"), tab.locator("dialog:visible")
        if width < 1200:  # from there on they are always beside the text
            button.tap()
            expect(contents).to_have_id("pst-secondary-sidebar-modal")
            tab.keyboard.press("Escape")
            expect(contents).to_have_count(0)
            button.tap()
        link = tab.locator(".bd-sidebar-secondary a:visible").last
        target = link.evaluate("(a) => a.hash")
        link.tap()
        expect(contents).to_have_count(0)
        assert unquote(urlsplit(tab.url).fragment) == unquote(target[1:])
        tab.evaluate(holds(f"({IS_SEEN})(id)", "id"), unquote(target[1:]))


# The heading of a section, in view and not below something else.
IS_SEEN = """(id) => {
  const section = document.getElementById(id);
  const heading = section.querySelector("h1, h2, h3, h4") ?? section;
  const { left, top, height } = heading.getBoundingClientRect();
  return heading.contains(document.elementFromPoint(left + 5, top + height / 2));
}"""


@contextmanager
def at_a_touch(browser, address, page, width):
    """A page under a finger, on a screen so wide; nothing may go wrong in it."""
    size = {"width": width, "height": 900}
    url = f"{address}{page}.html"
    with opened(browser, url, viewport=size, has_touch=True) as (tab, seen):
        yield tab
        assert (seen.errors, seen.outside) == ([], [])


@EVERY_CHAPTER
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(visit, page, dark):
    assert visit(page, dark, 1280).facts["faint"] == []


@EVERY_PAGE
@pytest.mark.parametrize(("dark", "width"), WAYS, ids=["light", "dark", "light-390"])
def test_axe_finds_nothing_serious_on_a_page(visit, page, dark, width):
    """With every explorer of the page awake."""
    assert visit(page, dark, width).facts["barriers"] == []


FADING = """<html lang=en><title>Fades in</title><style>
  @keyframes fade { 0% { opacity: 0; } }
  p { animation: fade 1.5s linear; color: COLOUR; }
</style><main><h1>A page</h1><p>A line that comes slowly.</p></main>"""


@pytest.mark.parametrize(("colour", "found"), [("#555", 0), ("#aaa", 1)])
def test_axe_judges_the_colours_that_a_reader_sees_once_things_are_still(browser, colour, found):
    page = browser.new_page()
    page.set_content(FADING.replace("COLOUR", colour))
    seen = barriers(page)
    page.close()
    assert len(seen) == found, seen
    assert all("color-contrast" in line and "#aaaaaa on #ffffff" in line for line in seen)


@EVERY_CHAPTER
def test_everything_on_the_page_is_rendered(visit, page):
    facts = visit(page).facts
    assert facts["mathErrors"] == []
    assert facts["brokenImages"] == []
    assert facts["widgets"] >= facts["views"]
    assert facts["backslashes"] == []
    prose = re.sub(r"(?m)^ {4}.*$", "", facts["text"])
    assert re.findall(RAW, prose) == []


@EVERY_CHAPTER
def test_scripts_are_loaded_only_where_they_are_needed(visit, page):
    facts = visit(page).facts
    loaded = " ".join(facts["scripts"])
    assert ("tex-chtml.js" in loaded) == (facts["formulas"] > 0)
    assert ("vaelib/widgets.js" in loaded) == (facts["views"] > 0)
    assert "embed-amd.js" not in loaded
    assert "thebe" not in loaded


@EVERY_CHAPTER
def test_a_page_loads_little_of_our_own_javascript(book, visit, page):
    """All that its explorers need, with the loader that each of them embeds; none without any."""
    facts = visit(page).facts
    ours = [path for path in facts["asked"] if re.fullmatch(r"_static/vaelib/.*\.js", path)]
    assert (len(ours) > 0) == (facts["views"] > 0)
    limit = 80_000 if page == "chapters/train-it-yourself" else 60_000
    assert sum((book / path).stat().st_size for path in ours) + len(Canvas._esm) <= limit


@EVERY_CHAPTER
def test_a_page_with_every_explorer_awake_and_every_picture_seen_keeps_its_budget(
    book, visit, page
):
    """Compressed, before models."""
    sizes = by_kind(visit(page).facts["asked"], book)
    pictures, rest = sizes["pictures"], sum(sizes.values()) - sizes["models"] - sizes["pictures"]
    assert rest > 20_000, "its style sheets alone weigh more"
    assert rest <= (500_000 if page == PAGES[0] else 900_000)
    assert pictures <= 800_000


@EVERY_CHAPTER
def test_every_picture_has_an_alt_text(book, page):
    pictures = soup_of(book / f"{page}.html").select("article img, .bd-article img")
    # Where an author gives none, Sphinx writes the file's name.
    without = [i["src"] for i in pictures if not i.get("alt") or "_images" in i["alt"]]
    assert not without, f'give the cell alt="…" in the draft, or mystnb.image.alt: {without}'


@EVERY_CHAPTER
def test_pictures_say_their_size_and_all_but_the_first_wait_until_they_are_near(book, page):
    pictures = soup_of(book / f"{page}.html").select("img[src*=_images]")
    sized = [i for i in pictures if i["src"].endswith(".png")]
    assert [
        i["src"] for i in sized if not i.get("width") and "width" not in i.get("style", "")
    ] == []
    assert [i["src"] for i in pictures[1:] if i.get("loading") != "lazy"] == []


@EVERY_CHAPTER
def test_figures_are_sharp_where_a_screen_has_two_pixels_for_each_of_css(book, page):
    folder = (book / f"{page}.html").parent
    for figure in soup_of(book / f"{page}.html").select(".figure-box img[src$='.png']"):
        with Image.open(folder / figure["src"]) as picture:
            assert abs(picture.width - 2 * int(figure["width"])) <= 1, figure["alt"]


@EVERY_PAGE
def test_scripts_keep_nobody_waiting_and_the_search_is_loaded_where_one_searches(book, page):
    scripts = soup_of(book / f"{page}.html").select("script[src]")
    assert [one["src"] for one in scripts if not one.has_attr("defer")] == []
    searching = [one for one in scripts if "searchindex" in one["src"]]
    assert bool(searching) == (page == "search")


def test_searching_finds_a_chapter(browser, address):
    with opened(browser, f"{address}search.html?q=reparameterisation") as (page, seen):
        page.locator("#search-results li a").first.wait_for()
        assert (seen.errors, seen.failed, seen.outside) == ([], [], [])


def test_the_header_s_buttons_work_under_the_page_s_policy(browser, address):
    with opened(browser, f"{address}{PAGES[1]}.html") as (page, seen):
        page.evaluate("() => { window.print = () => { globalThis.printed = true; }; }")
        for button in page.locator("[onclick]").all():
            button.evaluate("(e) => e.click()")
        assert page.evaluate("globalThis.printed")
        assert seen.errors == []


@EVERY_PAGE
def test_links_inside_the_book_lead_somewhere(book, page):
    path = book / f"{page}.html"
    dead = []
    for link in soup_of(path).select("a[href]"):
        url = urlsplit(link["href"])
        if url.scheme or url.netloc or (not url.path and not url.fragment):
            continue
        target = (path.parent / unquote(url.path)).resolve() if url.path else path
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file() or (url.fragment and not has_anchor(target, url.fragment)):
            dead.append(link["href"])
    assert dead == []


def has_anchor(path: Path, fragment: str) -> bool:
    return path.suffix != ".html" or unquote(fragment) in anchors(path)


@cache
def anchors(path: Path) -> set[str]:
    return {tag["id"] for tag in soup_of(path).select("[id]")}


@cache
def soup_of(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_the_front_door_leads_to_the_first_chapter(book):
    assert f"{PAGES[0]}.html" in (book / "index.html").read_text()


def test_no_chapter_wrote_a_warning(executed):
    """The pages leave stderr out, for the progress bars' sake; anything else there is a defect."""
    found = []
    for name, notebook in executed.items():
        for i, cell in enumerate(notebook["cells"]):
            for output in cell.get("outputs", []):
                if output.get("name") == "stderr":
                    lines = re.split(r"[\r\n]", "".join(output["text"]))
                    found += [(name, i, line) for line in lines if not PROGRESS_BAR.match(line)]
    assert found == []


def test_no_output_is_an_object_s_address(executed):
    """`<Axes at 0x7f…>` tells a reader nothing: end the cell with a semicolon."""
    found = [
        (name, i, text)
        for name, notebook in executed.items()
        for i, cell in enumerate(notebook["cells"])
        for output in cell.get("outputs", [])
        for text in ["".join(output.get("data", {}).get("text/plain", ""))]
        if re.search(r"<.* at 0x[0-9a-f]+>|^<(Figure|Axes)", text)
        and "image/png" not in output["data"]
    ]
    assert found == []


def test_every_chapter_of_the_contents_was_executed(executed):
    notebooks = [page for page in PAGES if (ROOT / f"{page}.ipynb").is_file()]
    assert len(notebooks) > 10
    assert set(notebooks) <= set(executed)
    unrun = [
        (name, i)
        for name in notebooks
        for i, cell in enumerate(executed[name]["cells"])
        if cell["cell_type"] == "code" and cell["execution_count"] is None
    ]
    assert unrun == []


def test_the_weights_lie_where_the_pages_look(book):
    for path in (book / "_static" / "weights").glob("*.safetensors"):
        assert path.with_name(path.name + ".js").is_file()


def test_no_page_names_a_foreign_script_or_style(book):
    """What the browser's test cannot see: a script that would be fetched only on a click."""
    foreign = []
    for path in book.rglob("*.html"):
        for tag in soup_of(path).select("script[src], link[rel=stylesheet], img[src], iframe[src]"):
            url = tag.get("src") or tag.get("href")
            if urlsplit(url).netloc:
                foreign.append((path.name, url))
    assert foreign == []
