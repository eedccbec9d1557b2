"""Compare tools/colab.txt with Google Colab's own list of what it ships.

    python tools/colab_list.py pip-freeze.txt os-info.txt

Both files are of github.com/googlecolab/backend-info. Prints a line for each package that has
moved, and for Python, and exits 1 if one has; the weekly workflow makes an issue of it.
"""

import re
import sys
from pathlib import Path

from project import ROOT
from set_up import COLAB_PYTHON

OURS = ROOT / "tools" / "colab.txt"
# name==version, or the address of the file that was installed, whose name has the version.
LINE = re.compile(r"^([\w.-]+)(?:==| @ \S+/\w+-(?=\S+\.whl))([\w.!]+)", re.MULTILINE)


def versions(text: str) -> dict[str, str]:
    """The version of each name, names as PyPI compares them; of a line with a condition, and of
    builds as in 2.11.0+cu128, the plain version. The first of a name counts."""
    found = {}
    for name, version in LINE.findall(text):
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return found


def moved(ours: str, theirs: str) -> list[str]:
    """A sentence for each package of ours that Colab has at another version, or not at all."""
    wanted, found = versions(ours), versions(theirs)
    if len(found) < 50:
        raise ValueError(f"{len(found)} packages in Colab's list: that is not the list")
    return [
        f"{name}: {version} here, {found.get(name, 'none')} in Colab"
        for name, version in wanted.items()
        if found.get(name) != version
    ]


def python_moved(info: str) -> list[str]:
    """A sentence if Colab's Python is not the one that the notebooks' test asks for."""
    ours, found = ".".join(map(str, COLAB_PYTHON)), re.search(r"^Python (\d+\.\d+)", info, re.M)
    if not found:
        raise ValueError("what should say which system Colab has names no Python")
    return [f"Python: {ours} here, {found[1]} in Colab"] if found[1] != ours else []


def main() -> None:
    try:
        packages, info = (Path(name).read_text() for name in sys.argv[1:])
        lines = python_moved(info) + moved(OURS.read_text(), packages)
    except (OSError, ValueError) as error:
        sys.exit(f"Colab's list cannot be compared: {error}")
    print("\n".join(lines) or "Colab ships what tools/colab.txt says")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
