"""Write anew requirements.lock, the newest versions that pyproject.toml allows, and tools/lab.txt,
the notebook servers of the tests; each from a fresh venv.

`torch` stays where it is unless its line is changed by hand: only some of its versions come without
CUDA everywhere, and the next one may cost every reader five gigabytes.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from project import ROOT
from set_up import python_of

LOCK = ROOT / "requirements.lock"
LAB = ROOT / "tools" / "lab.txt"
SERVERS = ["jupyterlab>=4,<5", "notebook>=7,<8", "nbclassic"]
NOT_PINNED = re.compile(r"^(vaelib|pip|wheel|nvidia-.*|cuda-.*|triton)\b")


def frozen(*wanted: str) -> list[str]:
    """What a fresh environment with `wanted` holds, a line for each package."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(python_of(Path(folder))), "-m", "pip"]
        subprocess.run([*pip, "install", *wanted], check=True)
        freeze = [*pip, "freeze", "--all"]
        run = subprocess.run(freeze, check=True, capture_output=True, text=True)
    lines = [re.sub(r"\+.*", "", line) for line in run.stdout.splitlines()]
    return sorted((line for line in lines if not NOT_PINNED.match(line)), key=str.lower)


def rewrite(path: Path, lines: list[str]) -> None:
    """Put other lines below the comment that a file begins with."""
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    path.write_text("\n".join([*head, *lines]) + "\n")


def main() -> None:
    kept = re.findall(r"^(?:torch|torchvision)==.*$", LOCK.read_text(), re.MULTILINE)
    rewrite(LOCK, frozen(*kept, f"{ROOT}[faces,celeba,book]"))
    rewrite(LAB, frozen(*SERVERS))


if __name__ == "__main__":
    main()
