"""What a package-lock.json names, installed by npm for a tool that no page carries.

    python tools/npm_locked.py lighthouse    tools/lighthouse -> .cache/lighthouse/node_modules

The lock has the exact version and the checksum of each package, and npm refuses what differs.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project import ROOT

sys.path.append(str(ROOT / "book_ext"))
from fetch_assets import npm


@contextmanager
def made_from(source: Path, made: Path) -> Iterator[tuple[Path, Path]]:
    """node_modules by the lock in ``source``, and a folder that becomes ``made`` when the block
    ends well; else all is gone, and a ``made`` that was there stays."""
    made.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, scratch)
        command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=scratch, check=True)
        aside = Path(scratch, "made")
        aside.mkdir()
        yield Path(scratch, "node_modules"), aside
        shutil.rmtree(made, ignore_errors=True)
        aside.rename(made)


def main(name: str) -> None:
    with made_from(ROOT / "tools" / name, ROOT / ".cache" / name) as (packages, made):
        packages.rename(made / "node_modules")


if __name__ == "__main__":
    main(sys.argv[1])
