"""Set up what `make` needs, from nothing, and skip what is already done.

    python tools/set_up.py environment assets axe data browser
    python tools/set_up.py firefox lighthouse colab colab_manager lab

Each step leaves a stamp that names what it was made from, and is done again when that changes.
What a step prints goes to .cache/setup/STEP.log and is shown only when the step fails. Standard
library only: it runs before anything is installed.
"""

import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path


def python_of(environment: Path, system: str = os.name) -> Path:
    """The Python of a virtual environment, also on Windows."""
    return environment / ("Scripts/python.exe" if system == "nt" else "bin/python")


ROOT = Path(__file__).resolve().parents[1]
NPM = ROOT / "tools" / "npm_locked.py"
PYTHON = python_of(ROOT / ".venv")
COLAB = ROOT / ".venv-colab"
LAB = ROOT / ".venv-lab"
# PyTorch's own index of builds without CUDA; elsewhere Linux gets 5 GB that nothing here uses.
CPU_INDEX = os.environ.get("VAE_BOOK_TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
CACHE = ROOT / ".cache" / "setup"
COLAB_PYTHON = (3, 13)  # what Google Colab runs
COLAB_GIB = 12  # free on the disk, for a torch with CUDA: the only one where no CPU index answers
# What every command is given besides. Files here are UTF-8, which is not what Windows expects.
ENVIRONMENT = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"}


def fingerprint(*parts: Path | str) -> str:
    """What a step depends on, as one word: the files' contents and the strings as they are; and
    where it is done, for an environment holds its own path and is none in a copy or elsewhere."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
    return digest.hexdigest()


def run(log, *command: str | Path, **environment: str) -> None:
    """Run a command with its output in the step's log; raise if it fails."""
    log.write(f"$ {' '.join(map(str, command))}\n".encode())
    log.flush()
    subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT | environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        check=True,
    )


def follow(command: list, **options) -> int:
    """Run a command to its end and return its exit status.

    What tells this process to end tells the command, which may take its time: a server has kernels
    to end, and `subprocess.run` would kill it a quarter of a second after Ctrl-C.
    """
    with subprocess.Popen(command, **options) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            while True:
                with suppress(KeyboardInterrupt):  # the terminal sends it to the command as well
                    return process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)


def narrate(what: str, finished: threading.Event) -> None:
    """Show that a step is alive: the seconds on a terminal, a word every 30 s elsewhere."""
    start, tty = time.monotonic(), sys.stdout.isatty()
    while not finished.wait(1 if tty else 30):
        seconds = time.monotonic() - start
        print(
            f"\r  {what} … {seconds:.0f} s" if tty else f"  … {seconds:.0f} s",
            end="" if tty else "\n",
            flush=True,
        )
    print("\r" if tty else "", end="")


def step(name: str, what: str, key: str, made: Path, do: Callable) -> None:
    """Do a step unless its stamp says that it was done for this `key` and `made` is there."""
    stamp = CACHE / name
    if made.exists() and stamp.is_file() and stamp.read_text() == key:
        return
    stamp.unlink(missing_ok=True)
    print(f"  {what} …", flush=True)
    log_path, start, finished = CACHE / f"{name}.log", time.monotonic(), threading.Event()
    narrator = threading.Thread(target=narrate, args=(what, finished), daemon=True)
    narrator.start()
    try:
        with log_path.open("wb") as log:
            do(log)
    except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
        finished.set()
        tail = log_path.read_text(errors="replace").splitlines()[-25:]
        sys.exit(
            "\n".join([*tail, f"\nSet-up stopped while {what}: {error}\nThe whole log: {log_path}"])
        )
    finally:
        finished.set()
        narrator.join()
    print(f"  {what}: {time.monotonic() - start:.0f} s", flush=True)
    stamp.write_text(key)


def made_elsewhere() -> list[str]:
    """`--clear` where .venv is of another Python than the one found now, or of another folder, or
    has lost its Python."""
    settings = ROOT / ".venv" / "pyvenv.cfg"
    if not settings.is_file():
        return []
    lines = settings.read_text(encoding="utf-8").splitlines()
    form = r"command = .* -m venv (?:--\S+ )*(.+)"
    made = [found[1] for line in lines if (found := re.fullmatch(form, line))]
    here = any(os.path.realpath(path) == os.path.realpath(ROOT / ".venv") for path in made)
    version = f"version = {'.'.join(map(str, sys.version_info[:3]))}"
    return [] if here and version in lines and PYTHON.exists() else ["--clear"]


def answers(page: str, patience: float) -> bool:
    """Whether a page begins to come within so many seconds.

    In all: the time-out of a socket begins anew with each byte, and not before the name is found.
    """
    came = threading.Event()

    def ask() -> None:
        with (
            suppress(OSError, HTTPException, ValueError),
            urllib.request.urlopen(page, timeout=patience) as answer,
        ):
            if answer.read(1):
                came.set()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience)
    return came.is_set()


