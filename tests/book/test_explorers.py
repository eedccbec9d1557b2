"""The explorers in a browser, in a small book that is built for these tests.

A book of its own, because some tests damage it: what a reader sees where a file is missing is part
of what is promised. The real book's pages are looked at by test_pages.py.
"""

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from browsing import Visit, listen, new_context, opened
from explorers import (
    AE,
    BARE,
    EXPLORERS,
    HANDLE,
    HANDLES,
    LEVELS,
    START,
    VAE,
    assert_every_slider_moves_the_pictures,
    assert_pictures_are_pytorchs,
    assert_says_the_librarys_kl,
    assert_shows_the_chosen_digit,
    assert_shows_the_mixed_face,
    assert_shows_the_model_of_its_beta,
    assert_shows_the_recorded_step,
    assert_shows_the_sample,
    awake,
    bounds_of,
    decoded,
    digit_in_levels,
    drawings,
    expected_sample,
    far_from_its_end,
    holds,
    model,
    painted,
    point,
    press_arrow,
    samples_of,
    says,
    settle,
)  # fmt: skip
from playwright.sync_api import Page

from vaelib import explore, explorer_assets, weights
from vaelib.latent import decode_images

from .conftest import PAGES, PREFIX, barriers, build_small, pages_of_explorers, serving

pytestmark = pytest.mark.book

EXPLORER = "chapters/explorer.html"
MAPS = ".vaelib-map"
FOREIGN = "foreign"  # a page with a widget that our few lines do not draw
TOUR = "tour"  # a page as the landing page begins
TWO = "two"  # two of a kind, and another
# Of a canvas: what is left of its curves and below them, where the numbers of its axes are.
NUMBERS = """(canvas) => {
  const g = canvas.getContext("2d"), { width, height } = canvas;
  const parts = [[0, 0, 30, height], [0, height - 16, width, 16]];
  return parts.map((part) => [...g.getImageData(...part).data].join());
}"""
ABOVE = "# Far above\n\n" + "A line of text.\n\n" * 60


@pytest.fixture(scope="session")
def small_book(tmp_path_factory) -> Path:
    """A book with the real book's settings: a page of text, and one for each explorer; or the one
    that VAELIB_SMALL_BOOK names (…/html)."""
    if given := os.environ.get("VAELIB_SMALL_BOOK"):
        return Path(given)
    shows, pages = "from vaelib import explore\n\nexplore.", pages_of_explorers()
    pages["explorer"][0] = ABOVE
    other = "import ipywidgets\n\nipywidgets.IntSlider(description='n')"
    title = "# A slider of somebody else, and an explorer"
    pages[FOREIGN] = [title, other, f"{shows}kl_playground()"]
    pages[TOUR] = ["# A tour of the digits", f"{shows}draw_a_digit(tour=True)"]
    calls = ("kl_playground()", "kl_playground(2, 1)", "beta_explorer(beta=0.5)")
    pages[TWO] = ["# Two of a kind", *(shows + call for call in calls)]
    return build_small(tmp_path_factory.mktemp("small"), pages)


@pytest.fixture(scope="session")
def small_address(small_book) -> str:
    with serving(small_book) as where:
        yield where


@contextmanager
def explorer_at(browser, url: str):
    """The explorer, awake; no test may leave a trace of an error."""
    with opened(browser, url) as (page, visit):
        assert len(awake(page)) == 1
        yield page
        assert (visit.errors, visit.failed, visit.outside) == ([], [], [])


@pytest.fixture
def explorer(browser, small_address):
    """The explorer's page, from a server."""
    with explorer_at(browser, small_address + EXPLORER) as page:
        yield page


@pytest.fixture(params=["http", "file"])
def explorer_anywhere(request, browser, small_book, small_address):
    """The same from a server, and from disk."""
    disk = (small_book / EXPLORER).as_uri()
    url = small_address + EXPLORER if request.param == "http" else disk
    with explorer_at(browser, url) as page:
        yield page


@pytest.mark.parametrize("place", ["http", "file"])
@pytest.mark.parametrize("name", EXPLORERS)
def test_every_slider_moves_the_pictures_by_keyboard_and_by_mouse(
    browser, small_book, small_address, name, place
):
    path = f"chapters/{name}.html"
    url = small_address + path if place == "http" else (small_book / path).as_uri()
    with explorer_at(browser, url) as page:
        assert_every_slider_moves_the_pictures(page, page, name)


def test_pictures_equal_pytorchs(explorer_anywhere):
    page = explorer_anywhere
    assert point(page) == START
    assert_pictures_are_pytorchs(page)
    # The panes are not exchanged: each is far from the other model's picture.
    assert (painted(page).flip(0) - decoded(START)).abs().max() > 20 * LEVELS


@pytest.mark.parametrize("slider", [0, 1])
def test_a_slider_moves_by_keyboard(explorer_anywhere, slider):
    page = explorer_anywhere
    handle = page.locator(HANDLES).nth(slider)
    handle.focus()
    for key, change in (("ArrowRight", 0.05), ("ArrowLeft", -0.05), ("PageUp", 0.25)):
        before, picture = point(page), painted(page)
        handle.press(key)
        settle(page)
        assert point(page)[slider] - before[slider] == pytest.approx(change, abs=0.011)
        assert point(page)[1 - slider] == before[1 - slider]
        assert (painted(page) != picture).any(1).all()
        assert_pictures_are_pytorchs(page)
    for key in ("Home", "End"):
        handle.press(key)
        settle(page)
        assert_pictures_are_pytorchs(page)


@pytest.mark.parametrize("pane", [0, 1])
def test_dragging_the_point_on_a_map_moves_sliders_and_both_pictures(explorer_anywhere, pane):
    page = explorer_anywhere
    low1, high1, low2, high2 = explore.code_box((AE, VAE)[pane])
    canvas = page.locator(".vaelib-map").nth(pane)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    for share in (0.6, 0.75):
        picture = painted(page)
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * share)
        settle(page)
        assert (painted(page) != picture).any(1).all()
        assert_pictures_are_pytorchs(page)
    page.mouse.up()
    z1, z2 = point(page)
    # The map has a margin for its numbers, hence the width of the bound.
    assert (z1 - low1) / (high1 - low1) == pytest.approx(0.75, abs=0.1)
    assert (high2 - z2) / (high2 - low2) == pytest.approx(0.75, abs=0.1)
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    settle(page)
    assert point(page) == (z1, z2), "the point follows only while the button is down"


def test_a_map_moves_by_keyboard(explorer):
    canvas = explorer.locator(".vaelib-map").nth(1)
    canvas.focus()
    for key, axis, sign in (
        ("ArrowRight", 0, 1), ("ArrowLeft", 0, -1), ("ArrowUp", 1, 1), ("ArrowDown", 1, -1),
        ("Shift+ArrowUp", 1, 1),
    ):  # fmt: skip
        before = point(explorer)
        canvas.press(key)
        settle(explorer)
        assert (point(explorer)[axis] - before[axis]) * sign > 0
        assert point(explorer)[1 - axis] == before[1 - axis]
    canvas.press("Home")
    settle(explorer)
    assert point(explorer) == (0, 0)
    assert_pictures_are_pytorchs(explorer)


def test_the_map_is_shown_through_the_normal_cdf_and_back(explorer):
    raw, z = drawings(explorer, MAPS), point(explorer)
    choice = explorer.get_by_label("Through the normal CDF")
    choice.check()
    settle(explorer)
    uniform = drawings(explorer, MAPS)
    assert all(a != b for a, b in zip(raw, uniform, strict=True))
    assert point(explorer) == z, "another view of the same point"
    canvas = explorer.locator(".vaelib-map").nth(1)
    canvas.focus()
    for key in ("ArrowRight", "ArrowUp"):
        canvas.press(key)
    settle(explorer)
    assert all(now > then for now, then in zip(point(explorer), z, strict=True))
    assert_pictures_are_pytorchs(explorer)
    canvas.press("ArrowLeft")
    canvas.press("ArrowDown")
    choice.uncheck()
    settle(explorer)
    assert point(explorer) == pytest.approx(z, abs=0.051)


