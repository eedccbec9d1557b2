"""Every explorer in Firefox, from a server and from disk: make test-firefox, a part of test-all.

What explorers show is tested in Chromium (test_explorers.py); here, that Firefox shows the same.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
import torch
from browsing import opened
from explorers import EXPLORERS, HANDLES, LEVELS, PICTURES, awake, press_arrow, settle
from javascript import node

from project import ROOT
from set_up import find_firefox

from .conftest import build_small, pages_of_explorers, serving

PUPPETEER = ROOT / ".cache/firefox/node_modules/puppeteer-core/lib/esm/puppeteer/puppeteer-core.js"
LEVELS_OF = """(all) => all.map((canvas) =>
  [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data])"""
READ = "(all) => all.map((e) => e.value ?? e.textContent)"


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """A page for each explorer."""
    return build_small(tmp_path_factory.mktemp("firefox"), pages_of_explorers())


@pytest.fixture(scope="module", params=["http", "file"])
def place(request, book) -> str:
    """Where the book is: on a server, or on disk."""
    if request.param == "file":
        yield f"{book.as_uri()}/"
        return
    with serving(book) as address:
        yield address


@pytest.fixture(scope="module")
def in_firefox(place) -> dict[str, dict]:
    """What Firefox shows of each explorer, once each of its sliders has been moved by one key."""
    firefox = find_firefox()
    if firefox is None or not PUPPETEER.is_file():
        pytest.fail("Firefox or what moves it is missing; `make test-firefox` gets both.")
    urls = {name: f"{place}chapters/{name}.html" for name in EXPLORERS}
    run = subprocess.run(
        [node(), Path(__file__).with_suffix(".mjs")],
        input=json.dumps({
            "puppeteer": str(PUPPETEER), "firefox": firefox, "urls": list(urls.values()),
            "handles": HANDLES, "drawn": PICTURES,
        }),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    seen = json.loads(run.stdout)
    return {name: seen[url] for name, url in urls.items()}


@pytest.mark.parametrize("name", EXPLORERS)
def test_firefox_opens_an_explorer_without_an_error_and_each_slider_moves_it(in_firefox, name):
    seen = in_firefox[name]
    assert (seen["errors"], seen["outside"]) == ([], [])
    assert seen["sliders"] == [[label, True] for label in EXPLORERS[name].sliders]


@pytest.mark.parametrize("name", EXPLORERS)
def test_firefox_paints_what_chromium_paints(in_firefox, browser, place, name):
    with opened(browser, f"{place}chapters/{name}.html") as (page, _):
        (view,) = awake(page)
        for handle in view.locator(HANDLES).all():
            press_arrow(page, handle)
            settle(page)
        assert in_firefox[name]["readouts"] == view.locator(".widget-readout").evaluate_all(READ)
        chromiums = view.locator(".vaelib-picture").evaluate_all(LEVELS_OF)
    assert len(in_firefox[name]["pictures"]) == len(chromiums)
    for ours, theirs in zip(in_firefox[name]["pictures"], chromiums, strict=True):
        assert (torch.tensor(ours) - torch.tensor(theirs)).abs().max() <= LEVELS


def test_the_playground_trains_in_firefox(in_firefox):
    nats = [
        float(re.search(r"held out ([\d.,]+)", said)[1].replace(",", ""))
        for said in in_firefox["playground"]["trained"]
    ]
    assert nats[1] < nats[0] - 200