def cpu_index(log, address: str = "", patience: float = 3) -> list[str]:
    """Options that make pip look among the CPU builds too, where their index answers in time.

    pip takes 2.13.0+cpu for 2.13.0 where it finds both: the longer version counts as the newer.
    """
    address = address or CPU_INDEX
    if answers(f"{address}/torch/", patience):
        return ["--extra-index-url", address]
    log.write(f"No answer from {address or 'no index'}: torch is the usual one\n".encode())
    return []


def environment() -> None:
    """.venv with the lock's exact versions and the package itself, editable."""
    lock = ROOT / "requirements.lock"

    def do(log):
        run(log, sys.executable, "-m", "venv", *made_elsewhere(), ROOT / ".venv")
        run(log, PYTHON, "-m", "pip", "install", *cpu_index(log), "-r", lock)
        # Without its dependencies: the lock has them all, and pip shall not look for others.
        run(log, PYTHON, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "-e", ROOT)

    step(
        "environment", "installing the packages of requirements.lock", fingerprint(lock), PYTHON, do
    )


def assets() -> None:
    """The JavaScript that the built pages carry, so that they fetch nothing from elsewhere."""
    script = ROOT / "book_ext" / "fetch_assets.py"
    made = ROOT / ".cache" / "assets"
    step(
        "assets",
        "fetching the pages' JavaScript",
        fingerprint(script, ROOT / "requirements.lock"),  # it copies anywidget's front end
        made,
        lambda log: run(log, PYTHON, script),
    )


def axe() -> None:
    """What checks the built pages for accessibility; no page carries it."""
    script, fetch = ROOT / "tools" / "fetch_axe.py", ROOT / "book_ext" / "fetch_assets.py"
    step(
        "axe",
        "fetching what checks the pages' accessibility",
        fingerprint(script, fetch),
        ROOT / ".cache" / "axe",
        lambda log: run(log, PYTHON, script),
    )


def data() -> None:
    """MNIST in the data cache."""
    where = os.environ.get("VAELIB_DATA", "")
    step(
        "data",
        "fetching MNIST",
        fingerprint(where),
        PYTHON,
        lambda log: run(log, PYTHON, "-m", "vaelib.data"),
    )


def find_browser() -> str | None:
    """A Chromium that is there: named by VAE_BOOK_BROWSER, on PATH, or playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    found = [os.environ.get("VAE_BOOK_BROWSER"), *map(shutil.which, names)]
    question = (
        "from playwright.sync_api import sync_playwright as start\n"
        "with start() as playwright: print(playwright.chromium.executable_path)"
    )
    if not any(path and Path(path).is_file() for path in found):
        answer = subprocess.run(
            [PYTHON, "-c", question], capture_output=True, text=True, check=False
        )
        found.append(answer.stdout.strip())
    return next((path for path in found if path and Path(path).is_file()), None)


def from_packages(log, name: str) -> None:
    """A browser from the system's packages: a closed network may have these and no downloads."""
    if shutil.which("apt-get") and os.getuid() == 0:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(log, "apt-get", "update", "-q")
        run(log, "apt-get", "install", "-y", "-q", "--no-install-recommends", name, **quiet)


def unless_there(find: Callable[[], str | None], name: str, what: str, get, lacking: str) -> None:
    """The step `name`, get(log), where there is no browser that `find` finds; it fails with the
    sentence `lacking` where that has brought none either."""

    def do(log):
        get(log)
        if not find():
            raise RuntimeError(lacking)

    if not find():
        step(name, what, fingerprint("none"), ROOT / ".cache" / "nowhere", do)


PLAYWRIGHTS = "--no-shell", "chromium"  # its shell alone lies where nobody looks for Chromium


def browser() -> None:
    """A browser for the tests: one that is there, playwright's, or the system's."""

    def get(log):
        with suppress(subprocess.CalledProcessError):
            run(log, PYTHON, "-m", "playwright", "install", *PLAYWRIGHTS)
        if not find_browser():
            from_packages(log, "chromium")

    lacking = "found no browser; install Chromium or Chrome, or name one in VAE_BOOK_BROWSER"
    unless_there(find_browser, "browser", "getting a browser for the tests", get, lacking)


def find_firefox() -> str | None:
    """A Firefox that is there: named by VAE_BOOK_FIREFOX, or on PATH."""
    found = [os.environ.get("VAE_BOOK_FIREFOX"), *map(shutil.which, ("firefox", "firefox-esr"))]
    return next((path for path in found if path and Path(path).is_file()), None)


def npm_locked(name: str, what: str) -> None:
    """A tool from npm, by the lock in tools/`name`."""
    source = ROOT / "tools" / name
    step(
        name,
        what,
        fingerprint(NPM, source / "package.json", source / "package-lock.json"),
        ROOT / ".cache" / name,
        lambda log: run(log, PYTHON, NPM, name),
    )


