"""Of the style sheets that the theme and its parts bring, the rules that some page can use.

They are written for every site: a rule in five concerns what this book has. A rule goes if each of
its selectors asks for a class or a name that is in no page, that no script writes, and that is not
in KEPT. What a script composes from parts is not seen: KEPT names it.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import tinycss2
from sphinx.errors import ExtensionError
from tinycss2.ast import Node

OWN = Path(__file__).parent / "static"
KEPT = re.compile(r"bs-tooltip-\w+")  # Bootstrap writes `bs-tooltip-${side}`
LEAST = 100_000  # bytes: of the theme's sheets, three times as much can go
ATTRIBUTE = re.compile(r'\s(?:class|id)="([^"]*)"')
SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)(?![^>]*json)[^>]*>(.*?)</script>", re.DOTALL)
WORD = re.compile(r"[\w-]+")


def names(pages: Iterable[str], scripts: Iterable[str]) -> set[str]:
    """All classes and names that pages have, or that their scripts could give them."""
    found = set()
    for page in pages:
        found.update(*map(str.split, ATTRIBUTE.findall(page)))
        found.update(*map(WORD.findall, SCRIPT.findall(page)))
    return found.union(*map(WORD.findall, scripts))


def _asked(selector: list[Node]) -> set[str]:
    """Classes and names that an element, or one around it, must have for a selector to hold.

    What stands in brackets, as in :not(.x) and :is(.x, .y), need not hold, and is not looked at.
    """
    asked = {token.value for token in selector if token.type == "hash"}
    for before, token in pairwise(selector):
        if before == "." and token.type == "ident":
            asked.add(token.value)
    return asked


def _selectors(prelude: list[Node]) -> list[list[Node]]:
    parts: list[list[Node]] = [[]]
    for token in prelude:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def trimmed(css: str, used: set[str]) -> str:
    """A style sheet without the rules that need what is not in `used`."""
    return _serialized(tinycss2.parse_stylesheet(css, True, True), used)


def _serialized(rules: list[Node], used: set[str]) -> str:
    kept = []
    for rule in rules:
        if rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports", "layer"):
            inner = tinycss2.parse_rule_list(rule.content or [], True, True)
            if inside := _serialized(inner, used):
                kept.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inside}}}")
        elif rule.type == "qualified-rule":
            good = [
                tinycss2.serialize(selector).strip()
                for selector in _selectors(rule.prelude)
                if all(name in used or KEPT.fullmatch(name) for name in _asked(selector))
            ]
            if good:
                kept.append(f"{','.join(good)}{{{tinycss2.serialize(rule.content)}}}")
        else:
            kept.append(rule.serialize())
    return "".join(kept)


def trim(folder: Path, pages: Iterable[str]) -> None:
    """Trim the style sheets of the built `pages` in `folder`; the book's own are left alone."""
    static = folder / "_static"
    # Without the twins that copy_package_files writes: they hold bytes, not words.
    scripts = [path for path in static.rglob("*.js") if not path.with_suffix("").is_file()]
    used = names(pages, (path.read_text(encoding="utf-8") for path in scripts))
    own = {path.name for path in OWN.glob("*.css")} | {"explorer.css", "playground.css"}
    saved = 0
    for path in static.rglob("*.css"):
        if path.name in own:
            continue
        css = path.read_text(encoding="utf-8")
        less = trimmed(css, used)
        saved += len(css) - len(less)
        path.write_text(less, encoding="utf-8")
    if saved < LEAST:
        raise ExtensionError(
            f"Only {saved} bytes of the theme's style sheets could go, expected {LEAST}: they are "
            "written in another way now, or somebody trims them already. See how, and change "
            "book_ext/styles.py, or drop it from finish.py."
        )