def test_the_maps_and_sliders_take_the_priors_scale_and_go_back(explorer):
    handle = explorer.locator(HANDLES).first
    reach = "(range) => [Number(range.min), Number(range.max)]"
    wide = handle.evaluate(reach)
    raw = drawings(explorer, MAPS)
    handle.focus()
    handle.press("End")
    settle(explorer)
    assert point(explorer)[0] == wide[1] > 4
    choice = explorer.get_by_label("All at the scale of N(0, I)")
    choice.check()
    settle(explorer)
    assert handle.evaluate(reach) == [-4, 4]
    assert point(explorer) == (4, START[1]), "a point beyond the new reach comes to its end"
    assert all(a != b for a, b in zip(raw, drawings(explorer, MAPS), strict=True))
    assert_pictures_are_pytorchs(explorer)
    handle.focus()
    handle.press("Home")
    settle(explorer)
    assert point(explorer)[0] == -4
    assert_pictures_are_pytorchs(explorer)
    choice.uncheck()
    settle(explorer)
    assert handle.evaluate(reach) == wide
    assert point(explorer)[0] == -4


def test_everything_that_moves_has_a_name_and_takes_the_keyboard(explorer):
    handles = explorer.locator(HANDLES)
    assert [handles.nth(i).get_attribute("aria-label") for i in range(2)] == ["z₁", "z₂"]
    moving = [*(handles.nth(i) for i in range(2))]
    maps = explorer.locator(".vaelib-map")
    moving += [maps.nth(i) for i in range(2)]
    for thing in moving:
        assert thing.get_attribute("aria-label")
        is_slider = thing.get_attribute("type") == "range"
        assert is_slider or thing.get_attribute("role") == "application"
        assert thing.get_attribute("data-lm-suppress-shortcuts") == "true"
        assert thing.evaluate("(e) => e.tabIndex") == 0
    for name in ("z₁", "z₂"):
        assert explorer.get_by_role("slider", name=name, exact=True).count() == 1
        assert explorer.get_by_role("textbox", name=f"{name}, typed").count() == 1
    assert explorer.locator('.vaelib-explorer [title="null"]').count() == 0
    pictures = explorer.locator(".vaelib-picture")
    assert all(pictures.nth(i).get_attribute("role") == "img" for i in range(2))


def test_focus_is_visible(explorer):
    explorer.keyboard.press("Tab")  # so that the browser knows: this reader uses the keyboard
    for thing in (explorer.locator(HANDLES).first, explorer.locator(".vaelib-map").first):
        thing.focus()
        style = thing.evaluate("(e) => getComputedStyle(e).outlineStyle + parseFloat("
                               "getComputedStyle(e).outlineWidth)")  # fmt: skip
        assert style == "solid3"


def test_the_live_region_speaks_once_after_things_are_still(explorer):
    explorer.evaluate("""() => {
      globalThis.spoken = [];
      const line = document.querySelector(".vaelib-explorer [role=status]");
      new MutationObserver(() => spoken.push(line.textContent)).observe(line, { childList: true });
    }""")
    handle = explorer.locator(HANDLES).first
    handle.focus()
    for _ in range(10):
        handle.press("ArrowRight")
    explorer.wait_for_timeout(1500)
    spoken = explorer.evaluate("spoken")
    assert len(spoken) <= 2, "at most the picture it came with, and the one where it stopped"
    assert f"z1 = {point(explorer)[0]:.2f}" in spoken[-1]


def test_the_still_picture_is_gone_once_the_explorer_is_there(explorer):
    assert explorer.locator(".explorer-still").is_hidden()


def widest(page: Page) -> float:
    """How far to the right the explorer reaches, or anything in it, in pixels."""
    return page.evaluate("""() => Math.max(...[...document.querySelectorAll(
      ".vaelib-explorer, .vaelib-explorer *")].map((e) => e.getBoundingClientRect().right))""")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_explorer_fits_a_phone(browser, small_address, dark):
    scheme = {"color_scheme": "dark" if dark else "light"}
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True}
    url = small_address + EXPLORER
    with opened(browser, url, **scheme, **phone) as (page, _):
        awake(page)
        sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(sideways) <= 0
        assert widest(page) <= 390
        canvas = page.locator(".vaelib-map").nth(1)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.4)
        settle(page)
        assert point(page) != START
        assert_pictures_are_pytorchs(page)


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)], ids=["wide", "phone"])
@pytest.mark.parametrize("name", EXPLORERS)
def test_axe_finds_nothing_serious_in_an_explorer(browser, small_address, name, dark, width):
    options = {"color_scheme": "dark" if dark else "light"}
    options["viewport"] = {"width": width, "height": 900}
    with opened(browser, f"{small_address}chapters/{name}.html", **options) as (page, _):
        awake(page)
        assert barriers(page) == []


def test_weights_are_fetched_only_when_the_explorer_comes_into_view(browser, small_address):
    url = small_address + EXPLORER
    with opened(browser, url) as (page, _):
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_selector(".vaelib-explorer, .cell_output .jupyter-widgets", state="attached")
        page.wait_for_timeout(500)
        assert not [one for one in asked if "/weights/" in one or "latent.js" in one]
        awake(page)
        fetched = sorted(one.rpartition("/")[2] for one in asked if "/weights/" in one)
        wanted = [
            f"{name}.{part}.safetensors" for name in (AE, VAE) for part in ("codes", "decoder")
        ]
        assert fetched == sorted(wanted)


def test_a_page_without_explorers_loads_none_of_their_code(small_book):
    page = (small_book / "intro.html").read_text()
    assert "vaelib" not in re.sub(r"<a .*?</a>", "", page)
    assert "embed-amd" not in page


def test_the_book_carries_the_weights_that_its_explorers_ask_for_and_no_others(small_book):
    there = {path.name for path in (small_book / "_static/weights").glob("*.safetensors")}
    parts = ("codes", "decoder", "encoder")
    wanted = {f"{name}.{part}.safetensors" for name in (AE, VAE) for part in parts}
    pairs = [*explorer_assets.BETAS, explorer_assets.FACE_MODEL]
    wanted.add(f"{explorer_assets.FLOW}.safetensors")
    wanted |= {f"{name}.{part}.safetensors" for name in pairs for part in parts[1:]}
    assert there == wanted


def test_embedded_state_is_small(small_book):
    page = (small_book / EXPLORER).read_text()
    state = re.search(r"jupyter.widget-state\+json\">(.*?)</script>", page)[1]
    assert len(state.encode()) <= 8_000


# --- the page's own sliders -----------------------------------------------------------------------


def scripts_of(small_book: Path, name: str) -> str:
    return " ".join(re.findall(r'<script[^>]* src="([^"]*)"', (small_book / name).read_text()))


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_page_with_our_widgets_alone_draws_them_without_jupyters_scripts(small_book, name):
    scripts = scripts_of(small_book, f"chapters/{name}.html")
    assert "vaelib/widgets.js" in scripts
    assert "_static/widgets/" not in scripts
    page = (small_book / f"chapters/{name}.html").read_text()
    assert "application/vnd.jupyter.widget-state+json" in page, "they are saved as ever"


