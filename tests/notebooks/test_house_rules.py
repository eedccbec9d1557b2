"""The chapters keep the house rules, and the checker that says so can say no."""

import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from notebooks import (
    METADATA,
    bootstrap_source,
    dumps,
    from_py,
    main,
    problems,
    read,
    strip,
    to_py,
)
from project import ROOT

CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
DRAFT = """# %% [markdown]
# # 9. A tiny chapter
#
# With $x$ and a `{dict}` and $\\\\mathrm{KL}$.

# %% tags=["hide-input"] alt="A line that rises"
x = 1

# %%
1 + 1
"""


def tiny():
    """A chapter without fault."""
    return from_py(DRAFT, "09-tiny.ipynb")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_keeps_the_rules(path):
    assert problems(read(path), path.name) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_stored_in_its_one_form(path):
    assert path.read_text(encoding="utf-8") == dumps(strip(read(path)))


def test_a_good_notebook_has_no_problems():
    nb = tiny()
    add_text("| a | b |\n|---|---|\n| | 2 |")(nb)
    assert problems(nb, "09-tiny.ipynb") == []


def add_code(source, **metadata):
    return lambda nb: nb.cells.append(new_code_cell(source, metadata=metadata))


def add_text(source):
    return lambda nb: nb.cells.append(new_markdown_cell(source))


def stored_output(nb):
    nb.cells[-1].outputs = [new_output("stream", text="2")]


def execution_count(nb):
    nb.cells[-1].execution_count = 7


def editor_noise(nb):
    nb.cells[-1].metadata["collapsed"] = True


def other_kernel(nb):
    nb.metadata.kernelspec.name = "my-venv"


def repeated_id(nb):
    nb.cells[-1]["id"] = nb.cells[0]["id"]


def no_bootstrap(nb):
    del nb.cells[1]


def bootstrap_late(nb):
    nb.cells.append(nb.cells.pop(1))


def two_bootstraps(nb):
    nb.cells.append(new_code_cell(bootstrap_source(), metadata={"tags": ["bootstrap"]}))


def bootstrap_edited(nb):
    nb.cells[1].source = nb.cells[1].source.replace("-q", "--upgrade")


def no_badge(nb):
    nb.cells[0].source = "# 9. A tiny chapter"


def badge_of_another_file(nb):
    nb.cells[0].source = nb.cells[0].source.replace("09-tiny", "08-other")


BAD = [
    (stored_output, "has stored outputs"),
    (execution_count, "has execution count 7"),
    (editor_noise, "has metadata ['collapsed']"),
    (other_kernel, "my-venv"),
    (repeated_id, "ids are missing or repeated"),
    (add_text("  "), "is empty"),
    (add_code("x = 1", tags=["hide-imput"]), "has unknown tags ['hide-imput']"),
    (add_code("\n".join(f"x{i} = {i}" for i in range(21))), "shows 21 lines"),
    (add_code("!ls"), "has a shell command"),
    (add_code("%pip install numpy"), "has an install"),
    (add_code("import warnings\nwarnings.filterwarnings('ignore')"), "has warnings silenced"),
    (add_code("plt.style.use('https://example.org/a.mplstyle')"), "has a style from a URL"),
    (add_text("```{note}\nThis\n```"), "has the MyST directive '{note}'"),
    (add_text(":::{note}\nThis\n:::"), "has MyST syntax ':::{note}'"),
    (add_text("(a-label)=\n\n## Heading"), "has MyST syntax '(a-label)='"),
    (add_text("$$x = 1$$ (eq-one)"), "has MyST syntax '$$x = 1$$ (eq-one)'"),
    (add_text("See {ref}`a-label`."), "has the MyST role '{ref}'"),
    (add_text("\\begin{align}x &= 1\\end{align}"), "has \\begin{align} outside $$"),
    (add_text("![](picture.png)"), "has a picture without alt text"),
    (add_text("| | b |\n|---|---|\n| 1 | 2 |"), "has a table with a column that has no name"),
    (add_text("| a | |\n|:--|---|\n| 1 | 2 |"), "has a table with a column that has no name"),
    (add_code("1", mystnb={"image": {"alt": "figure"}}), "has the alt text 'figure'"),
    (add_text("# Another title"), "has 2 titles"),
    (add_text("### Too deep"), "jumps from level 1 to level 3"),
    (no_bootstrap, "has bootstrap cells at []"),
    (bootstrap_late, "has bootstrap cells at [3]"),
    (two_bootstraps, "has bootstrap cells at [1, 4]"),
    (bootstrap_edited, "differs from the project's bootstrap cell"),
    (no_badge, "lacks the Colab link"),
    (badge_of_another_file, "lacks the Colab link"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD, ids=[message for _, message in BAD])
def test_each_fault_is_named(spoil, message):
    nb = tiny()
    spoil(nb)
    found = problems(nb, "09-tiny.ipynb")
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    "text",
    [
        "A set `{a}` and `{b}` in code.",
        "```python\nd = {a: 1}\n```",
        "$$\n\\begin{aligned}x &= 1\\end{aligned}\n$$",
        "$\\mathrm{KL}$ of `q` and `p`",
        "![A line](line.png)",
    ],
)
def test_plain_markdown_passes(text):
    nb = tiny()
    add_text(text)(nb)
    strip(nb)
    assert problems(nb, "09-tiny.ipynb") == []


