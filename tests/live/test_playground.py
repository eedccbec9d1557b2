"""The playground with a live kernel: its code and digits come by messages, and it trains."""

import re

import pytest
from explorers import says, settle

from .conftest import Notebook

pytestmark = pytest.mark.live


def test_it_trains_in_a_notebook_and_python_moves_its_switches(browser, server, front_end):
    notebook = Notebook(browser, server, front_end, "playground")
    notebook.open(
        "from vaelib import explore\nexplorer = explore.playground()\nexplorer",
        "explorer.children[0].beta = 10",
        run=1,
    )
    page, shown = notebook.page, notebook.output(0)
    shown.get_by_text("After 0 steps").wait_for()
    shown.get_by_role("button", name="Play", exact=True).click()
    while int(re.match(r"After (\d+)", says(shown))[1]) < 20:
        page.wait_for_timeout(100)
    notebook.run(1)
    beta = shown.locator(".vaelib-play-slider output").first
    beta.get_by_text("10", exact=True).wait_for()
    settle(page)
    assert "#" not in page.url
    visit = notebook.visit
    assert (visit.errors, visit.failed, visit.outside) == ([], [], [])
    page.context.close()
