"""The explorers in notebooks with a live kernel: JupyterLab, and others by --front-end.

What they show is tested in the book (tests/book); here, that a notebook is no worse a place: the
code and the weights come from the kernel by messages, and it may be gone when they are asked for.
"""

import time

import pytest
from explorers import (
    AE,
    EXPLORERS,
    HANDLES,
    START,
    VAE,
    assert_every_slider_moves_the_pictures,
    assert_pictures_are_pytorchs,
    painted,
    point,
    press_arrow,
    settle,
)

from vaelib import explore

from .conftest import PATIENCE, Notebook

pytestmark = pytest.mark.live


@pytest.mark.parametrize("name", EXPLORERS)
def test_an_explorer_lives_in_a_notebook(notebook, name):
    cell = 1 + list(EXPLORERS).index(name)
    assert_every_slider_moves_the_pictures(notebook.page, notebook.output(cell), name)
    visit = notebook.visit
    assert (visit.errors, visit.failed, visit.outside) == ([], [], [])


def test_python_and_the_sliders_agree_both_ways(browser, server, front_end):
    """What is set on the canvas or a slider shows in the page; what is moved there, in Python."""
    notebook = Notebook(browser, server, front_end, "agreeing")
    numbers = "canvas.z1, z1.value, canvas.z2, z2.value, canvas.high, z1.max"
    notebook.open(
        f"from vaelib import explore\nexplorer = explore.{EXPLORERS['explorer'].call}\n"
        "z1, z2, canvas = explorer.children\nexplorer",
        "canvas.z1, z2.value = 1.5, -0.5",
        f"print('Python has', *(round(number, 2) for number in ({numbers})))",
        run=1,
    )
    page, shown = notebook.page, notebook.output(0)

    def assert_python_has(*wanted: float) -> None:
        sentence = f"Python has {' '.join(map(str, wanted))}"
        said = page.locator(notebook.cells).nth(2).get_by_text(sentence, exact=True)
        until = time.monotonic() + PATIENCE / 1000
        while not said.count() and time.monotonic() < until:
            notebook.run(2)
            page.wait_for_timeout(300)
        assert said.count(), page.locator(notebook.cells).nth(2).text_content()

    notebook.run(1)
    page.wait_for_function(READOUTS, arg=[1.5, -0.5])
    assert_pictures_are_pytorchs(shown)
    shown.get_by_label("All at the scale").check()  # the sliders' limits become the prior's
    press_arrow(page, shown.locator(HANDLES).first)
    settle(page)
    z1, z2 = point(shown)
    assert (z1, z2) != (1.5, -0.5)
    assert_python_has(z1, z1, z2, z2, 4.0, 4.0)
    where = page.url
    shown.get_by_role("button", name="Reset").click()
    wide = max(edge for name in (AE, VAE) for edge in explore.code_box(name))
    assert_python_has(START[0], START[0], START[1], START[1], wide, wide)
    assert page.url == where, "a notebook's address is its own"
    assert (notebook.visit.errors, notebook.visit.failed) == ([], [])
    page.context.close()


# What the sliders say that they are, once they are there.
READOUTS = """(wanted) => {
  const said = [...document.querySelectorAll(".widget-readout")];
  return String(said.map((e) => Number(e.textContent.replace("−", "-")))) === String(wanted);
}"""
LATE = "ipywidgets.Tab([ipywidgets.Label('first'), explore.reparameterisation_explorer()])"
BOUND = 30_000  # ms; the loader says so after 10 s


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