def test_a_page_with_other_widgets_too_has_jupyters_scripts_and_they_draw_all(
    browser, small_book, small_address
):
    scripts = scripts_of(small_book, f"chapters/{FOREIGN}.html")
    assert "vaelib/widgets.js" not in scripts
    with opened(browser, f"{small_address}chapters/{FOREIGN}.html") as (page, visit):
        other = page.locator(".cell_output").first
        other.locator(".noUi-handle").wait_for()
        other.locator(".noUi-handle").press("ArrowRight")
        assert other.locator(".widget-readout").inner_text() == "1"
        view = page.locator(".cell_output").last
        view.scroll_into_view_if_needed()
        view.locator(".vaelib-plot").first.wait_for()
        assert_every_slider_moves_the_pictures(page, view, "kl")
        assert (visit.errors, visit.failed, visit.outside) == ([], [], [])


def test_a_typed_value_moves_the_slider_and_nonsense_moves_nothing(explorer_anywhere):
    page = explorer_anywhere
    typed = page.get_by_role("textbox", name="z₁, typed")
    handle = page.locator(HANDLES).first
    low, high = handle.evaluate("(range) => [Number(range.min), Number(range.max)]")
    for text, expected in (
        ("-2,25", -2.25), ("−1.5", -1.5), ("x", -1.5), ("", -1.5), ("1e9", high), ("-999", low),
        ("0.333", 0.33),
    ):  # fmt: skip
        typed.fill(text)
        typed.press("Enter")
        settle(page)
        assert point(page) == (expected, START[1]), text
        assert (
            handle.input_value() == pytest.approx(str(expected))
            or abs(float(handle.input_value()) - expected) <= 0.025
        )
    typed.fill("0.5")
    typed.press("Enter")
    settle(page)
    assert_pictures_are_pytorchs(page)


def test_sliders_speak_their_value_as_it_is_written(explorer):
    handle = explorer.locator(HANDLES).last
    assert handle.get_attribute("aria-valuetext") == "−1.00"
    handle.press("PageUp")
    assert handle.get_attribute("aria-valuetext") == "−0.75"


# --- on a phone -----------------------------------------------------------------------------------

WITH_SLIDERS = [name for name, case in EXPLORERS.items() if case.sliders]
# The picture that is kept in sight, whole: below the page's header, above the slider, seen.
SEEN_WITH = """(handle) => {
  const picture = document.querySelector(".vaelib-sight");
  const header = document.querySelector(".bd-header-article").getBoundingClientRect();
  const [above, below] = [picture, handle].map((one) => one.getBoundingClientRect());
  const middle = [above.left + above.width / 2, above.top + above.height / 2];
  return picture.contains(document.elementFromPoint(...middle)) && above.top >= header.bottom - 1 &&
    above.bottom <= below.top + 1 && below.bottom <= innerHeight;
}"""


@pytest.mark.parametrize("name", WITH_SLIDERS)
def test_on_a_phone_the_picture_stays_in_sight_while_a_finger_moves_its_slider(
    browser, small_address, name
):
    phone = {"viewport": {"width": 390, "height": 664}, "has_touch": True, "is_mobile": True}
    with opened(browser, f"{small_address}chapters/{name}.html", **phone) as (page, visit):
        awake(page)
        finger = page.context.new_cdp_session(page)

        def touch(*places: tuple[float, float]) -> None:
            """Put a finger down at the first place and move it to the others."""
            for i, (x, y) in enumerate(places):
                kind = "touchMove" if i else "touchStart"
                event = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
                finger.send("Input.dispatchTouchEvent", event)
            settle(page)

        def lift() -> None:
            finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            settle(page)

        below = "document.querySelector('.vaelib-sight').clientHeight + 100"  # and the header
        for handle in page.locator(HANDLES).all():
            label, goal = handle.get_attribute("aria-label"), page.evaluate(below)
            for _ in range(6):
                _, y, *_ = handle.evaluate(HANDLE)
                if abs(goal - y) > 25:
                    # At the page's edge, for maps take a finger for themselves.
                    touch(*((3, 400 + (goal - y) * share) for share in (0, 0.3, 0.6, 1)))
                    page.wait_for_timeout(100)  # or it counts as a throw
                    lift()
            x, y, *_ = handle.evaluate(HANDLE)
            assert handle.evaluate(SEEN_WITH), f"{label} at {y}"
            before = drawings(page, ".vaelib-sight canvas")
            aside = 60 * far_from_its_end(handle)
            touch((x, y), (x + aside / 2, y), (x + aside, y))
            assert handle.evaluate(SEEN_WITH), label
            assert drawings(page, ".vaelib-sight canvas") != before, label
            lift()
        assert (visit.errors, visit.failed, visit.outside) == ([], [], [])


@pytest.mark.parametrize("name", ["kl", "explorer"])
def test_on_a_low_or_a_narrow_screen_no_picture_lies_over_a_slider(browser, small_address, name):
    with opened(browser, f"{small_address}chapters/{name}.html") as (page, visit):
        awake(page)
        # A laptop at 250 %, a phone whose screen is shared, a small phone.
        for width, height in ((512, 288), (390, 380), (320, 568)):
            page.set_viewport_size({"width": width, "height": height})
            settle(page)
            for handle in page.locator(HANDLES).all():
                assert handle.evaluate(BARE), (width, height, handle.get_attribute("aria-label"))
        assert (visit.errors, visit.failed, visit.outside) == ([], [], [])


# --- full screen, and back to the start -----------------------------------------------------------


@pytest.mark.parametrize("name", EXPLORERS)
def test_reset_takes_everything_back_to_where_the_page_put_it(browser, small_address, name):
    with explorer_at(browser, f"{small_address}chapters/{name}.html") as page:
        if name == "playground":
            return  # its Reset begins the training again; see test_playground.py
        start = point(page), drawings(page)
        handles, radios = page.locator(HANDLES), page.get_by_role("radio")
        for i in range(handles.count()):
            press_arrow(page, handles.nth(i))
        if radios.count():
            radios.nth(5).check(force=True)
        settle(page)
        assert drawings(page) != start[1]
        reset = page.get_by_role("button", name="Reset")
        reset.focus()
        reset.press("Enter")
        settle(page)
        assert (point(page), drawings(page)) == start


def test_reset_takes_a_drawing_back_too(browser, small_address):
    with explorer_at(browser, f"{small_address}chapters/draw.html") as page:
        start = drawings(page, ".vaelib-pad, .vaelib-map")
        page.locator(".vaelib-pad").click()
        settle(page)
        assert drawings(page, ".vaelib-pad, .vaelib-map") != start
        page.get_by_role("button", name="Reset").click()
        settle(page)
        assert drawings(page, ".vaelib-pad, .vaelib-map") == start


@pytest.mark.parametrize("name", EXPLORERS)
def test_pictures_and_type_grow_on_a_full_screen_and_shrink_again(browser, small_address, name):
    with explorer_at(browser, f"{small_address}chapters/{name}.html") as page:
        page.set_viewport_size({"width": 1920, "height": 1080})
        seen = """() => [document.fullscreenElement?.matches(".vaelib-explorer") ?? false,
          ...[".vaelib-map, .vaelib-picture", ".vaelib-tools button"].map((kind, i) => {
            const one = document.querySelector(`.vaelib-explorer :is(${kind})`);
            return i ? parseFloat(getComputedStyle(one).fontSize) : one.clientWidth;
          })]"""
        (_, *before), full = page.evaluate(seen), page.get_by_role("button", name="Full screen")
        full.click()
        page.get_by_role("button", name="Leave full screen").wait_for()
        settle(page)
        is_full, *grown = page.evaluate(seen)
        assert is_full
        assert all(now > then for now, then in zip(grown, before, strict=True)), (before, grown)
        assert widest(page) <= 1920
        assert barriers(page) == []
        page.get_by_role("button", name="Leave full screen").click()
        page.evaluate(holds("!document.fullscreenElement"))
        full.wait_for()
        settle(page)
        assert page.evaluate(seen) == [False, *before]


