"""Shared by all tests: what is slow comes last and says so; the chapters' seconds are reported."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SLOW = ("notebooks", "book", "live")
CHAPTER_LINES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--front-end",
        action="append",
        choices=["lab", "notebook7", "classic"],
        help="where tests/live opens the explorers; may be given several times; else JupyterLab",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CHAPTER_LINES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A broken function should be reported in seconds, not after ten minutes of chapters."""
    items.sort(key=lambda item: any(item.get_closest_marker(m) for m in SLOW))


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    if lines := config.stash[CHAPTER_LINES]:
        terminalreporter.section("chapters, as Google Colab runs them")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def aloud(request: pytest.FixtureRequest):
    """A context in which output is seen at once: for what takes so long that silence worries."""
    return request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled


@pytest.fixture
def say(request: pytest.FixtureRequest):
    """Add a line to the chapters' part of the report."""
    return request.config.stash[CHAPTER_LINES].append


@pytest.fixture(scope="session")
def browser():
    """A headless browser, the one for all tests."""
    from browsing import LAUNCH  # late: most tests need no browser
    from playwright.sync_api import sync_playwright

    from setup import find_browser

    path = find_browser()
    if path is None:
        pytest.fail("found no browser; `make test` gets one, or name one in VAE_BOOK_BROWSER")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=LAUNCH)
        yield chromium
        chromium.close()
