"""Every target of the Makefile, for machines with make and without: python tools/run.py book

Each target names the set-up that it needs (tools/set_up.py, which skips what is done) and what is
run then, by .venv's Python. The Makefile is a thin layer over this. Standard library only.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

PYTHONS = (3, 11), (3, 14)  # the lock's range: both ends are tried in the workflow
if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:  # older ones cannot read what follows
    names = [".".join(map(str, version)) for version in (*PYTHONS, sys.version_info[:3])]
    sys.exit("This needs Python {} to {}; this is {}. Run it by one of those.".format(*names))

import set_up  # noqa: E402
from set_up import ROOT  # noqa: E402

OF_A_BOOK = ("serve", "pdf", "lighthouse")  # targets that build it if it is not there
MADE = ("_build", ".pytest_cache", ".ruff_cache", ".hypothesis")


@dataclass(frozen=True)
class Target:
    """help: one line; steps: set-up; commands: arguments of .venv's Python, or of this one where
    there is no set-up; option: the NAME that may be given as NAME=value, and what becomes of the
    value (`{}`); default: the value where none is given. In a command `{}` is what became of it."""

    help: str
    steps: str = "environment"
    commands: tuple[str, ...] = ()
    option: tuple[str, str] = ("", "")
    default: str = ""


TESTS = "-m pytest"
# Two files of tests at a time, in the order of tests/conftest.py: with more, browsers are late.
TOGETHER = f"{TESTS} -n 2 --dist loadfile --no-loadscope-reorder"
NOTEBOOK7 = f"{TESTS} tests/live tests/colab_widgets --front-end notebook7 --front-end classic"
FIREFOX = f"{TESTS} tests/book/in_firefox.py"  # no test_…: nothing else asks for Firefox
TARGETS = {
    "book": Target(
        "execute every chapter and build the book into _build/html",
        "environment assets data",
        ("tools/build_book.py",),
    ),
    "serve": Target(
        "build the book if it is not there, and serve it to this machine's browser (PORT=8000)",
        "environment",
        ("tools/serve.py _build/html {}",),
        ("PORT", "{}"),
        "8000",
    ),
    "pdf": Target(
        "print the whole book as one PDF, which its pages then offer",
        "environment browser",
        ("tools/pdf.py",),
    ),
    "lab": Target(
        "the chapters in JupyterLab on this machine, with living explorers (PORT=8888)",
        "environment data lab",
        ("tools/lab.py {}",),
        ("PORT", "{}"),
        "8888",
    ),
    "test": Target(
        "everything: unit tests, each chapter as Colab runs it, book and JupyterLab in a browser",
        "environment assets axe data browser colab colab_manager lab",
        (f"{TOGETHER} --durations=15",),
    ),
    "test-unit": Target(
        "the package and the tools, in a minute or two",
        "environment data",
        (f"{TOGETHER} -m not&notebooks&and&not&book&and&not&live",),
    ),
    "test-notebooks": Target(
        "the notebooks' rules, and every chapter as Colab runs it",
        "environment data colab",
        (f"{TESTS} tests/notebooks --durations=15",),
    ),
    "test-book": Target(
        "build the book and look at every page in a browser",
        "environment assets axe data browser",
        (f"{TOGETHER} tests/book",),
    ),
    "test-live": Target(
        "the explorers in JupyterLab, with a kernel",
        "environment data browser lab",
        (f"{TESTS} tests/live",),
    ),
    "test-notebook7": Target(
        "the same in Notebook 7, and in the classic notebook with Colab's ipywidgets 7.7.1",
        "environment data browser colab colab_manager lab",
        (NOTEBOOK7,),
    ),
    "test-firefox": Target(
        "the explorers in Firefox, which shows what Chromium shows",
        "environment assets data browser firefox",
        (FIREFOX,),
    ),
    "test-all": Target(
        "test, test-notebook7 and test-firefox",
        "environment assets axe data browser firefox colab colab_manager lab",
        (f"{TOGETHER} --durations=15", NOTEBOOK7, FIREFOX),
    ),
    "weights": Target(
        "train the shipped models whose recipe changed (ONLY=name for one)",
        "environment data",
        ("tools/train_weights.py {}", "tools/codes.py", "tools/replay.py"),
        ("ONLY", "--only {}"),
    ),
    "bench": Target(
        "time and score against the budgets; prints the table",
        "environment data",
        ("tools/bench.py",),
    ),
    "mutants": Target(
        "break the package in 200 small ways, and list those that no test notices (40 minutes)",
        "environment assets data browser",
        ("tools/mutants.py",),
    ),
    "lighthouse": Target(
        "what Lighthouse says of four pages, as on a phone and a desktop (RUNS=3)",
        "environment browser lighthouse",
        ("tools/lighthouse.py {}",),
        ("RUNS", "{}"),
        "3",
    ),
    "lint": Target(
        "say what breaks the rules of code and notebooks",
        commands=("-m ruff check .", "-m ruff format --check .", "tools/notebooks.py check"),
    ),
    "format": Target(
        "put code and notebooks into their one form",
        commands=(
            "-m ruff check --fix-only --quiet .",
            "-m ruff format .",
            "tools/notebooks.py strip",
        ),
    ),
    "repository": Target(
        "move to another address: make repository URL=https://github.com/owner/name",
        commands=("tools/repository.py {}",),
        option=("URL", "{}"),
    ),
    "lock": Target(
        "write requirements.lock anew from the newest versions that pyproject.toml allows",
        "",
        ("tools/lock.py",),
    ),
    "clean": Target("remove what was built, keeping the environments and the data", ""),
}


def option(name: str, words: list[str]) -> str:
    """What becomes of a target's option: given as NAME=value, or by the environment, or not."""
    own, form = TARGETS[name].option
    if strange := [word for word in words if not own or word.partition("=")[:2] != (own, "=")]:
        takes = f"{own}=value" if own else "nothing more"
        sys.exit(f"{name} takes {takes}, and was given {' '.join(strange)}")
    value = words[-1].partition("=")[2] if words else os.environ.get(own or " ", "")
    value = value or TARGETS[name].default
    return form.format(value) if value else ""


def arguments(command: str, given: str) -> list[str]:
    """The words of a command; & stands for a space within one."""
    return [word.replace("&", " ") for word in command.replace("{}", given).split()]


def run(name: str, given: str = "") -> int:
    """Set up and run a target; the exit status of the first command that failed, or 0."""
    target = TARGETS[name]
    if target.steps:
        set_up.run_steps(target.steps.split())
    if name == "clean":
        for folder in MADE:
            shutil.rmtree(ROOT / folder, ignore_errors=True)
    built = name not in OF_A_BOOK or Path(ROOT, "_build", "html", "index.html").is_file()
    if not built and (status := run("book")):
        return status
    for command in target.commands:
        words = [set_up.PYTHON if target.steps else sys.executable, *arguments(command, given)]
        if status := set_up.follow(words, cwd=ROOT, env=os.environ | set_up.ENVIRONMENT):
            return status
    return 0


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        width = max(map(len, TARGETS))
        print("\n".join(f"  {name:{width}}  {each.help}" for name, each in TARGETS.items()))
        sys.exit(len(sys.argv) > 1 and f"\nNo target {sys.argv[1]!r}; there are those above.")
    sys.exit(run(sys.argv[1], option(sys.argv[1], sys.argv[2:])))


if __name__ == "__main__":
    main()