def test_there_is_no_button_for_a_full_screen_that_a_browser_has_not(browser, small_address):
    with hindered(browser, small_address, "kl") as (page, go):
        page.add_init_script(
            "Object.defineProperty(Document.prototype, 'fullscreenEnabled', { value: false })"
        )
        go()
        awake(page)
        assert page.get_by_role("button", name="Full screen").count() == 0
        assert page.get_by_role("button", name="Reset").count() == 1


def test_the_address_has_the_state_of_each_explorer_of_a_page(browser, small_book, small_address):
    path = f"chapters/{TWO}.html"
    for url in (small_address + path, (small_book / path).as_uri()):
        with opened(browser, f"{url}#two-of-a-kind") as (page, _):
            first, second, third = awake(page)
            assert page.evaluate("location.hash") == "#two-of-a-kind"
            past = page.evaluate("history.length")
            second.locator(HANDLES).first.press("Home")
            third.locator(HANDLES).press("ArrowRight")
            page.evaluate(holds("location.hash.includes('betas3.position=3')"))
            assert page.evaluate("location.hash") == "#kl2.mu=-3&betas3.position=3"
            assert page.evaluate("history.length") == past
            wanted = [point(view) for view in (first, second, third)]
            link = page.url
            with opened(browser, link) as (other, visit):
                views = awake(other)
                assert [point(view) for view in views] == wanted == [(1, -1), (-3, 1), (1,)]
                assert_says_the_librarys_kl(views[1])
                assert_shows_the_model_of_its_beta(views[2])
                assert (visit.errors, visit.failed, visit.outside) == ([], [], [])
                views[1].get_by_role("button", name="Reset").click()
                other.evaluate(holds("!location.hash.includes('kl2')"))
                assert other.evaluate("location.hash") == "#betas3.position=3"
                assert [point(view) for view in views] == [(1, -1), (2, 1), (1,)]


# --- what a page may ask for ----------------------------------------------------------------------

TRIES = {
    "img-src": "new Image().src = 'https://127.0.0.2/picture.png'",
    "script-src-elem": "document.head.append(Object.assign(document.createElement('script'), "
    "{ src: 'https://127.0.0.2/code.js' }))",
    "connect-src": "fetch('https://127.0.0.2/data').catch(() => {})",
    "script-src": "setTimeout('globalThis.ran = true')",
    "style-src-elem": "document.head.append(Object.assign(document.createElement('link'), "
    "{ rel: 'stylesheet', href: 'https://127.0.0.2/style.css' }))",
}


@pytest.mark.parametrize("directive", TRIES)
@pytest.mark.parametrize("place", ["http", "file"])
def test_the_browser_refuses_what_is_not_the_books_own(
    browser, small_book, small_address, place, directive
):
    url = small_address + EXPLORER if place == "http" else (small_book / EXPLORER).as_uri()
    with opened(browser, url) as (page, visit):
        refused = page.evaluate(f"""() => new Promise((done) => {{
          addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
          setTimeout(done, 3000, "nothing");
          {TRIES[directive]};
        }})""")
        assert refused == directive
        assert all("csp" in reason for reason in visit.failed), "refused before it was sent"
        assert len(visit.failed) == len(visit.outside)


def test_only_a_page_with_jupyters_scripts_may_compile_code(small_book):
    for path in small_book.rglob("*.html"):
        text = path.read_text()
        if "data-content_root" not in text:  # pieces that the theme leaves there, and a redirect
            continue
        (rules,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
        assert rules.startswith("default-src 'self' file:;")
        assert ("unsafe-eval" in rules) == (path.stem == FOREIGN)


# --- reparameterisation ---------------------------------------------------------------------------


@pytest.fixture
def reparameterisation(browser, small_address):
    with explorer_at(browser, small_address + "chapters/reparameterise.html") as page:
        yield page


def test_the_decoded_sample_is_pytorchs_for_every_epsilon_and_image(reparameterisation):
    page = reparameterisation

    def check(digit: int) -> None:
        settle(page)
        assert_shows_the_sample(page, digit)

    check(4)
    for slider in (0, 1):
        handle = page.locator(HANDLES).nth(slider)
        handle.focus()
        for key in ("ArrowRight", "Home", "End"):
            before = painted(page)[2]
            handle.press(key)
            check(4)
            assert (painted(page)[2] != before).any()
    page.get_by_role("radio", name="a 7").check(force=True)
    check(7)
    page.keyboard.press("ArrowRight")
    check(8)
    page.get_by_role("button", name="Draw ε").click()
    settle(page)
    assert point(page) != (3, 3)
    check(8)


def test_dragging_z_moves_epsilon(reparameterisation):
    page = reparameterisation
    canvas = page.locator(".vaelib-map")
    canvas.focus()
    canvas.press("Home")
    settle(page)
    assert point(page) == (0, 0)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.4)
    page.mouse.up()
    settle(page)
    assert point(page)[0] > 0.5
    assert point(page)[1] > 0.3
    assert (painted(page)[2] - expected_sample(4, point(page))).abs().max() <= LEVELS


def tally(page: Page) -> str:
    settle(page)
    return page.locator(".vaelib-buttons + .vaelib-hint").inner_text()


def test_draws_leave_a_trail_that_is_the_same_for_everybody_until_it_is_cleared(reparameterisation):
    page = reparameterisation
    draw, clear = (page.get_by_role("button", name=name) for name in ("Draw ε", "Clear"))
    assert clear.is_disabled()

    def three() -> list:
        seen = []
        for count in (1, 2, 3):
            draw.click()
            assert tally(page).startswith(f"Drawn: {count};")
            seen.append((point(page), drawings(page, MAPS)))
        return seen

    first = three()
    clear.click()
    settle(page)
    assert point(page) == first[-1][0]
    assert drawings(page, MAPS) != first[-1][1], "the dots are gone"
    assert tally(page) == ""
    assert three() == first
    page.get_by_role("radio", name="a 7").check(force=True)
    assert tally(page).startswith("Drawn: 3;"), "the same epsilon, of another image"
    page.get_by_role("button", name="Reset").click()
    assert tally(page) == ""


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_hundred_draws_come_one_by_one_unless_a_reader_wants_less_motion(
    browser, small_address, motion
):
    url = f"{small_address}chapters/reparameterise.html"
    with opened(browser, url, reduced_motion=motion) as (page, visit):
        awake(page)
        page.get_by_role("button", name="100 draws").click()
        assert tally(page).startswith("Drawn: 100;") == (motion == "reduce")
        page.get_by_role("button", name="100 draws").wait_for()
        assert tally(page).startswith("Drawn: 100;")
        assert_shows_the_sample(page)
        assert (visit.errors, visit.failed) == ([], [])


CARD = """() => {
  const card = document.querySelector(".vaelib-card:not([hidden])");
  if (!card) return null;
  const canvas = card.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, 28, 28);
  return [card.innerText, Array.from({ length: 784 }, (_, i) => 255 - data[4 * i])];
}"""


@pytest.mark.parametrize("name", ["explorer", "draw"])
def test_a_code_under_the_pointer_says_whose_it_is_and_what_is_decoded_from_it(
    browser, small_address, name
):
    with explorer_at(browser, f"{small_address}chapters/{name}.html") as page:
        canvas = page.locator(MAPS).last
        canvas.scroll_into_view_if_needed()
        box, (low, high, *_) = canvas.bounding_box(), explore.code_box(VAE)
        codes = explorer_assets.load_codes(VAE)
        # One that lies alone, where the map's edges (plane.js) put it.
        far = codes["mu"].float()[:, 0].argmax().item()
        mu, seen = codes["mu"][far].float(), drawings(page)
        (x0, x1), (y0, y1) = (36, box["width"] - 6), (box["height"] - 20, 6)
        x, y = ((value.item() - low) / (high - low) for value in mu)
        page.mouse.move(box["x"] + x0 + x * (x1 - x0), box["y"] + y0 + y * (y1 - y0))
        settle(page)
        text, shown = page.evaluate(CARD)
        assert text.startswith(
            f"a {codes['labels'][far]}, at ({mu[0]:.2f}, {mu[1]:.2f})".replace("-", "−")
        )
        expected = decode_images(model(VAE), mu[None]).flatten() * 255
        assert (torch.tensor(shown) - expected).abs().max() <= LEVELS
        assert drawings(page) == seen, "looking moves nothing"
        page.mouse.move(box["x"] + 50, box["y"] + 12)
        settle(page)
        assert page.evaluate(CARD) is None, "where there is no code there is no card"


