"""The playground in a browser, on a page of its own that is built for these tests."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import opened
from explorers import BARE, drawings, says

from bench_page import ASKED
from vaelib import explore
from vaelib.mistakes import MISTAKES

from .conftest import barriers, build_small, serving

pytestmark = pytest.mark.book
STEPS = r"After ([\d,]+) steps"


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A book with the real book's settings and one page, the playground's; or the one that
    VAELIB_SMALL_BOOK names (…/html)."""
    if given := os.environ.get("VAELIB_SMALL_BOOK"):
        return Path(given)
    code = "from vaelib import explore\n\nexplore.playground(seed=3)"
    return build_small(tmp_path_factory.mktemp("playground"), {"train": ["# Train", code]})


@pytest.fixture(scope="module", params=["http", "file"])
def place(request, small) -> str:
    """Where the page is: on a server, or on disk."""
    if request.param == "file":
        yield (small / "chapters/train.html").as_uri()
        return
    with serving(small) as address:
        yield f"{address}chapters/train.html"


@contextmanager
def playing(browser, url: str, **options):
    """The page, awake; no test may leave a trace of an error, or of a request elsewhere."""
    with opened(browser, url, **options) as (page, visit):
        page.locator(".cell_output").scroll_into_view_if_needed()
        page.get_by_text("After 0 steps").wait_for()
        yield page
        assert (visit.errors, visit.failed, visit.outside) == ([], [], [])


def steps(page) -> int:
    return int(re.match(STEPS, says(page))[1].replace(",", ""))


