"""Write requirements.lock anew: the newest versions that pyproject.toml allows, in a fresh venv.

`torch` stays where it is unless its line is changed by hand: only some of its versions come without
CUDA everywhere, and the next one may cost every reader five gigabytes.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from project import ROOT

LOCK = ROOT / "requirements.lock"


def main() -> None:
    head = [line for line in LOCK.read_text().splitlines() if line.startswith("#")]
    kept = re.findall(r"^(?:torch|torchvision)==.*$", LOCK.read_text(), re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(Path(folder, "bin", "python")), "-m", "pip"]
        subprocess.run([*pip, "install", *kept, f"{ROOT}[faces,book]"], check=True)
        frozen = subprocess.run(
            [*pip, "freeze", "--all"], check=True, capture_output=True, text=True
        )
    ours = re.compile(r"^(vaelib|pip|wheel|nvidia-.*|cuda-.*|triton)\b")
    lines = [re.sub(r"\+.*", "", line) for line in frozen.stdout.splitlines()]
    lines = sorted((line for line in lines if not ours.match(line)), key=str.lower)
    LOCK.write_text("\n".join([*head, *lines]) + "\n")


if __name__ == "__main__":
    main()