def test_the_loupe_lies_beside_the_map_and_shows_what_is_near_the_point(explorer):
    loupe, handle = explorer.locator(".vaelib-loupe"), explorer.locator(HANDLES).first
    maps = explorer.locator(MAPS)
    assert loupe.count() == 1, "the autoencoder's codes are points"
    lies = loupe.bounding_box()
    assert lies["y"] >= maps.last.bounding_box()["y"] + maps.last.bounding_box()["height"]
    before = drawings(explorer, ".vaelib-loupe")
    press_arrow(explorer, handle)
    settle(explorer)
    assert drawings(explorer, ".vaelib-loupe") != before
    handle.press("End")
    settle(explorer)
    assert loupe.evaluate("(e) => getComputedStyle(e).visibility") == "hidden", "nothing is there"


# --- draw a digit ---------------------------------------------------------------------------------


def test_a_drawn_digit_is_encoded_in_the_page_as_pytorch_encodes_it(browser, small_address):
    model = weights.load(VAE)
    with explorer_at(browser, small_address + "chapters/draw.html") as page:

        def check() -> torch.Tensor:
            settle(page)
            got, reconstruction = painted(page)
            # The canvas has rounded the pixels that the encoder was given; hence the tolerance.
            mu, log_var = model.encode(got.reshape(1, 1, 28, 28) / 255)
            numbers = [float(number) for number in re.findall(r"-?\d+\.\d\d", says(page))]
            expected = torch.cat([mu, (log_var / 2).exp()], 1)[0]
            assert torch.tensor(numbers) == pytest.approx(expected, abs=0.03)
            decoded = decode_images(model, mu).flatten() * 255
            assert (reconstruction - decoded).abs().max() <= 8
            return got

        chosen = check()
        assert (chosen - digit_in_levels(2)).abs().max() <= LEVELS
        box = page.locator(".vaelib-pad").bounding_box()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.2 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.9 * box["height"], steps=5)
        page.mouse.up()
        drawn = check().reshape(28, 28)
        # A stroke: 20 high, and in the middle, though it was drawn to the left of it.
        assert (drawn.sum(1) > 0).sum() == 20
        assert drawn[:, 13:15].sum() > 0.5 * drawn.sum()
        nearest = page.locator(".vaelib-sum").inner_text().split(": ")[1]
        assert nearest.count("1") >= 8, nearest
        page.get_by_role("button", name="Clear").click()
        assert "Draw a digit" in page.locator(".vaelib-sum").inner_text()
        assert painted(page).sum() == 0, "Clear leaves a picture"
        page.get_by_role("radio", name="a 9").check(force=True)
        check()


def test_the_pad_shows_the_chosen_digit_and_takes_strokes_back(browser, small_address):
    with explorer_at(browser, small_address + "chapters/draw.html") as page:

        def on_the_pad() -> str:
            settle(page)
            return page.locator(".vaelib-pad").evaluate("(pad) => pad.toDataURL()")

        chosen = on_the_pad()
        page.get_by_role("radio", name="a 7").check(force=True)
        assert on_the_pad() != chosen
        box = page.locator(".vaelib-pad").bounding_box()
        seen = []
        for share in (0.3, 0.7):
            x, y = box["x"] + share * box["width"], box["y"] + 0.5 * box["height"]
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x, y + 0.3 * box["height"], steps=3)
            page.mouse.up()
            seen.append((on_the_pad(), says(page)))
        assert seen[0] != seen[1]
        undo = page.get_by_role("button", name="Undo")
        undo.click()
        assert (on_the_pad(), says(page)) == seen[0]
        undo.click()
        page.get_by_role("button", name="Clear").click()
        assert "Draw a digit" in says(page)


# What an encoder is given of a drawing, by the page's own modules.
GIVEN = """async () => {
  const { centred, fitted } = await import(new URL("../_static/vaelib/mnist.js", document.baseURI));
  const pad = document.querySelector(".vaelib-pad").getContext("2d");
  const { data } = pad.getImageData(0, 0, 280, 280);
  const ink = Float32Array.from({ length: 280 * 280 }, (_, i) => 1 - data[4 * i] / 255);
  return [...centred(fitted(ink, 280))];
}"""
SUM = "document.querySelector('.vaelib-sum').textContent"


def test_a_drawing_has_its_own_posterior_and_bounds_and_so_has_an_empty_square(
    browser, small_address
):
    with explorer_at(browser, f"{small_address}chapters/posterior.html") as page:
        chosen, said = says(page), []

        def wait_for_another() -> None:
            said.append(page.evaluate(SUM))
            page.evaluate(holds(f"!was.includes({SUM})", "was"), said)
            settle(page)

        said_at_first = page.evaluate(SUM)
        box = page.locator(".vaelib-pad").bounding_box()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.2 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.9 * box["height"], steps=5)
        page.mouse.up()
        wait_for_another()
        assert not page.locator(".vaelib-digits input:checked").count()
        x = torch.tensor(page.evaluate(GIVEN)).reshape(1, 1, 28, 28)
        told = [float(number) for number in re.findall(r"-?\d+\.\d\d", says(page))]
        assert told[:2] == pytest.approx(bounds_of(x).tolist(), abs=0.1)
        page.get_by_role("button", name="Clear").click()
        wait_for_another()
        assert not page.locator(".vaelib-digits input:checked").count()
        page.get_by_role("button", name="Reset").click()
        page.evaluate(holds(f"{SUM} === was", "was"), said_at_first)
        assert says(page) == chosen
        assert page.get_by_role("radio", name="a 2").is_checked()


def test_a_tour_goes_on_by_itself_until_a_reader_draws_and_leaves_the_drawing(
    browser, small_address
):
    with explorer_at(browser, f"{small_address}chapters/{TOUR}.html") as page:
        stop, chosen = (
            page.get_by_role("button", name="Stop"),
            page.get_by_role("radio", name="a 4"),
        )
        page.evaluate(holds("document.querySelectorAll('.vaelib-digits input')[4].checked"))
        assert chosen.is_checked()
        pad = page.locator(".vaelib-pad")
        box = pad.bounding_box()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.9 * box["height"], steps=5)
        page.mouse.up()
        settle(page)
        assert stop.count() == 0
        assert not page.locator(".vaelib-digits input:checked").count(), (
            "a drawing is no test image"
        )
        seen = (pad.evaluate("(pad) => pad.toDataURL()"), says(page), drawings(page))
        page.wait_for_timeout(3000)  # longer than the tour rests on a digit
        page.keyboard.press("Shift")
        assert (pad.evaluate("(pad) => pad.toDataURL()"), says(page), drawings(page)) == seen


