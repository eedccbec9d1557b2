"""Shared by all tests: what is slow comes last and says so; the chapters' seconds are reported."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHAPTER_LINES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CHAPTER_LINES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A broken function should be reported in seconds, not after ten minutes of chapters."""
    items.sort(key=lambda item: any(item.get_closest_marker(m) for m in ("notebooks", "book")))


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
