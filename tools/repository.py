"""Move the project to another address: python tools/repository.py https://github.com/owner/name

The address stands in pyproject.toml. Links, Colab buttons and bootstrap cells repeat it, since a
notebook alone in Colab can look nowhere else; this rewrites them all, and a test looks for strays.
"""

import re
import subprocess
import sys
from pathlib import Path

from project import ROOT, repository_url, slug

KINDS = {".cfg", ".ipynb", ".md", ".py", ".toml", ".txt", ".yml"}


def files(root: Path = ROOT) -> list[Path]:
    """The project's own text files: what git tracks, or would track."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    paths = [root / name for name in listed.split("\0") if name]
    return sorted(path for path in paths if path.suffix in KINDS and path.is_file())


def pages_host(url: str) -> str:
    """Where GitHub publishes the book of a repository."""
    owner, name = slug(url).split("/")
    return f"{owner.lower()}.github.io/{name}"


def move(text: str, old: str, new: str) -> str:
    """`text` with every mention of the `old` address replaced."""
    old_pages = re.compile(re.escape(pages_host(old)), re.IGNORECASE)
    return old_pages.sub(pages_host(new), text).replace(slug(old), slug(new))


# As GitHub has it: letters, digits and single hyphens for an owner; no name of dots alone.
ADDRESS = re.compile(
    r"https://github\.com/(?=[^/]{1,39}/)[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*/(?!\.+$)[a-zA-Z0-9_.-]{1,100}"
)


def main() -> None:
    given = sys.argv[1:]
    new = given[0].rstrip("/").removesuffix(".git") if len(given) == 1 else ""
    if not ADDRESS.fullmatch(new):
        # make splits what has a space
        came = f"{len(given)} addresses" if len(given) > 1 else repr(*given) if given else "nothing"
        sys.exit(f"Got {came}; expected: make repository URL=https://github.com/owner/name")
    try:
        old = repository_url()
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{ROOT / 'pyproject.toml'} names no repository ({error}): is this a whole clone?")
    try:
        paths = files()
    except (OSError, ValueError):
        sys.exit("git, which lists the files to rewrite, was not found or failed: install it.")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{ROOT} is no clone, so git cannot list its files: {error.stderr.strip()[:200]}")
    changed = 0
    for path in paths:
        before = path.read_text(encoding="utf-8")
        if (after := move(before, old, new)) != before:
            path.write_text(after, encoding="utf-8")
            changed += 1
    print(f"{old} -> {new}: {changed} files rewritten")


if __name__ == "__main__":
    main()
