"""Shared by all tests: what is slow comes last and says so; the chapters' seconds are reported.

`make test` runs two files side by side (pytest-xdist, `--dist loadfile`), in the order given here.
"""

import os
from pathlib import Path

import pytest

# Before torch. Two files run side by side: threads that wait for each other's core spin, and the
# unit tests took a quarter longer.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
SLOW = ("notebooks", "book", "live")
# The longest files, of the quick and of the slow, are begun first: nobody waits at the end for the
# other, or at the beginning for the book that one of them builds.
LONGEST = (
    "tests/test_explore.py", "tests/test_weights.py", "tests/test_data.py",
    "tests/book/test_explorers.py", "tests/notebooks/test_colab.py",
)  # fmt: skip
SAID = "said of a chapter"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--front-end",
        action="append",
        choices=["lab", "notebook7", "classic"],
        help="where tests/live opens the explorers; may be given several times; else JupyterLab",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A broken function should be reported in seconds, not after ten minutes of chapters."""

    def turn(item: pytest.Item) -> tuple[bool, int, bool]:
        slow = any(item.get_closest_marker(mark) for mark in SLOW)
        file = item.nodeid.partition("::")[0]
        place = LONGEST.index(file) if file in LONGEST else len(LONGEST)
        # Of the others first those that need no book: it may still be in the making.
        return slow, place, slow and item.get_closest_marker("book") is not None

    items.sort(key=turn)


def pytest_terminal_summary(terminalreporter) -> None:
    reports = terminalreporter.stats.get("passed", [])
    lines = [text for report in reports for name, text in report.user_properties if name == SAID]
    if lines:
        terminalreporter.section("chapters, as Google Colab runs them")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def aloud(request: pytest.FixtureRequest):
    """A context in which what goes to stderr is seen at once: for what takes so long that silence
    worries. (The stdout of a worker of xdist is heard by nobody.)"""
    return request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled


@pytest.fixture
def say(record_property):
    """Add a line to the chapters' part of the report."""

    def add(line: str) -> None:
        record_property(SAID, line)

    return add


@pytest.fixture(scope="session")
def mnist():
    from vaelib import data

    return data.mnist()


@pytest.fixture(scope="session")
def judge():
    """The shipped judge of digits."""
    from vaelib import weights

    return weights.load("judge-mnist")


@pytest.fixture(scope="session")
def threshold(judge, mnist):
    from vaelib import judges

    return judges.recognition_threshold(judge, mnist.test)


@pytest.fixture(scope="session")
def browser():
    """A headless browser, the one for all tests."""
    from browsing import LAUNCH  # late: most tests need no browser
    from playwright.sync_api import sync_playwright

    from set_up import find_browser

    path = find_browser()
    if path is None:
        pytest.fail("found no browser; `make test` gets one, or name one in VAE_BOOK_BROWSER")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=LAUNCH)
        yield chromium
        chromium.close()
