"""`make lab`: a chapter opens in JupyterLab, its kernel has vaelib, and its explorer lives."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest
from browsing import Visit, listen, new_context
from explorers import PICTURES, painted

from project import ROOT

pytestmark = pytest.mark.live
CHAPTER = "00-start-here.ipynb"
CELLS = ".jp-Notebook .jp-Cell"


@pytest.fixture
def lab(tmp_path):
    """The address of what `make lab` starts, on a copy of a chapter: JupyterLab saves by itself."""
    shutil.copy(ROOT / "chapters" / CHAPTER, tmp_path)
    options = ["0", tmp_path, "--no-browser", "--IdentityProvider.token=test"]
    command = [sys.executable, ROOT / "tools" / "lab.py", *options]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
    try:
        for _ in range(600):
            found = re.search(r"(http://127\.0\.0\.1:\d+/)lab", (tmp_path / "log").read_text())
            if found or process.poll() is not None:
                break
            time.sleep(0.1)
        assert found, (tmp_path / "log").read_text()[-2000:]
        yield found[1]
    finally:
        process.terminate()
        process.wait(30)
    with pytest.raises(OSError, match="refused"):  # the server has ended with it
        urllib.request.urlopen(found[1])


def wait_for_kernel(lab, page) -> None:
    request = urllib.request.Request(f"{lab}api/sessions", headers={"Authorization": "token test"})
    for _ in range(600):
        with urllib.request.urlopen(request) as answer:
            sessions = json.load(answer)
        if sessions and sessions[0]["kernel"]["execution_state"] == "idle":
            return
        page.wait_for_timeout(200)
    pytest.fail("no kernel")


def test_make_lab_opens_a_chapter_with_a_living_explorer(lab, browser):
    page, visit = new_context(browser).new_page(), Visit()
    page.goto(f"{lab}lab/tree/{CHAPTER}?token=test")
    page.locator(CELLS).first.wait_for(timeout=120_000)
    wait_for_kernel(lab, page)
    listen(page, visit, lab.removesuffix("/"))
    page.locator(CELLS).first.click()
    for _ in range(3):  # the title, the bootstrap cell, the explorer
        page.keyboard.press("Shift+Enter")
    explorer = page.locator(".vaelib-explorer").first
    explorer.locator(PICTURES).first.wait_for(timeout=120_000)
    assert painted(explorer).float().std() > 10
    assert (visit.errors, visit.failed, visit.outside) == ([], [], [])
    page.context.close()
