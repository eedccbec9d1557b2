"""Every target of the Makefile, for machines with make and without: python tools/run.py book

Each target names the set-up that it needs (tools/setup.py, which skips what is done) and what is
run then, by .venv's Python. The Makefile is a thin layer over this. Standard library only.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import setup
from setup import ROOT

PYTHONS = (3, 11), (3, 14)  # the lock's range: both ends are tried in the workflow


@dataclass(frozen=True)
class Target:
    """help: one line; steps: set-up; commands: arguments of .venv's Python, `{}` for the target's
    own argument, which `default` replaces where none is given."""

    help: str
    steps: str = "environment"
    commands: tuple[str, ...] = ()
    default: str = ""


TESTS = "-m pytest"
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
        "8000",
    ),
    "lab": Target(
        "the chapters in JupyterLab on this machine, with living explorers (PORT=8888)",
        "environment data lab",
        ("tools/lab.py {}",),
        "8888",
    ),
    "test": Target(
        "everything: unit tests, each chapter as Colab runs it, book and JupyterLab in a browser",
        "environment assets axe data browser colab colab_manager lab",
        (f"{TESTS} --durations=15",),
    ),
    "test-unit": Target(
        "the package and the tools, in a minute or two",
        "environment data",
        (f"{TESTS} -m not&notebooks&and&not&book&and&not&live",),
    ),
    "test-notebooks": Target(
        "the notebooks' rules, and every chapter as Colab runs it",
        "environment data colab",
        (f"{TESTS} tests/notebooks --durations=15",),
    ),
    "test-book": Target(
        "build the book and look at every page in a browser",
        "environment assets axe data browser",
        (f"{TESTS} tests/book",),
    ),
    "test-live": Target(
        "the explorers in JupyterLab, with a kernel",
        "environment data browser lab",
        (f"{TESTS} tests/live",),
    ),
    "test-notebook7": Target(
        "the same in Notebook 7, and in the classic notebook with Colab's ipywidgets 7.7.1",
        "environment data browser colab colab_manager lab",
        (f"{TESTS} tests/live tests/colab_widgets --front-end notebook7 --front-end classic",),
    ),
    "weights": Target(
        "train the shipped models whose recipe changed (ONLY=name for one)",
        "environment data",
        ("tools/train_weights.py {}", "tools/codes.py", "tools/replay.py"),
    ),
    "bench": Target(
        "time and score against the budgets; prints the table",
        "environment data",
        ("tools/bench.py",),
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
    ),
}


def arguments(command: str, given: str) -> list[str]:
    """The words of a command; & stands for a space within one."""
    return [word.replace("&", " ") for word in command.replace("{}", given).split()]


def run(name: str, given: str = "") -> int:
    """Set up and run a target; the exit status of the first command that failed, or 0."""
    target = TARGETS[name]
    setup.run_steps(target.steps.split())
    if name == "serve" and not Path(ROOT, "_build", "html", "index.html").is_file():
        run("book")
    for command in target.commands:
        words = arguments(command, given or target.default)
        if status := subprocess.run([setup.PYTHON, *words], cwd=ROOT).returncode:
            return status
    return 0


def main() -> None:
    low, high = (".".join(map(str, version)) for version in PYTHONS)
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"This needs Python {low} to {high}; this is {found}. Run it by one of those.")
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        width = max(map(len, TARGETS))
        print("\n".join(f"  {name:{width}}  {each.help}" for name, each in TARGETS.items()))
        sys.exit(len(sys.argv) > 1 and f"\nNo target {sys.argv[1]!r}; there are those above.")
    sys.exit(run(sys.argv[1], " ".join(sys.argv[2:])))


if __name__ == "__main__":
    main()
