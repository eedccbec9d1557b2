"""Code and notebooks are in the one form that `make format` gives them, and break no lint rule."""

import subprocess
import sys

import pytest

from project import ROOT


@pytest.mark.parametrize("rule", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_has_nothing_to_say(rule):
    command = [sys.executable, "-m", "ruff", *rule, "--no-cache", "--output-format=concise", "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, f"`make format` cures most of this:\n{run.stdout}{run.stderr}"
