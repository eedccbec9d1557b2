"""The repository's address stands in one place, and what repeats it can be moved."""

import os
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


# By GitHub's own rules an owner is letters, digits and single hyphens within, at most 39.
WRONG = ["onlyname", "a b/c", "a/b c", "-a/b", "a-/b", "a--b/c", "a_b/c", "a.b/c", "./..", "a/..",
         "a/.", f"{'a' * 40}/b", f"a/{'b' * 101}", "ä/b", "a/b?x=1", "a/.git", "a/b/c"]  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [[], [""], ["git@github.com:a/b.git"], ["http://github.com/a/b"], ["https://github.com/a", "b"],
     *([f"https://github.com/{path}"] for path in WRONG)],
)  # fmt: skip
def test_what_is_no_address_is_refused(given, tmp_path):
    shutil.copytree(ROOT / "tools", tmp_path / "tools")  # what is not refused is written everywhere
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [sys.executable, tmp_path / "tools" / "repository.py", *given]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert (
        given[0] if len(given) == 1 else "nothing" if not given else "2 addresses"
    ) in run.stderr
    assert "expected: make repository URL=https://github.com/owner/name" in run.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (None, "pyproject.toml"),
        ("[project", "pyproject.toml"),
        ('[project]\nname = "x"', "pyproject.toml"),
        ("whole", "no clone"),
    ],
)
def test_outside_a_whole_clone_it_says_so_in_a_sentence(tmp_path, settings, said):
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    if settings:
        whole = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        (tmp_path / "pyproject.toml").write_text(whole if settings == "whole" else settings)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.py")}
    run = subprocess.run(
        [sys.executable, "tools/repository.py", ELSEWHERE], cwd=tmp_path, capture_output=True,
        text=True, env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
    )  # fmt: skip
    assert run.returncode == 1
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr) <= 500
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.py")} == before


def test_without_git_it_says_so(tmp_path):
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, ROOT / "tools" / "repository.py", ELSEWHERE]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 1
    assert run.stderr.startswith("git, which lists the files to rewrite, was not found")