def lighthouse() -> None:
    """What scores the built pages in that browser; no page carries it."""
    npm_locked("lighthouse", "fetching Lighthouse")


def firefox() -> None:
    """Firefox, and what moves it: playwright moves only a Firefox of its own."""
    npm_locked("firefox", "fetching what moves Firefox")
    get = partial(from_packages, name="firefox-esr")
    lacking = "found no Firefox; install it, or name one in VAE_BOOK_FIREFOX"
    unless_there(find_firefox, "firefox-itself", "getting Firefox for its test", get, lacking)


def find_python(version: tuple[int, int]) -> Path | None:
    """A Python of this version with venv and pip: this one, one on PATH, or one of pyenv's."""
    name = "python" + ".".join(map(str, version))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    question = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != {version})"
    for candidate in (sys.executable, name, *sorted(pyenv.glob(f"{name[6:]}.*/bin/python"))):
        try:
            answer = subprocess.run([candidate, "-c", question], capture_output=True, check=False)
        except OSError:
            continue
        if answer.returncode == 0:
            return Path(shutil.which(candidate) or candidate)
    return None


def find_colab_python(room: bool) -> Path:
    """Colab's own Python where there is one and `room` for its torch, else this or an older one:
    for a newer one than Colab's, Colab's packages have no builds."""
    wanted = ".".join(map(str, COLAB_PYTHON))
    others = [sys.version_info[:2], (3, 12), (3, 11)]
    for version in [*[COLAB_PYTHON] * room, *(one for one in others if one <= COLAB_PYTHON)]:
        if found := find_python(version):
            if version != COLAB_PYTHON:
                print(
                    f"  (the notebooks run on Python {'.'.join(map(str, version))}, not Colab's "
                    f"{wanted}: there is none here, or less than {COLAB_GIB} GiB for its torch)"
                )
            return found
    raise RuntimeError(
        f"found no Python 3.11 to {wanted}, which Colab's packages need; install one"
    )


def colab() -> None:
    """.venv-colab: packages as Google Colab ships them, before a notebook is opened."""
    requirements = ROOT / "tools" / "colab.txt"

    def do(log):
        index = cpu_index(log)
        room = bool(index) or shutil.disk_usage(ROOT).free > COLAB_GIB * 2**30
        run(log, find_colab_python(room), "-m", "venv", "--clear", COLAB)
        run(log, python_of(COLAB), "-m", "pip", "install", *index, "-r", requirements)

    what = "installing what Google Colab ships, for the notebooks' test"
    step("colab", what, fingerprint(requirements), python_of(COLAB), do)


def colab_manager() -> None:
    """A widget manager of the packages that Google Colab's is built from, for a test."""
    script, source = ROOT / "tools" / "build_colab_manager.py", ROOT / "tests" / "colab_widgets"
    parts = [source / name for name in ("manager.js", "package.json", "package-lock.json")]
    step(
        "colab_manager",
        "building a widget manager like Google Colab's, for the explorers' test",
        fingerprint(script, NPM, *parts),
        ROOT / ".cache" / "colab_widgets",
        lambda log: run(log, PYTHON, script),
    )


def lab() -> None:
    """.venv-lab: notebook servers for the tests, in small; their kernels run in the others."""
    requirements = ROOT / "tools" / "lab.txt"

    def do(log):
        run(log, sys.executable, "-m", "venv", "--clear", LAB)
        run(log, python_of(LAB), "-m", "pip", "install", "-r", requirements)

    what = "installing JupyterLab and Notebook, for the explorers' test"
    step("lab", what, fingerprint(requirements), python_of(LAB), do)


ALL = environment, assets, axe, data, browser, firefox, lighthouse, colab, colab_manager, lab
STEPS = {step.__name__: step for step in ALL}


@contextmanager
def alone(lock: Path):
    """Only one process at a time is inside; another one says so, and waits.

    A lock of SQLite's, because that is the one lock of the standard library that is the same on
    every system and ends with its process.
    """
    connection = sqlite3.connect(lock, timeout=0, isolation_level=None)
    try:
        said = False
        while True:  # not SQLite's own way to wait, which hears no Ctrl-C
            try:
                connection.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
            if not said:
                print("Another set-up is under way; waiting for it", flush=True)
            said = True
            time.sleep(0.2)
        yield
    finally:
        connection.close()


def run_steps(names: list[str]) -> None:
    """Do these steps in their order, skipping what is done."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with alone(CACHE / "lock.sqlite"):  # two at once would install over each other
        print("Setting up (what is done already is skipped)", flush=True)
        for name in names:
            STEPS[name]()


def main() -> None:
    if unknown := [name for name in sys.argv[1:] if name not in STEPS]:
        sys.exit(f"Unknown steps {unknown}; expected some of {list(STEPS)}.")
    run_steps(sys.argv[1:])


if __name__ == "__main__":
    main()