def test_a_tour_decodes_every_code_on_its_way_and_stops_on_a_digit(browser, small_address):
    with explorer_at(browser, f"{small_address}chapters/{TOUR}.html") as page:
        before, stop = drawings(page), page.get_by_role("button", name="Stop")
        # The pad is still the digit's when its code has left for the next.
        page.evaluate(
            holds(
                "document.querySelectorAll('.vaelib-picture')[1].toDataURL() !== first",
                "first = document.querySelectorAll('.vaelib-picture')[1].toDataURL()",
            )
        )
        assert drawings(page)[0] == before[0]
        stop.click()
        settle(page)
        assert stop.count() == 0
        checked = "(all) => all.findIndex((one) => one.checked)"
        digit = page.locator(".vaelib-digits input").evaluate_all(checked)
        assert_shows_the_chosen_digit(page, digit)
        seen = drawings(page)
        page.wait_for_timeout(3000)
        assert drawings(page) == seen


def test_a_tour_waits_while_it_is_out_of_sight(browser, small_address):
    with explorer_at(browser, f"{small_address}chapters/{TOUR}.html") as page:
        page.evaluate("document.querySelector('.cell_output').style.marginBottom = '3000px'")
        page.mouse.wheel(0, 3000)
        page.evaluate(holds("scrollY > 1000"))
        settle(page)
        seen = drawings(page)
        page.wait_for_timeout(3000)  # longer than the tour rests on a digit
        assert drawings(page) == seen
        page.mouse.wheel(0, -3000)
        picture = "document.querySelectorAll('.vaelib-picture')[1].toDataURL()"
        page.evaluate(holds(f"{picture} !== seen", "seen"), seen[-1])
        assert page.get_by_role("button", name="Stop").count() == 1


def test_no_tour_where_a_reader_wants_less_motion(browser, small_address):
    url = f"{small_address}chapters/{TOUR}.html"
    with opened(browser, url, reduced_motion="reduce") as (page, visit):
        awake(page)
        seen = drawings(page)
        page.wait_for_timeout(3000)
        assert drawings(page) == seen
        assert page.get_by_role("button", name="Stop").count() == 0
        assert (visit.errors, visit.failed) == ([], [])


# --- training, replayed ---------------------------------------------------------------------------


def test_the_replay_shows_each_recorded_step(browser, small_address):
    with explorer_at(browser, small_address + "chapters/replay.html") as page:

        def check(frame: int) -> None:
            settle(page)
            assert point(page) == (frame,)
            assert_shows_the_recorded_step(page)

        check(0)
        handle, maps = page.locator(HANDLES), drawings(page, MAPS)
        handle.focus()
        for key, frame in (("ArrowRight", 1), ("End", 23), ("ArrowLeft", 22), ("Home", 0)):
            handle.press(key)
            check(frame)
        assert drawings(page, MAPS) == maps
        handle.press("End")
        handle.press("ArrowLeft")
        page.get_by_role("button", name="Play").click()
        page.get_by_role("button", name="Stop").wait_for()
        page.get_by_role("button", name="Play").wait_for()  # it has stopped by itself
        check(23)


def test_between_two_recorded_steps_the_replay_shows_what_lies_between(browser, small_address):
    with explorer_at(browser, small_address + "chapters/replay.html") as page:
        clouds = ".vaelib-pane .vaelib-map"
        page.locator(HANDLES).press("End")
        settle(page)
        recorded = drawings(page, clouds)
        curve = page.locator(".vaelib-curve")
        curve.focus()
        curve.press("ArrowLeft")
        settle(page)
        assert drawings(page, clouds) != recorded
        assert point(page) == (23,), "the nearer recorded step"
        assert_shows_the_recorded_step(page)
        for _ in range(3):
            curve.press("ArrowLeft")
        settle(page)
        assert 20 < point(page)[0] < 23
        curve.press("Home")
        settle(page)
        assert point(page) == (0,)
        box = curve.bounding_box()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
        page.mouse.up()
        settle(page)
        assert 15 <= point(page)[0] <= 18
        assert_shows_the_recorded_step(page)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_replay_moves_from_step_to_step_where_a_reader_wants_less_motion(
    browser, small_address, motion
):
    url = f"{small_address}chapters/replay.html"
    with opened(browser, url, reduced_motion=motion) as (page, visit):
        awake(page)
        clouds, recorded = ".vaelib-pane .vaelib-map", []
        handle = page.locator(HANDLES)
        handle.press("End")
        for _ in range(3):
            settle(page)
            recorded.append(drawings(page, clouds))
            handle.press("ArrowLeft")
        handle.press("ArrowRight")
        page.get_by_role("button", name="Play").click()
        seen = []
        while page.get_by_role("button", name="Stop").count():
            seen.append(drawings(page, clouds))
            page.wait_for_timeout(30)
        settle(page)
        assert drawings(page, clouds) == recorded[0]
        assert seen
        assert all(one in recorded for one in seen) == (motion == "reduce")
        assert (visit.errors, visit.failed) == ([], [])


# --- the KL playground ----------------------------------------------------------------------------


def test_the_kl_playground_shows_the_librarys_divergence_wherever_it_is_moved(
    browser, small_book, small_address
):
    for url in (small_address + "chapters/kl.html", (small_book / "chapters/kl.html").as_uri()):
        with explorer_at(browser, url) as page:

            def check() -> list[str]:
                settle(page)
                assert_says_the_librarys_kl(page)
                return drawings(page, MAPS)

            assert point(page) == (1, -1)
            handles, plane = page.locator(HANDLES), page.locator(".vaelib-map").nth(1)
            names = [handles.nth(i).get_attribute("aria-label") for i in range(2)]
            assert names == ["μ", "log σ²"]
            moves = [(handles.nth(i), key) for i in (0, 1) for key in ("ArrowLeft", "Home", "End")]
            moves += [(plane, key) for key in ("ArrowDown", "ArrowLeft", "Home")]
            for thing, key in moves:
                before = check()
                thing.focus()
                thing.press(key)
                assert all(a != b for a, b in zip(before, check(), strict=True)), key
            assert point(page) == (0, 0)
            assert "KL = 0.000 nats" in page.locator(".vaelib-sum").inner_text()
            page.locator(".vaelib-map").nth(1).click(position={"x": 60, "y": 60})
            check()
            assert point(page)[0] < 0 < point(page)[1]


def test_the_axes_of_what_is_integrated_stay_whatever_q_is(browser, small_address):
    with explorer_at(browser, small_address + "chapters/kl.html") as page:
        curves, (mu, log_var) = page.locator(".vaelib-plot"), page.locator(HANDLES).all()
        numbers, shown = curves.evaluate(NUMBERS), drawings(page, ".vaelib-plot")
        for handle, key in ((log_var, "Home"), (mu, "End"), (log_var, "End")):
            handle.press(key)
            settle(page)
            assert curves.evaluate(NUMBERS) == numbers
            assert drawings(page, ".vaelib-plot") != shown


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_kl_playground_fits_a_phone(browser, small_address, dark):
    scheme = {"color_scheme": "dark" if dark else "light"}
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True}
    with opened(browser, small_address + "chapters/kl.html", **scheme, **phone) as (page, _):
        awake(page)
        assert widest(page) <= 390
        assert page.locator(".vaelib-plot").bounding_box()["width"] > 240


# --- a slider over beta ---------------------------------------------------------------------------


