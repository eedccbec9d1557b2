"""The step of finish.py that makes figures light.

Each picture says how large it is, so that the text does not jump when it comes; all but a page's
first are fetched when they come near the screen; and beside each PNG lies the same as WebP, about
half as large, which a browser takes where it can. A figure has two pixels for each of CSS, which
`tools/build_book.py` sees to, and a WebP of one as well, for screens that show no more.
"""

import io
import re
from pathlib import Path

from PIL import Image

PICTURE = re.compile(r'<img ([^>]*?)src="([^"]*_images/[^"]*)"([^>]*?)( ?/?)>')
COLUMN = "min(100vw, 768px)"  # how wide a page shows a picture at most
LARGE = 60_000  # bytes: what is larger without loss shows photographs or faces, not lines
QUALITY = 90


def css_width(picture: Image.Image) -> int:
    """The CSS pixels that a PNG is wide: one that says 200 dots an inch has two for each."""
    return round(picture.width / max(1, round(picture.info.get("dpi", (100, 100))[0] / 100)))


def webps(png: Path) -> dict[int, Path]:
    """The same picture as WebP, beside it, and then as one of a pixel for each of CSS: width ->
    file. From the first on that is not smaller by a tenth than the one before, none.

    Without loss; where that stays large, with one that no eye finds, if it saves much."""
    with Image.open(png) as opened:
        widths = {css_width(opened), opened.width}
        picture = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    how = {"lossless": True, "quality": 80}
    if (whole := len(_packed(picture, **how))) > LARGE:
        how = {"quality": QUALITY} if len(_packed(picture, quality=QUALITY)) < 0.6 * whole else how
    made, least = {}, png.stat().st_size
    for width in sorted(widths, reverse=True):
        height = round(picture.height * width / picture.width)
        packed = _packed(picture.resize((width, height), Image.Resampling.LANCZOS), **how)
        if len(packed) > 0.9 * least:
            break
        made[width], least = png.with_suffix(f".{width}.webp"), len(packed)
        made[width].write_bytes(packed)
    return made


def _packed(picture: Image.Image, **how) -> bytes:
    file = io.BytesIO()
    picture.save(file, "webp", method=4, **how)
    return file.getvalue()


def light(page: str, folder: Path, made: dict[Path, dict[int, Path]]) -> str:
    """A page in `folder` whose pictures are as light as they can be; `made` holds :func:`webps`."""
    count = 0

    def lighter(found: re.Match) -> str:
        nonlocal count
        before, source, after, end = found.groups()
        count += 1
        file = (folder / source).resolve()
        said = re.sub(r'\balt="[^"]*"', "", before + after)  # where it may be of widths
        more = "" if count == 1 else ' loading="lazy" decoding="async"'
        if file.suffix == ".svg" and file.is_file():
            drawn = re.search(r'width="\d+" height="\d+"', file.read_text(encoding="utf-8"))
            more = f" {drawn[0]}{more}" if drawn and "width" not in said else more
        if file.suffix != ".png" or not file.is_file():
            return f'<img {before}src="{source}"{after}{more}{end}>'
        if "width" not in said and "height" not in said:
            with Image.open(file) as opened:
                width = css_width(opened)
                height = round(opened.height * width / opened.width)
            more = f' width="{width}" height="{height}"{more}'
        image = f'<img {before}src="{source}"{after}{more}{end}>'
        if file not in made:
            made[file] = webps(file)
        if not made[file]:
            return image
        beside = source.rpartition("/")[0]
        files = ", ".join(f"{beside}/{path.name} {width}w" for width, path in made[file].items())
        # How wide a picture is shown the browser knows, of those that wait until they are near.
        sizes = ("" if count == 1 else "auto, ") + COLUMN
        source = f'<source type="image/webp" srcset="{files}" sizes="{sizes}" />'
        return f"<picture>{source}{image}</picture>"

    return PICTURE.sub(lighter, page)


def lightened(pages: dict[Path, str]) -> dict[Path, str]:
    """All pages, :func:`light`."""
    made: dict[Path, dict[int, Path]] = {}
    return {path: light(text, path.parent, made) for path, text in pages.items()}
