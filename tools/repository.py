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


def main() -> None:
    new = sys.argv[1].rstrip("/").removesuffix(".git") if len(sys.argv) == 2 else ""
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", new):
        given = repr(new) if new else "nothing"
        sys.exit(f"Got {given}; expected: make repository URL=https://github.com/owner/name")
    old = repository_url()
    changed = 0
    for path in files():
        before = path.read_text(encoding="utf-8")
        if (after := move(before, old, new)) != before:
            path.write_text(after, encoding="utf-8")
            changed += 1
    print(f"{old} -> {new}: {changed} files rewritten")


if __name__ == "__main__":
    main()