def test_each_beta_shows_its_own_models_samples_bars_and_codes(browser, small_address):
    recorded, names = explore.load_betas(), list(explorer_assets.BETAS)
    with explorer_at(browser, small_address + "chapters/betas.html") as page:
        asked, maps = [], set()
        page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        icon = "favicon.svg"  # which Chromium asks for again when the page's address changes

        def check(k: int) -> None:
            settle(page)
            assert_shows_the_model_of_its_beta(page)
            beta, rate = explorer_assets.BETAS[names[k]], recorded["rate"][k]
            active = int(recorded["active"][k].sum())
            assert says(page).startswith(f"β = {beta:g}: rate {rate:.1f} nats")
            assert f"{active} of 16 latents" in says(page)
            bars = page.locator(".vaelib-bars i")
            assert bars.count() == 16
            assert page.locator(".vaelib-bars .vaelib-dark").count() == 16 - active
            heights = [bars.nth(i).bounding_box()["height"] for i in (0, 3)]
            # One scale for every beta: a full bar is 4 nats, and what is longer is cut off.
            expected = recorded["kl"][k].clamp_max(4) / 4
            for i, height in zip((0, 3), heights, strict=True):
                assert height / inside == pytest.approx(expected[i].item(), abs=0.02)
            cut = int((recorded["kl"][k] > 4).sum())
            assert (
                f"{cut} bars are cut off" in page.locator(".vaelib-pane").first.inner_text()
            ) == (cut > 0)
            outside = (recorded["codes"][k].abs() > 4).any(1).float().mean().item()
            note = page.locator(".vaelib-pane").last.inner_text()
            assert (f"{100 * outside:.0f} % lie beyond" in note) == (outside > 0.01)
            axes.update(page.locator(MAPS).evaluate_all(NUMBERS.replace("(canvas)", "([canvas])")))
            label = page.locator(".vaelib-bars").get_attribute("aria-label")
            assert label.startswith(f"KL of each latent at β = {beta:g}")
            assert handle.get_attribute("aria-valuetext") == f"{beta:g}"
            maps.update(drawings(page, MAPS))

        handle, axes = page.locator(HANDLES), set()
        bounds = page.locator(".vaelib-bars").bounding_box()
        inside = bounds["height"] - 2  # its frame
        assert handle.get_attribute("aria-label") == "β"
        check(2)
        handle.focus()
        steps = [("ArrowRight", 3), ("ArrowRight", 4), ("ArrowRight", 5), ("End", 6), ("Home", 0)]
        for key, k in [*steps, ("ArrowRight", 1), ("ArrowRight", 2)]:
            handle.press(key)
            check(k)
        assert len(maps) == 7
        assert len(axes) == 2, "the map's numbers stay: those on the left, and those below"
        others = sorted(f"{name}.decoder.safetensors" for name in names if name != "beta-0p5")
        assert sorted(name for name in asked if name != icon) == others, (
            "each decoder once, when the slider reaches it"
        )
        for _ in range(5):  # faster than decoders come: the last one counts
            handle.press("ArrowRight")
        check(6)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_slider_over_beta_fits_a_phone(browser, small_address, dark):
    options = {"color_scheme": "dark" if dark else "light"}
    options["viewport"] = {"width": 390, "height": 800}
    with opened(browser, small_address + "chapters/betas.html", **options) as (page, visit):
        awake(page)
        assert widest(page) <= 390
        pictures = page.locator(".vaelib-explorer [role=img]")
        labels = [pictures.nth(i).get_attribute("aria-label") for i in range(pictures.count())]
        assert len(labels) == 12
        assert all("β = 0.5" in label for label in labels)
        assert (visit.errors, visit.failed, visit.outside) == ([], [], [])
        if folder := os.environ.get("VAELIB_SHOTS"):
            page.locator(".cell_output").screenshot(path=f"{folder}/betas-{dark}.png")


def test_a_decoder_that_does_not_come_leaves_the_last_pictures_and_a_sentence(
    browser, small_address
):
    with opened(browser, small_address + "chapters/betas.html") as (page, _):
        awake(page)
        page.route("**/beta-1.decoder.safetensors", lambda route: route.abort())
        handle = page.locator(HANDLES)
        handle.focus()
        handle.press("ArrowRight")
        settle(page)
        sentence = page.get_by_text("The decoder of β = 1 could not be loaded").first
        assert "still β = 0.5" in sentence.inner_text()
        assert (painted(page) - samples_of("beta-0p5")).abs().max() <= LEVELS
        page.unroute("**/beta-1.decoder.safetensors")
        handle.press("ArrowRight")
        handle.press("ArrowLeft")
        settle(page)
        assert (painted(page) - samples_of("beta-1")).abs().max() <= LEVELS
        assert page.get_by_text("could not be loaded").count() == 0


# --- the attribute mixer --------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["http", "file"])
def test_the_mixer_shows_the_truth_exactly_where_there_is_one(
    browser, small_book, small_address, place
):
    path = "chapters/mixer.html"
    url = small_address + path if place == "http" else (small_book / path).as_uri()
    with explorer_at(browser, url) as page:
        truth = page.locator(".vaelib-faces figure").nth(3)

        def press(slider: str, *keys: str) -> None:
            handle = page.get_by_role("slider", name=slider, exact=True)
            handle.focus()
            for key in keys:
                handle.press(key)

        def check(drawn: str | None, reason: str = "") -> None:
            settle(page)
            assert_shows_the_mixed_face(page)
            assert truth.is_visible() == (drawn is not None)
            if drawn:
                assert truth.inner_text() == f"The same face drawn {drawn}"
            assert reason in page.locator(".vaelib-faces").inner_text()

        check("smiling")
        page.get_by_role("button", name="All sliders to 0").click()
        check(None, "Move one attribute")
        assert point(page) == (0.0,) * 8
        press("Beard", "ArrowRight")
        check(None, "There is no more of it to draw: this is a face with a beard.")
        press("Beard", "Home")
        check("without a beard")
        press("Wearing hat", "ArrowLeft")
        check(None, "one attribute changed, and 2 are")
        press("Wearing hat", "ArrowRight")
        check("without a beard")
        press("Morph", "ArrowRight")
        check(None, "No face was drawn between two")
        second = page.get_by_role("group", name="The second face").get_by_role("radio")
        second.nth(3).focus()
        second.nth(3).press("ArrowRight")
        press("Morph", "PageUp", "PageUp")
        check(None)
        page.get_by_role("button", name="All sliders to 0").click()
        page.get_by_role("group", name="The face x").get_by_label("face 9: ").check(force=True)
        press("Eyeglasses", "End")
        check("with glasses")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_mixer_fits_a_phone_and_has_names(browser, small_address, dark):
    options = {"color_scheme": "dark" if dark else "light"}
    options["viewport"] = {"width": 390, "height": 800}
    with opened(browser, small_address + "chapters/mixer.html", **options) as (page, visit):
        awake(page)
        assert widest(page) <= 390
        pictures = page.locator(".vaelib-faces [role=img]")
        labels = [pictures.nth(i).get_attribute("aria-label") for i in range(4)]
        assert labels[0] == "The new face. Its code: face 2 + 0.50 smiling."
        assert labels[1] == "The face x; face 2: with blond hair, with a beard, with a hat"
        assert labels[3] == "The same face drawn smiling"
        radios = page.get_by_role("radio")
        names = [radios.nth(i).get_attribute("aria-label") for i in range(24)]
        assert len(set(names)) == 12
        assert names[0] == "face 0: none of the attributes"
        radios.nth(2).focus()
        page.keyboard.press("ArrowRight")
        settle(page)
        assert_shows_the_mixed_face(page)
        assert (visit.errors, visit.failed, visit.outside) == ([], [], [])
        if folder := os.environ.get("VAELIB_SHOTS"):
            page.locator(".cell_output").screenshot(path=f"{folder}/mixer-{dark}.png")


# --- the real book --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_every_slider_of_the_book_moves_its_pictures(browser, book, address, name):
    if "widget-view+json" not in (book / f"{name}.html").read_text():
        return
    with opened(browser, f"{address}{name}.html") as (page, visit):
        for view in awake(page):
            handles = view.locator(HANDLES)
            for i in range(handles.count()):
                before = drawings(view)
                handles.nth(i).focus()
                # A single step may be small beside the whole plane; one of the ends is far. The
                # replay's slider begins at its first end.
                at_its_start = handles.nth(i).evaluate("(e) => e.value === e.min")
                handles.nth(i).press("End" if at_its_start else "Home")
                settle(page)
                moved = drawings(view) != before
                assert moved, handles.nth(i).get_attribute("aria-label")
        assert (visit.errors, visit.failed, visit.outside) == ([], [], [])


