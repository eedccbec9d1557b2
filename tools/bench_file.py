"""BENCHMARKS.md: a part for each tool that measures, which the others leave as it is."""

import os
import platform
from pathlib import Path

import psutil

PAGE = Path(__file__).resolve().parent.parent / "BENCHMARKS.md"
START = "# Benchmarks"


def machine() -> str:
    """The machine in words: what the numbers depend on, and nothing that names it."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores of {platform.machine()}, {memory:.0f} GiB of memory, "
        f"{platform.system()}"
    )


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Markdown, without a line's end after it."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replaced(page: str, heading: str, text: str) -> str:
    """A page of parts, each a line that starts with # and what follows; the part of this heading
    holds `text` now, and is the last one if it is new."""
    parts: dict[str, list[str]] = {}
    for line in page.splitlines():
        if line.startswith("#"):
            parts[line] = [line]
        else:
            parts[next(reversed(parts))].append(line)
    parts[heading] = [heading, "", text]
    return "\n\n".join("\n".join(lines).strip() for lines in parts.values()) + "\n"


def write(heading: str, text: str) -> None:
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else START
    PAGE.write_text(replaced(page, heading, text), encoding="utf-8")
