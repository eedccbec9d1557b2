"""Fetch Lighthouse, which scores the built pages, into .cache/lighthouse/.

lighthouse/package-lock.json has the exact version and the checksum of each package, and npm refuses
what differs. It is the last Lighthouse that runs on Node.js 20. One of its packages asks for the
latest of two others, which no lock can hold: package.json says which.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from project import ROOT

sys.path.append(str(ROOT / "book_ext"))
from fetch_assets import npm

SOURCE = ROOT / "tools" / "lighthouse"
MADE = ROOT / ".cache" / "lighthouse"


def main() -> None:
    MADE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MADE.parent) as scratch:
        for path in SOURCE.glob("*.json"):
            shutil.copy(path, scratch)
        command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=scratch, check=True)
        aside = Path(scratch, "made")
        aside.mkdir()
        Path(scratch, "node_modules").rename(aside / "node_modules")
        shutil.rmtree(MADE, ignore_errors=True)
        aside.rename(MADE)


if __name__ == "__main__":
    main()
