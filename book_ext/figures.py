"""The step of finish.py that makes figures light.

Each picture says how large it is, so that the text does not jump when it comes; all but a page's
first are fetched when they come near the screen; and beside each PNG lies the same as WebP, about
half as large, which a browser takes where it can.
"""

import io
import re
from pathlib import Path

from PIL import Image

PICTURE = re.compile(r'<img ([^>]*?)src="([^"]*_images/[^"]*)"([^>]*?)( ?/?)>')
LARGE = 60_000  # bytes: what is larger without loss shows photographs or faces, not lines
QUALITY = 90


def webp(png: Path) -> Path | None:
    """The same picture as WebP, beside it; None where that is not smaller by a tenth.

    Without loss; where that stays large, with one that the eye does not find, if it saves much.
    """
    with Image.open(png) as opened:
        picture = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    best = _packed(picture, lossless=True, quality=80)
    if len(best) > LARGE:
        lossy = _packed(picture, quality=QUALITY)
        best = lossy if len(lossy) < 0.6 * len(best) else best
    if len(best) > 0.9 * png.stat().st_size:
        return None
    path = png.with_suffix(".webp")
    path.write_bytes(best)
    return path


def _packed(picture: Image.Image, **how) -> bytes:
    file = io.BytesIO()
    picture.save(file, "webp", method=4, **how)
    return file.getvalue()


def light(page: str, folder: Path, made: dict[Path, Path | None]) -> str:
    """A page in `folder` whose pictures are as light as they can be; `made` holds what is made."""
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
                more = f' width="{opened.width}" height="{opened.height}"{more}'
        image = f'<img {before}src="{source}"{after}{more}{end}>'
        if file not in made:
            made[file] = webp(file)
        if made[file] is None:
            return image
        address = source.rpartition("/")[0] + f"/{made[file].name}"
        return f'<picture><source type="image/webp" srcset="{address}" />{image}</picture>'

    return PICTURE.sub(lighter, page)


def lightened(pages: dict[Path, str]) -> dict[Path, str]:
    """All pages, :func:`light`."""
    made: dict[Path, Path | None] = {}
    return {path: light(text, path.parent, made) for path, text in pages.items()}
