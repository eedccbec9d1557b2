"""The explorers in a widget manager made as Google Colab's public one is (see manager.js).

Colab's makes a model when something that is shown asks for it. Nothing asks for link models, so
what ipywidgets' `jslink` joins stays apart there, without a word; the explorers do without it.
"""

import json
import os
import subprocess
from contextlib import contextmanager

import pytest
from browsing import Visit, listen, new_context
from explorers import EXPLORERS, HANDLES, PICTURES, assert_every_slider_moves_the_pictures, settle

from project import ROOT
from vaelib import explorer_assets

pytestmark = pytest.mark.live

PYTHON = ROOT / ".venv-colab" / "bin" / "python"
MANAGER = ROOT / ".cache" / "colab_widgets"
ADDRESS = "http://127.0.0.1/"  # nothing listens there: the test answers by itself
PAGE = """<!doctype html><meta charset="utf-8"><title>An output cell</title>
<link rel="stylesheet" href="/manager.css"><div id="place"></div>
<script src="/manager.js"></script><script src="/anywidget.js"></script>"""


@pytest.fixture(scope="session")
def kernel() -> dict:
    """What a kernel with Colab's packages says of all explorers."""
    for path in (PYTHON, MANAGER / "manager.js"):
        if not path.is_file():
            pytest.fail(f"{path} is missing; `make test` and `make test-notebook7` make it.")
    calls = {name: case.call for name, case in EXPLORERS.items()}
    run = subprocess.run(
        [PYTHON, ROOT / "tests" / "colab_widgets" / "states.py"],
        input=json.dumps(calls), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["ipywidgets"] == "7.7.1"
    return told["explorers"]


@pytest.fixture(scope="session", params=[".venv-colab", ".venv"], ids=["Colab's", "the lock's"])
def front_end(request) -> bytes:
    """anywidget's: as Colab has it, and as it may have it tomorrow."""
    inside = "lib/python*/site-packages/anywidget/nbextension/index.js"
    (path,) = (ROOT / request.param).glob(inside)
    return path.read_bytes()


@contextmanager
def shown(browser, front_end: bytes, root: str, states: dict):
    def answer(route) -> None:
        path = route.request.url.removeprefix(ADDRESS)
        if path.startswith("asset/"):
            return route.fulfill(path=explorer_assets.asset(path.removeprefix("asset/")))
        if path == "anywidget.js":
            return route.fulfill(body=front_end, content_type="text/javascript")
        if path.startswith("manager."):
            return route.fulfill(path=MANAGER / path)
        return route.fulfill(body=PAGE, content_type="text/html")

    visit, context = Visit(), new_context(browser)
    page = context.new_page()
    page.route(f"{ADDRESS}**", answer)
    listen(page, visit, ADDRESS)
    page.goto(ADDRESS)
    page.evaluate("([states, root]) => show(states, root, place)", [states, root])
    page.locator(PICTURES).first.wait_for()
    settle(page)
    yield page
    assert (visit.errors, visit.failed, visit.outside) == ([], [], [])
    context.close()


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_slider_moves_its_picture_where_no_link_model_is_made(
    browser, kernel, front_end, name
):
    root, states = kernel[name]
    with shown(browser, front_end, root, states) as page:
        assert_every_slider_moves_the_pictures(page, page, name)
        made = page.evaluate("manager.made")
        assert made.count("AnyModel") == 1
        assert not [model for model in made if "Link" in model]
        assert len(page.locator(HANDLES).all()) == len(EXPLORERS[name].sliders)


@pytest.mark.parametrize("name", [name for name in EXPLORERS if EXPLORERS[name].sliders])
def test_a_kernel_is_told_the_same_of_a_slider_and_of_its_trait(browser, kernel, front_end, name):
    root, states = kernel[name]
    (canvas,) = (id for id, state in states.items() if "explorer" in state)
    with shown(browser, front_end, root, states) as page:
        for i, (trait, (slider, moves, *_)) in enumerate(states[canvas]["sliders"].items()):
            page.locator(HANDLES).nth(i).focus()
            page.locator(HANDLES).nth(i).press("End")
            page.locator(HANDLES).nth(i).press("ArrowLeft")
            settle(page)
            page.wait_for_function(
                """([a, b, x, y]) => kernel[a]?.[x] !== undefined
                  && Math.abs(kernel[a][x] - kernel[b]?.[y]) < 1e-9""",
                arg=[slider, canvas, moves, trait],
            )