# --- what a reader sees where something is wrong --------------------------------------------------


@pytest.fixture
def breakable(small_book, tmp_path) -> Path:
    return Path(shutil.copytree(small_book, tmp_path / "html"))


SAYS = re.compile("This explorer could not start: ")


def assert_told(page: Page, why: str) -> None:
    """The sentence is there, of a reader of the book; so is the still picture, and it stays."""
    page.locator(".cell_output").last.scroll_into_view_if_needed()
    sentence = page.get_by_text(SAYS).filter(has_text=re.compile(why))
    sentence.wait_for()
    page.locator(".explorer-still img").wait_for()
    assert "Reload the page" in sentence.inner_text(), "of the book there is no cell to run again"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def another_format(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(b'"format":"1"') == 1
    path.write_bytes(content.replace(b'"format":"1"', b'"format":"9"'))


DECODER = f"_static/weights/{VAE}.decoder.safetensors"
# By its checksum; what the engine itself says of such bytes is tested in tests/js.
NOT_BUILT_WITH = "is damaged: it is not the file that the book was built with"


@pytest.mark.parametrize(
    ("damage", "file", "message"),
    [
        (Path.unlink, DECODER, r"decoder\.safetensors is not there \(404\)"),
        (truncate, DECODER, NOT_BUILT_WITH),
        (another_format, DECODER, NOT_BUILT_WITH),
        (Path.unlink, "_static/vaelib/engine.js", r"engine\.js is not there \(404\)"),
        (Path.unlink, "_static/vaelib/start.js", r"start\.js is not there \(404\)"),
    ],
    ids=["weights missing", "weights truncated", "weights of another format", "code", "first code"],
)
def test_a_failed_load_says_what_failed(browser, breakable, damage, file, message):
    damage(breakable / file)
    with (
        serving(breakable) as where,
        opened(browser, f"{where}chapters/explorer.html") as (page, _),
    ):
        assert_told(page, message)


def test_a_failed_load_from_disk_says_what_failed(browser, breakable):
    (breakable / f"{DECODER}.js").unlink()
    with opened(browser, (breakable / EXPLORER).as_uri()) as (page, _):
        assert_told(page, r"decoder\.safetensors\.js is not there")


def test_without_scripts_there_is_the_still_picture_and_a_sentence(browser, small_address):
    url = small_address + EXPLORER
    with opened(browser, url, java_script_enabled=False) as (page, _):
        still = page.locator(".explorer-still")
        assert still.locator("img").is_visible()
        assert "Autoencoder" in still.locator("img").get_attribute("alt")
        assert "A still picture" in still.inner_text()


HTML = "<!doctype html><title>Not found</title><p>There is no such page."
NO_CONTEXT = "HTMLCanvasElement.prototype.getContext = () => null"
WEIGHTS = [name for name in EXPLORERS if name != "kl"]  # which is a formula, and reads none


@contextmanager
def hindered(browser, small_address, name: str):
    """A window at an explorer's page before it is opened; then it may ask no other server."""
    visit, context = Visit(), new_context(browser)
    page = context.new_page()
    listen(page, visit, small_address.removesuffix(PREFIX))
    yield page, lambda: page.goto(f"{small_address}chapters/{name}.html")
    assert visit.outside == []
    context.close()


@pytest.mark.parametrize("damage", ["cut off", "HTML", "HTML with 404"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_damaged_weights_leave_the_still_picture_and_a_sentence(
    browser, small_book, small_address, name, damage
):
    def answer(route) -> None:
        if damage == "cut off":
            path = small_book / route.request.url.removeprefix(small_address)
            return route.fulfill(body=path.read_bytes()[:-100])
        status = 404 if "404" in damage else 200
        return route.fulfill(status=status, body=HTML, content_type="text/html")

    with hindered(browser, small_address, name) as (page, go):
        page.route("**/*.safetensors", answer)
        go()
        assert_told(page, r"is not there \(404\)" if "404" in damage else NOT_BUILT_WITH)


@pytest.mark.parametrize("name", EXPLORERS)
def test_without_a_canvas_to_draw_on_there_is_the_still_picture_and_a_sentence(
    browser, small_address, name
):
    with hindered(browser, small_address, name) as (page, go):
        page.add_init_script(NO_CONTEXT)
        go()
        assert_told(page, "no canvas")


@pytest.mark.parametrize(
    ("name", "script"),
    [
        *((name, script) for name in EXPLORERS for script in ("book.js", "widgets.js")),
        *((FOREIGN, script) for script in ("book.js", "boot.js", "embed-amd.js", "anywidget.js")),
    ],
)
def test_where_a_script_of_the_page_is_missing_there_is_the_still_picture_and_a_sentence(
    browser, small_address, name, script
):
    with hindered(browser, small_address, name) as (page, go):
        asked = re.compile(rf"/{script}(\?.*)?$")  # Sphinx puts a checksum behind the name
        page.route(asked, lambda route: route.fulfill(status=404, body=HTML))
        page.clock.install()
        with page.expect_request(asked):
            go()
        if script == "book.js":  # its want is noticed by what is there, at once
            return assert_told(page, "book.js")
        page.wait_for_load_state("networkidle")
        page.clock.fast_forward(10_000)
        assert_told(page, "scripts have not come")


@pytest.mark.parametrize(
    ("name", "file"),
    [*((name, "start.js") for name in EXPLORERS), *((name, "*.safetensors") for name in WEIGHTS)],
)
def test_what_hangs_is_told_after_ten_seconds_and_still_waited_for(
    browser, small_address, name, file
):
    with hindered(browser, small_address, name) as (page, go):
        hanging = []
        page.route(f"**/{file}", lambda route: hanging.append(route))
        page.clock.install()
        go()
        page.get_by_text("The explorer is loading").wait_for(state="attached")
        page.locator(".cell_output").scroll_into_view_if_needed()
        while not hanging:
            page.wait_for_timeout(50)
        assert page.get_by_text(SAYS).count() == 0
        page.clock.fast_forward(10_000)
        assert_told(page, "files have not come in 10 seconds")
        for route in hanging:
            route.continue_()
        page.unroute(f"**/{file}")
        awake(page)
        assert page.get_by_text(SAYS).count() == 0
        assert page.locator(".explorer-still").is_hidden()


def test_a_script_that_did_not_come_ahead_is_asked_for_again(browser, small_address):
    with hindered(browser, small_address, "kl") as (page, go):
        asked = []

        def once_refused(route) -> None:
            asked.append(route.request.url)
            route.fulfill(status=404, body=HTML) if len(asked) == 1 else route.continue_()

        page.route("**/plane.js", once_refused)
        go()
        awake(page)
        assert len(asked) == 2
        assert page.get_by_text(SAYS).count() == 0


def test_scripts_that_come_late_take_the_sentence_back(browser, small_address):
    with hindered(browser, small_address, "kl") as (page, _):
        hanging = []
        page.route("**/widgets.js*", lambda route: hanging.append(route))
        page.clock.install()
        page.route(re.compile("start.js"), lambda route: route.fulfill(status=404, body=HTML))
        with page.expect_request("**/widgets.js*"):
            page.goto(f"{small_address}chapters/kl.html", wait_until="commit")
        page.evaluate(holds("globalThis.vaelibLoad"))
        page.clock.fast_forward(10_000)
        assert_told(page, "scripts have not come")
        for route in hanging:
            route.continue_()
        assert_told(page, "start.js is not there")
        page.clock.fast_forward(10_000)
        page.evaluate(holds("!document.querySelector('.vaelib-late')"))
        assert page.get_by_text(SAYS).count() == 1