def press(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def train(page, count: int) -> None:
    press(page, "Play")
    while steps(page) < count:
        page.wait_for_timeout(50)


def nats(page) -> float:
    return float(re.search(r": .*? (\S+) = reconstruction", says(page))[1])


def test_it_trains_and_what_is_seen_changes(browser, place):
    with playing(browser, place) as page:
        assert steps(page) == 0, "nothing moves before the reader has asked"
        before, seen = nats(page), drawings(page, "canvas")
        assert before > 500
        train(page, 60)
        press(page, "Pause")
        page.wait_for_timeout(500)
        stopped = says(page)
        assert nats(page) < before - 200
        now = drawings(page, "canvas")
        same = [i for i, (a, b) in enumerate(zip(seen, now, strict=True)) if a == b]
        assert len(same) == 1, "only the row of held-out digits is as it was"
        page.wait_for_timeout(500)
        assert says(page) == stopped, "pause stops it"
        press(page, "One step")
        at = int(re.match(STEPS, stopped)[1])
        page.get_by_text(f"After {at + 1} steps").wait_for()


def test_the_same_seed_is_the_same_training_and_the_next_another(browser, place):
    with playing(browser, place) as page:
        losses = []
        for again in ("Reset", "Next seed", None):
            for k in range(1, 4):
                press(page, "One step")
                page.get_by_text(f"After {k} steps").wait_for()
            losses.append(drawings(page, ".vaelib-play-plane"))
            if again:
                press(page, again)
                page.get_by_text("After 0 steps").wait_for()
        assert losses[0] == losses[1] != losses[2]


def test_a_high_price_collapses_and_the_page_says_so(browser, place):
    with playing(browser, f"{place}#beta=10&reduction=mean") as page:
        train(page, 100)
        page.locator(".vaelib-play-typical").get_by_text("Collapse").wait_for()
        link = page.locator(".vaelib-play-typical a")
        assert link.get_attribute("href").endswith("/chapters/08-beta.html")


def test_beta_is_moved_while_it_trains(browser, place):
    with playing(browser, place) as page:
        train(page, 5)
        handle = page.get_by_label("β", exact=True)
        handle.focus()
        handle.press("End")
        assert page.locator(".vaelib-play-slider output").first.text_content() == "10"
        handle.press("Home")
        assert page.locator(".vaelib-play-slider output").first.text_content() == "0"
        at = steps(page)
        while steps(page) == at:
            page.wait_for_timeout(50)


def test_an_address_restores_settings_and_seed(browser, place):
    with playing(browser, f"{place}#beta=4&noise=fixed&seed=7&lr=0.01") as page:
        assert page.locator(".vaelib-play-seed").text_content() == "seed 7"
        assert page.get_by_label("Noise on the code").input_value() == "fixed"
        shown = page.locator(".vaelib-play-slider output").all_text_contents()
        assert shown[:2] == ["4", "0.01"]
        page.get_by_label("Noise on the code").select_option("off")
        press(page, "Next seed")
        page.wait_for_url(re.compile("seed=8"))  # a moment later: browsers count the changes
        assert {"beta=4", "noise=off", "seed=8"} <= set(page.url.split("#")[1].split("&"))


def test_nonsense_in_an_address_changes_nothing(browser, place):
    nonsense = "#beta=99&noise=loud&seed=-1&lr=x&exhibit=99&colours=1"
    with playing(browser, f"{place}{nonsense}") as page:
        assert page.locator(".vaelib-play-seed").text_content() == "seed 3"
        assert page.get_by_label("Noise on the code").input_value() == "learned"
        assert page.locator(".vaelib-play-slider output").first.text_content() == "1"


def test_the_museum_hears_a_guess_and_tells_the_source(browser, place):
    name = explore.MUSEUM[0]
    with playing(browser, place) as page:
        page.get_by_label("Program").select_option(label="exhibit 1")
        page.get_by_text("After 0 steps").wait_for()
        answer = page.locator(".vaelib-play-answer")
        guess = page.get_by_label("Your guess")
        assert not answer.text_content(), "nothing is given away"
        assert name not in page.url
        guess.select_option(MISTAKES[explore.MUSEUM[1]].name)
        assert MISTAKES[name].question in answer.text_content()
        guess.select_option(name)
        assert answer.text_content().startswith("Yes. " + MISTAKES[name].sentence)
        assert MISTAKES[name].source in answer.text_content()


@pytest.mark.parametrize("dark", [False, True])
def test_nobody_is_kept_out(browser, place, dark):
    if place.startswith("file"):
        pytest.skip("axe reads style sheets by requests, which a page on disk may not make")
    scheme = "dark" if dark else "light"
    with playing(browser, place, color_scheme=scheme) as page:
        train(page, 20)
        press(page, "Pause")
        page.get_by_label("Program").select_option(label="exhibit 2")
        assert barriers(page) == []


def test_on_a_phone_the_map_stays_in_sight_while_a_slider_moves(browser, place):
    phone = {"viewport": {"width": 390, "height": 844}}
    with playing(browser, place, **phone) as page:
        slider = page.get_by_label("Learning rate")
        slider.evaluate("(e) => window.scrollBy(0, e.getBoundingClientRect().top - 400)")
        page.wait_for_timeout(300)
        low = slider.bounding_box()["y"]
        box = page.locator(".vaelib-map").bounding_box()
        header = page.locator(".bd-header-article").bounding_box()
        assert box["y"] >= header["y"] + header["height"], "it lies above the map"
        assert box["y"] + box["height"] <= low <= 844
        slider.evaluate("(e) => e.scrollIntoView({ block: 'end' })")
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(width) <= 0


def test_its_scripts_weigh_80_kb_at_most(browser, place, small):
    with playing(browser, place) as page:
        found = [re.search(r"_static/vaelib/.*\.js$", path) for path in set(page.evaluate(ASKED))]
        weight = sum((small / ours[0]).stat().st_size for ours in found if ours)
        assert weight + len(explore.Canvas._esm) <= 80_000
        if place.startswith("http"):
            assert weight > 40_000


def test_on_a_phone_held_across_no_picture_lies_over_a_switch(browser, place):
    with playing(browser, place, viewport={"width": 667, "height": 375}) as page:
        controls = page.locator(".vaelib-play-controls :is(input, select):visible").all()
        assert len(controls) == 6  # three sliders and three choices; sigma is the Gaussian's
        for control in controls:
            assert control.evaluate(BARE)
