"""The step of finish.py that leaves of the icons those that the book shows.

The theme brings 2,000 icons: three fonts of 300 kB together, and a style rule for each. A page
shows a dozen of them.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError

STYLE = Path("_static", "styles", "pydata-sphinx-theme.css")
# .fa-name:before{content:"\\f000"}, with one name or several.
RULE = re.compile(r'((?:\.fa-[a-z0-9-]+::?before,?)+)\{content:"[^"]*"\}')
FACE = re.compile(r"url\(([^)]*/(fa-[a-z]+-\d+)\.woff2)\) format\(\"woff2\"\),url\(([^)]*)\)[^};]*")
GLYPH = re.compile(r'"\\([0-9a-f]{3,5})"')
CHANGED = (
    "{what} in {style}: the theme writes its icons in another way now. See how, and change "
    "book_ext/icons.py, or drop it from finish.py: the pages are then 300 kB heavier."
)


def without_unused(css: str, used: str) -> str:
    """The style sheet without the rules of icons whose names `used`, a text, does not contain."""
    names = set(re.findall(r"\bfa-[a-z0-9-]+", used))

    def kept(found: re.Match) -> str:
        return found[0] if names & set(re.findall(r"fa-[a-z0-9-]+", found[1])) else ""

    css, count = RULE.subn(kept, css)
    if count < 1000:
        raise ExtensionError(CHANGED.format(what=f"only {count} rules for icons", style=STYLE))
    return css


def smaller_font(path: Path, glyphs: set[int]) -> None:
    """Write a font with those glyphs alone, as .woff beside the whole one."""
    options = subset.Options(flavor="woff", notdef_outline=True, layout_features=[])
    with TTFont(path, recalcTimestamp=False) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=glyphs)
        cutter.subset(font)
        font.flavor = "woff"
        font.save(path.with_suffix(".woff"))


def trim(folder: Path, pages: Iterable[str]) -> None:
    """Trim the icons of the built `pages` in `folder`."""
    style = folder / STYLE
    code = [*(folder / "_static").glob("*.js"), *(folder / "_static/scripts").glob("*.js")]
    texts = [path.read_text(encoding="utf-8") for path in code if path.stem != "fontawesome"]
    used = "".join([*pages, *texts])
    css = without_unused(style.read_text(encoding="utf-8"), used)
    sheets = [p for p in (folder / "_static").rglob("*.css") if p != style]
    written = css + "".join(path.read_text(encoding="utf-8") for path in sheets)
    glyphs = {int(code, 16) for code in GLYPH.findall(written)}

    def lighter(found: re.Match) -> str:
        whole = (style.parent / found[3]).resolve()
        smaller_font(whole, glyphs)
        whole.unlink()
        whole.with_suffix(".woff2").unlink()
        return f'url({found[1].removesuffix("2")}) format("woff")'

    css, count = FACE.subn(lighter, css)
    if count != 3:
        raise ExtensionError(CHANGED.format(what=f"{count} fonts, not 3", style=STYLE))
    style.write_text(css, encoding="utf-8")
