"""Compare tools/colab.txt with Google Colab's own list of what it ships.

    python tools/colab_list.py pip-freeze.txt

The list is that of github.com/googlecolab/backend-info. Prints a line for each package that has
moved, and exits 1 if one has; the weekly workflow makes an issue of it.
"""

import re
import sys
from pathlib import Path

from project import ROOT

OURS = ROOT / "tools" / "colab.txt"


def versions(text: str) -> dict[str, str]:
    """name -> version of the lines `name==version`, names as PyPI compares them; of a line with a
    condition, and of builds as in 2.11.0+cu128, the plain version. The first of a name counts."""
    found = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.!-]+)", text, re.MULTILINE):
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


def main() -> None:
    try:
        lines = moved(OURS.read_text(), Path(sys.argv[1]).read_text())
    except (OSError, ValueError) as error:
        sys.exit(f"Colab's list cannot be compared: {error}")
    print("\n".join(lines) or "Colab ships what tools/colab.txt says")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
