"""Build the book into _build/html, executing every chapter: python tools/build_book.py [OUT]

Runs Jupyter Book with every warning an error and says in a line each what a reader of the screen
wants to know: which chapter is being executed, how long it took, what is wrong. All the rest is in
OUT/_build/book.log.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from project import ROOT

# -n: a reference that leads nowhere is a warning; -W: a warning fails the build; --all: Sphinx
# would skip a chapter whose text is as before, though vaelib is not.
OPTIONS = ["-n", "-W", "--keep-going", "--all"]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
STARTED = re.compile(r"([^/]+)\.ipynb: Executing notebook")
FINISHED = re.compile(r"([^/]+)\.ipynb: Executed notebook in ([\d.]+) seconds")
TROUBLE = re.compile(r"WARNING: |ERROR: |CRITICAL: |Error\b|Traceback|Exception")
REPORT = re.compile(r"traceback saved in: (\S+)")
NOISE = re.compile(r"Kernel is running over TCP")
# For the kernels: two pixels for each of CSS, which makes figures sharp on any screen. (As "retina"
# they would say how large they are, and MyST-NB squeeze them on a phone.)
FIGURES = 'c.InlineBackend.rc = {"figure.dpi": 200}'
# MyST-NB counts 10,000 lines for each cell, from 1.
PLACE = re.compile(r"(?<=\.ipynb:)(\d+)(\d{4})(?=:)")


def place(found: re.Match) -> str:
    """Cell and line, counted as the notebooks' checker counts: cells from 0."""
    return f" cell {int(found[1]) - 1}, line {int(found[2])}"


def build(out: Path) -> int:
    """Run Jupyter Book and return its exit status."""
    # By `which`, for its name ends in .exe where programs' names do.
    book = shutil.which("jupyter-book", path=str(Path(sys.executable).parent))
    command = [book, "build", *OPTIONS]
    command += ["--path-output", str(out), str(ROOT)]
    # A page whose chapter was renamed would stay, and with it the links to it.
    for folder in ("html", "jupyter_execute"):
        shutil.rmtree(out / "_build" / folder, ignore_errors=True)
    (out / "_build").mkdir(parents=True, exist_ok=True)
    profile = out / "_build" / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text(FIGURES)
    with (
        (out / "_build" / "book.log").open("w", encoding="utf-8", buffering=1) as log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            # Threads of OpenMP spin while they wait for each other: beside any other work on two
            # cores, a chapter with two of them takes ten times as long as with one.
            env={"OMP_NUM_THREADS": "1"}
            | os.environ
            | {"PYTHONUNBUFFERED": "1"}  # what goes wrong is said when it does
            | {"IPYTHONDIR": str(profile.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for raw in process.stdout:
            line = COLOURS.sub("", raw).rstrip()
            log.write(line + "\n")
            if started := STARTED.search(line):
                print(f"  executing {started[1]} …", flush=True)
            elif finished := FINISHED.search(line):
                print(f"  executed {finished[1]}: {float(finished[2]):.0f} s", flush=True)
            elif TROUBLE.search(line) and not NOISE.search(line):
                print(PLACE.sub(place, line), flush=True)
                if report := REPORT.search(line):
                    print(
                        "\n".join(COLOURS.sub("", Path(report[1]).read_text()).splitlines()[-20:])
                    )
    return process.returncode


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    start = time.monotonic()
    print("Building the book", flush=True)
    if status := build(out):
        # What serves and prints a book takes it for whole where this is.
        (out / "_build" / "html" / "index.html").unlink(missing_ok=True)
        sys.exit(f"\nThe book did not build (exit {status}); the whole log: {out}/_build/book.log")
    index = (out / "_build" / "html" / "index.html").resolve()
    print(f"Built in {time.monotonic() - start:.0f} s. Open {index.as_uri()} or run `make serve`.")


if __name__ == "__main__":
    main()
