"""Facts about the project that the tools share: where its root is and what its address is."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def repository_url(root: Path = ROOT) -> str:
    """The repository's address, from the one place where it stands: pyproject.toml."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["project"]["urls"]["Repository"].rstrip("/")


def slug(url: str) -> str:
    """`owner/name` of a repository's address."""
    return "/".join(url.rstrip("/").split("/")[-2:])


def colab_url(notebook: str, root: Path = ROOT) -> str:
    """Where Google Colab opens `notebook` (a path inside the repository, with forward slashes)."""
    return f"https://colab.research.google.com/github/{slug(repository_url(root))}/blob/main/{notebook}"
