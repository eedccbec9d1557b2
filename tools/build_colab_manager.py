"""Build the widget manager that tests/colab_widgets shows the explorers in.

It is made as Google Colab's own public one is, of the same npm packages. package-lock.json has the
exact version and the checksum of each, and npm refuses what differs. No page carries it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from project import ROOT

sys.path.append(str(ROOT / "book_ext"))
from fetch_assets import npm

SOURCE = ROOT / "tests" / "colab_widgets"
MADE = ROOT / ".cache" / "colab_widgets"


def main() -> None:
    MADE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MADE.parent) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, scratch)
        command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=scratch, check=True)
        aside, packages = Path(scratch, "made"), Path(scratch, "node_modules")
        esbuild = next(packages.glob("@esbuild/*/bin/esbuild"))
        options = ["--bundle", "--log-level=warning", f"--outfile={aside / 'manager.js'}"]
        # The source is not beside the packages that it imports; NODE_PATH says where they are.
        environment = os.environ | {"NODE_PATH": str(packages)}
        subprocess.run([esbuild, SOURCE / "manager.js", *options], env=environment, check=True)
        shutil.rmtree(MADE, ignore_errors=True)
        aside.rename(MADE)


if __name__ == "__main__":
    main()
