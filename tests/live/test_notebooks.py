"""The explorers in notebooks with a live kernel: JupyterLab, and others by --front-end.

What they show is tested in the book (tests/book); here, that a notebook is no worse a place: the
code and the weights come from the kernel by messages, and it may be gone when they are asked for.
"""

import pytest
from explorers import (
    EXPLORERS,
    HANDLES,
    assert_every_slider_moves_the_pictures,
    painted,
    press_arrow,
)

from .conftest import Notebook

pytestmark = pytest.mark.live


@pytest.mark.parametrize("name", EXPLORERS)
def test_an_explorer_lives_in_a_notebook(notebook, name):
    cell = 1 + list(EXPLORERS).index(name)
    assert_every_slider_moves_the_pictures(notebook.page, notebook.output(cell), name)
    visit = notebook.visit
    assert (visit.errors, visit.failed, visit.outside) == ([], [], [])


LATE = "ipywidgets.Tab([ipywidgets.Label('first'), explore.reparameterisation_explorer()])"
BOUND = 40_000  # ms; the loader gives a kernel 20 s to answer


def test_without_its_kernel_an_explorer_lives_on_and_says_what_it_cannot_load(
    browser, server, front_end
):
    notebook = Notebook(browser, server, front_end, "gone")
    calls = [f"explore.{EXPLORERS[name].call}" for name in ("kl", "betas")]
    notebook.open("import ipywidgets\nfrom vaelib import explore", *calls, LATE)
    page, alive, betas = notebook.page, notebook.output(1), notebook.output(2)
    late = page.locator(notebook.cells).nth(3)
    second = late.locator(".lm-TabBar-tab, .p-TabBar-tab").nth(1)
    second.wait_for()
    notebook.show(3)
    notebook.shut_down_kernel()
    second.click()  # only now this explorer asks for its code
    shown = painted(betas)
    press_arrow(page, betas.locator(HANDLES))  # and this one for the decoder of another beta
    late.get_by_text("This explorer could not start: no kernel answered").wait_for(timeout=BOUND)
    sentence = betas.get_by_text("could not be loaded").first
    sentence.wait_for(timeout=BOUND)
    assert "still β = 0.5" in sentence.text_content()
    assert (painted(betas) == shown).all()
    assert_every_slider_moves_the_pictures(page, alive, "kl")
    # The widgets' own code tells the console of each value that no kernel hears any more.
    ours = [e for e in notebook.visit.errors if "Could not send widget sync message" not in e]
    assert (ours, notebook.visit.failed, notebook.visit.outside) == ([], [], [])
    page.context.close()
