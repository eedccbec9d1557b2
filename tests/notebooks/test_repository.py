"""The repository's address stands in one place, and what repeats it can be moved."""

import re
import shutil
import subprocess
import sys

import pytest

from notebooks import problems, read
from project import ROOT, repository_url, slug
from repository import files, move, pages_host

ELSEWHERE = "https://github.com/someone-else/another-book"
ADDRESSED = re.compile(
    r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)|git\+https://github\.com/([\w.-]+/[\w.-]+)"
)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every text file of the project, but for this folder: it speaks of other addresses."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in files()
        if not path.is_relative_to(ROOT / "tests" / "notebooks")
    }


def test_no_file_leads_to_another_repository(texts):
    ours = slug(repository_url())
    strays = [
        (name, found)
        for name, text in texts.items()
        for found in map("".join, ADDRESSED.findall(text))
        if found.removesuffix(".git") != ours
    ]
    assert strays == []


def test_moving_leaves_no_stray_behind(texts):
    old = repository_url()
    for name, text in texts.items():
        moved = move(text, old, ELSEWHERE)
        assert slug(old).lower() not in moved.lower(), name
        assert pages_host(old) not in moved.lower(), name
        assert move(moved, ELSEWHERE, old) == text, f"{name}: moving there and back changes it"


def test_a_moved_project_keeps_its_rules(tmp_path):
    for folder in ("tools", "chapters"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    command = [sys.executable, "tools/repository.py", ELSEWHERE]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert repository_url(tmp_path) == ELSEWHERE
    for path in sorted((tmp_path / "chapters").glob("*.ipynb")):
        assert problems(read(path), path.name, tmp_path) == []


@pytest.mark.parametrize("given", [[], ["git@github.com:a/b.git"], ["https://github.com/onlyname"]])
def test_what_is_no_address_is_refused(given):
    command = [sys.executable, ROOT / "tools" / "repository.py", *given]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert "expected: make repository URL=https://github.com/owner/name" in run.stderr