def test_strip_cures_what_running_leaves():
    nb = tiny()
    for spoil in (stored_output, execution_count, editor_noise, other_kernel, repeated_id):
        spoil(nb)
    assert problems(strip(nb), "09-tiny.ipynb") == []
    assert nb.metadata == METADATA


def test_making_a_notebook_twice_gives_the_same_file():
    assert dumps(tiny()) == dumps(tiny())


def test_a_draft_survives_the_way_there_and_back():
    draft = to_py(tiny())
    assert 'alt="A line that rises"' in draft
    assert "Colab" not in draft
    assert dumps(from_py(draft, "09-tiny.ipynb")) == dumps(tiny())


def test_check_fails_on_a_bad_file_and_names_it(tmp_path):
    bad = tmp_path / "09-tiny.ipynb"
    nb = tiny()
    stored_output(nb)
    bad.write_text(dumps(nb))
    command = [sys.executable, ROOT / "tools" / "notebooks.py", "check", bad]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert "09-tiny.ipynb: cell 3 has stored outputs" in run.stderr


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    bad = tmp_path / "broken.ipynb"
    bad.write_text("{")
    with pytest.raises(SystemExit, match=r"broken\.ipynb: expected a notebook"):
        read(bad)


NONE = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": %s}'


@pytest.mark.parametrize(
    "text",
    ["[]", "3", "null", "", '{"nbformat": 3}', '{"nbformat": 3, "worksheets": []}', "9" * 10_000,
     "[" * 100_000 + "]" * 100_000, '{"nbformat": "4"}', *(NONE % of for of in
     ("null", "3", "[null]", "[{}]", "[3]", '[{"cell_type": "code"}]'))],
    ids=lambda text: text[:60],
)  # fmt: skip
@pytest.mark.parametrize("command", ["check", "strip", "to-py"])
def test_what_is_no_notebook_is_refused_in_a_sentence(tmp_path, monkeypatch, text, command):
    path = tmp_path / "09-tiny.ipynb"
    path.write_text(text)
    more = [str(tmp_path / "draft.py")] if command == "to-py" else []
    monkeypatch.setattr(sys, "argv", ["notebooks.py", command, str(path), *more])
    with pytest.raises(SystemExit, match=r"tiny\.ipynb: expected a notebook") as error:
        main()
    assert len(str(error.value)) <= 500
    assert path.read_text() == text


@pytest.mark.parametrize("command", ["check", "strip", "to-py", "from-py"])
@pytest.mark.parametrize("there", ["a folder", "nothing", "bytes"])
def test_a_path_without_a_text_is_refused_in_a_sentence(tmp_path, monkeypatch, there, command):
    path = tmp_path / ("draft.py" if command == "from-py" else "09-tiny.ipynb")
    path.mkdir() if there == "a folder" else None
    path.write_bytes(bytes(range(128, 256))) if there == "bytes" else None
    more = [str(tmp_path / "out")] if "py" in command else []
    monkeypatch.setattr(sys, "argv", ["notebooks.py", command, str(path), *more])
    with pytest.raises(SystemExit, match=rf"{path.name}: expected a") as error:
        main()
    assert len(str(error.value)) <= 500


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_stored_notebooks_are_valid(path):
    nbformat.validate(read(path))
