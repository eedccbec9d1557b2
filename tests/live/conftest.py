"""Notebook servers with real kernels, and the explorers' notebook open in each.

The servers are those of .venv-lab. A kernel, and the widgets' front end with it, is of the
environment that the front end is for: .venv, or .venv-colab with ipywidgets 7.7.1, as in Colab.
"""

import json
import os
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from browsing import Visit, listen, new_context
from explorers import EXPLORERS, PICTURES, settle
from playwright.sync_api import Browser, Locator

from lab import furnish
from project import ROOT

SERVER = ROOT / ".venv-lab" / "bin" / "python"
PATIENCE = 120_000  # ms; a kernel imports torch, and machines that test are busy


@dataclass(frozen=True)
class FrontEnd:
    """An application of the server: a notebook's address, its cells, where its kernel lives."""

    address: str
    cell: str
    environment: Path


FRONT_ENDS = {
    # A workspace for each notebook, or JupyterLab opens beside it what was open before.
    "lab": FrontEnd(
        "lab/workspaces/{0}/tree/{0}.ipynb", ".jp-Notebook .jp-CodeCell", ROOT / ".venv"
    ),
    "notebook7": FrontEnd("notebooks/{}.ipynb", ".jp-Notebook .jp-CodeCell", ROOT / ".venv"),
    # ipywidgets 7 has its own front end, which Notebook 7 and JupyterLab 4 do not run: they answer
    # "Module @jupyter-widgets/base, version ^1.2.0 is not registered, however, 2.0.0 is".
    "classic": FrontEnd("nbclassic/notebooks/{}.ipynb", ".code_cell", ROOT / ".venv-colab"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "front_end" in metafunc.fixturenames:
        names = metafunc.config.getoption("--front-end") or ["lab"]
        metafunc.parametrize("front_end", names, scope="session")


@pytest.fixture(scope="session")
def server(front_end, tmp_path_factory):
    """A notebook server for one front end: (its address, the folder of its notebooks)."""
    environment = FRONT_ENDS[front_end].environment
    for path in (SERVER, environment / "bin" / "python"):
        if not path.exists():
            pytest.fail(f"{path} is missing; `make test` and `make test-notebook7` make it.")
    home = tmp_path_factory.mktemp(front_end)
    variables = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    places = furnish(home, environment, "vaelib", variables)
    (home / "notebooks").mkdir()
    with running(home, places) as address:
        yield address, home / "notebooks"


@contextmanager
def running(home: Path, places: dict[str, str]):
    """The server that serves `home`, with no settings of whoever runs the tests."""
    runtime = home / "runtime"
    command = [SERVER, "-m", "jupyter", "server", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.root_dir={home / 'notebooks'}", "--ServerApp.port=0"]
    command += ["--IdentityProvider.token=test", "--ServerApp.ip=127.0.0.1"]
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log,
            env=os.environ | places,
        )  # fmt: skip
    try:
        yield wait_for_address(process, runtime, home / "server.log")
    finally:
        process.terminate()  # it ends its kernels first
        process.wait(30)


def wait_for_address(process: subprocess.Popen, runtime: Path, log: Path) -> str:
    """The address that the server writes into a file once it listens."""
    told = runtime / f"jpserver-{process.pid}.json"
    until = time.monotonic() + PATIENCE / 1000
    while process.poll() is None and time.monotonic() < until:
        if told.is_file() and (text := told.read_text()):
            return json.loads(text)["url"]
        time.sleep(0.1)
    pytest.fail(f"no notebook server:\n{log.read_text()[-3000:]}")


class Notebook:
    """A notebook that is open in a browser, and has its own kernel."""

    def __init__(self, browser: Browser, server: tuple[str, Path], front_end: str, name: str):
        self.address, folder = server
        self.cells = FRONT_ENDS[front_end].cell
        self.file = f"{name}.ipynb"
        self.path = folder / self.file
        self.visit = Visit()
        self.page = new_context(browser).new_page()
        self.url = f"{self.address}{FRONT_ENDS[front_end].address}?token=test".format(name)

    def open(self, *cells: str, run: int | None = None) -> None:
        """Write the cells, open the notebook and run it from the top: all, or the first so many."""
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"name": "vaelib", "display_name": "vaelib"}
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(notebook, self.path)
        self.page.goto(self.url)
        self.page.locator(self.cells).first.wait_for(timeout=PATIENCE)
        self.wait_for_kernel()
        # What the application itself logs while it starts is no concern of ours.
        listen(self.page, self.visit, self.address.removesuffix("/"))
        self.page.locator(self.cells).first.click()
        for _ in cells[:run]:
            self.page.keyboard.press("Shift+Enter")

    def run(self, cell: int) -> None:
        """Run one cell, now."""
        place = self.page.locator(self.cells).nth(cell)
        place.scroll_into_view_if_needed()
        place.locator(".cm-content, .CodeMirror").first.click()
        self.page.keyboard.press("Control+Enter")

    def api(self, path: str, method: str = "GET"):
        """Ask the server something by its REST interface."""
        headers = {"Authorization": "token test"}
        request = urllib.request.Request(f"{self.address}api/{path}", None, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "null")

    def session(self) -> dict | None:
        return next((one for one in self.api("sessions") if one["path"] == self.file), None)

    def wait_for_kernel(self) -> None:
        until = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < until:
            session = self.session()
            if session and session["kernel"]["execution_state"] == "idle":
                return
            self.page.wait_for_timeout(100)  # and not sleep: the page's events come in meanwhile
        pytest.fail(f"no kernel for {self.file}")

    def shut_down_kernel(self) -> None:
        self.api(f"sessions/{self.session()['id']}", "DELETE")
        if "nbclassic" in self.url:  # asks what to do about it, in front of everything
            self.page.locator(".modal-dialog").wait_for()
            self.page.evaluate("jQuery('.modal').modal('hide')")
            self.page.locator(".modal-dialog").wait_for(state="hidden")

    def show(self, cell: int) -> None:
        """Scroll to the end of a cell: its output."""
        place = self.page.locator(self.cells).nth(cell)
        place.evaluate("(cell) => cell.scrollIntoView({ block: 'end' })")
        self.page.wait_for_timeout(200)

    def output(self, cell: int) -> Locator:
        """The explorer that a cell shows, in view and awake."""
        explorer = self.page.locator(self.cells).nth(cell).locator(".vaelib-explorer")
        picture = explorer.locator(PICTURES).first
        until = time.monotonic() + PATIENCE / 1000
        # Scrolled to again and again: applications scroll by themselves while cells are run.
        while not picture.is_visible() and time.monotonic() < until:
            self.show(cell)
        picture.scroll_into_view_if_needed()
        settle(self.page)
        return explorer


@pytest.fixture(scope="session")
def notebook(browser, server, front_end):
    """A notebook with every explorer, a cell each after the first, run from the top."""
    notebook = Notebook(browser, server, front_end, "explorers")
    calls = [f"explore.{case.call}" for case in EXPLORERS.values()]
    notebook.open("from vaelib import explore", *calls)
    yield notebook
    notebook.page.context.close()
