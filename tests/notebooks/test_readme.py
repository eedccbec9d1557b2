"""What the README says can be typed can be typed."""

import re

import pytest

import run
from project import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAPERS = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`?make ([a-z][a-z0-9-]*)[ `]", PAPERS))))
def test_every_make_target_that_is_named_exists(target):
    assert target in {*run.TARGETS, "help"}


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"tools/run\.py ([a-z][a-z0-9-]*)", PAPERS)))
)
def test_every_target_that_is_named_without_make_exists(target):
    assert target in {*run.TARGETS, "help"}


def test_every_folder_that_is_named_exists():
    for name in re.findall(r"^(\w+)/ ", README, re.MULTILINE):
        assert (ROOT / name).is_dir(), name


def test_the_readme_s_code_runs():
    names = {}
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(code, "README.md", "exec"), names)
    assert names["mu"].shape == names["log_var"].shape == (8, 2)
