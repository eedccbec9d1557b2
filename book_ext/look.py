"""The part of the local Sphinx extension that gives the book its face, beside static/book.css.

It puts the switch that hides all code on the pages, keeps wide figures readable on phones, tells
sites on which a page is shared what to show of it, and makes the landing page the site's index.
"""

import re
import sys
import textwrap
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from figures import css_width
from PIL import Image, ImageDraw, ImageFont
from sphinx.application import Sphinx
from vae_book import ROOT, bare

sys.path.append(str(ROOT / "tools"))
from project import repository_url, slug

SCRIPT = Path(__file__).with_name("look.js")
PLACEHOLDER = "OWNER"  # stands in the repository's address as long as it has no home
# A picture that a cell drew; stills of explorers, which have a place of their own, are passed over.
FIGURE = re.compile(
    r'(?<!explorer-still docutils container">)\n(<picture>.*?</picture>|<img [^>]*>)(?=\n)',
    re.DOTALL,
)
LINK = re.compile(r'(?<=\s)(href|src|srcset|content|action)="([^"]*)"')
PICTURE = ROOT / "chapters" / "images" / "plane.png"  # for a page without a figure of its own
CARD = 1200, 630  # pixels: what sites that show shared links ask for
DESCRIPTION = 200  # letters: what they show of a longer one is cut where it happens to end


def site_address(root: Path = ROOT) -> str | None:
    """Where the book is published, from the one place where the repository's address stands.

    None as long as that has a placeholder: half of what follows would then lead nowhere.
    """
    owner, name = slug(repository_url(root)).split("/")
    return None if owner == PLACEHOLDER else f"https://{owner.lower()}.github.io/{name}/"


def add_switch(app: Sphinx, config) -> None:
    """Inline, for it has to hide the code before anything is drawn."""
    app.add_js_file(None, body=bare(SCRIPT.read_text(encoding="utf-8")))


def description(doctree: nodes.document) -> str:
    """The first words of a page that say what it is about: whole sentences, without formulas."""
    for paragraph in doctree.findall(nodes.paragraph):
        words = " ".join(paragraph.astext().split())
        plain = not list(paragraph.findall(nodes.math)) and isinstance(
            paragraph.parent, nodes.section | nodes.document
        )
        if not plain or len(words) < 60:
            continue
        sentences = re.findall(r".+?[.?!:](?=\s|$)", words)
        kept = sentences[0] if sentences else words
        for sentence in sentences[1:]:
            if len(kept) > DESCRIPTION / 2 and len(kept) + len(sentence) > DESCRIPTION:
                break
            kept += sentence
        return textwrap.shorten(kept, DESCRIPTION + 60, placeholder=" …").rstrip(":")
    return ""


def card_path(page: str) -> str:
    return f"_static/cards/{page.rpartition('/')[2]}.png"


def describe(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Name the landing page after the book, and tell sharing sites each page's title, first words
    and, if the site's address is known, picture: those must be whole addresses."""
    if doctree is None:
        return
    book = app.config.html_title or app.config.project
    front = pagename == app.config.root_doc
    title = book if front else unescape(re.sub(r"<[^>]*>", "", context.get("title", "")))
    properties = {
        "og:type": "website" if front else "article",
        "og:site_name": book,
        "og:title": title,
        "og:locale": "en_GB",
    }
    names = {}
    if words := description(doctree):
        names["description"] = properties["og:description"] = words
    links = ""
    if address := site_address():
        url = address if front else f"{address}{pagename}.html"
        properties |= {
            "og:url": url,
            "og:image": address + card_path(pagename),
            "og:image:width": CARD[0],
            "og:image:height": CARD[1],
            "og:image:alt": f"{title}, with a figure of it",
        }
        names["twitter:card"] = "summary_large_image"
        links = f'\n    <link rel="canonical" href="{escape(url)}" />'
        app.vae_cards = getattr(app, "vae_cards", {}) | {pagename: title}
    tags = [("name", *item) for item in names.items()]
    tags += [("property", *item) for item in properties.items()]
    context["metatags"] = context.get("metatags", "") + "".join(
        f'\n    <meta {kind}="{name}" content="{escape(str(value))}" />'
        for kind, name, value in tags
    )
    context["metatags"] += links


def drawn_width(markup: str, folder: Path) -> int | None:
    """The CSS pixels that a figure was drawn across: as its tag says, else as its file does."""
    if said := re.search(r'\swidth="(\d+)', markup):
        return int(said[1])
    source = re.search(r'\ssrc="([^"]*\.png)"', markup)
    path = folder / source[1] if source else folder
    if not path.is_file():
        return None
    with Image.open(path) as picture:
        return css_width(picture)


def box_figures(text: str, folder: Path) -> str:
    """Put each figure into a box that knows how wide it was drawn (see book.css), so that a phone
    scrolls a wide one instead of shrinking its writing; the theme lets the Tab key stop there."""

    def boxed(found: re.Match) -> str:
        width = drawn_width(found[1], folder)
        style = f' style="--drawn: {width}px"' if width else ""
        return f'\n<div class="output figure-box"{style}>{found[1]}</div>'

    return FIGURE.sub(boxed, text)


def from_root(text: str, folder: str) -> str:
    """A page of `folder`, one step below the root, as it must read if it stands at the root."""

    def moved(found: re.Match) -> str:
        name, value = found.groups()
        addresses = value.split(", ") if name == "srcset" else [value]
        for i, address in enumerate(addresses):
            if address.startswith("../"):
                addresses[i] = address[3:]
            elif name != "content" and not re.match(r"#|[a-z]+:|//|$", address):
                addresses[i] = f"{folder}/{address}"
        return f'{name}="{", ".join(addresses)}"'

    return LINK.sub(moved, text.replace('data-content_root="../"', 'data-content_root="./"'))


def draw_card(path: Path, book: str, title: str, figure: Path | None) -> None:
    """The picture that a site shows with a link to a page: its title beside its first figure."""
    from matplotlib import font_manager  # its fonts are everywhere where the book is built

    def font(size: int, weight: str = "normal"):
        return ImageFont.truetype(font_manager.findfont(f"DejaVu Sans:weight={weight}"), size)

    card = Image.new("RGB", CARD, "#ffffff")
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, 16, CARD[1]), fill="#0b62a4")
    letters = 15 if figure else 30
    lines = textwrap.wrap(title, letters)
    size = 58 if len(lines) <= 5 else 46
    draw.multiline_text(
        (72, 64), "\n".join(lines), fill="#10161c", font=font(size, "bold"), spacing=14
    )
    if title != book:
        draw.text((72, CARD[1] - 84), book, fill="#52606d", font=font(26))
    if figure:
        with Image.open(figure) as opened:
            picture = opened.convert("RGBA")
        picture.thumbnail((540, 510))
        at = CARD[0] - 48 - picture.width, (CARD[1] - 72 - picture.height) // 2
        card.paste(picture, at, picture)
    path.parent.mkdir(parents=True, exist_ok=True)
    card.quantize(64).save(path, optimize=True)


def dressed(app: Sphinx, pages: dict[Path, str]) -> dict[Path, str]:
    """The written pages with their figures in boxes, and the index among them; draws the cards."""
    out, book = Path(app.outdir), app.config.html_title or app.config.project
    pages = {path: box_figures(text, path.parent) for path, text in pages.items()}
    for page, title in getattr(app, "vae_cards", {}).items():
        found = re.search(r'"\.\./(_images/[^" ]*\.(?:png|webp))[" ]', pages[out / f"{page}.html"])
        draw_card(out / card_path(page), book, title, out / found[1] if found else PICTURE)
    folder, _, _ = app.config.root_doc.rpartition("/")
    path = out / f"{app.config.root_doc}.html"
    name = f"<title>{escape(book)}</title>"
    pages[path] = re.sub(r"<title>.*?</title>", lambda _: name, pages[path], count=1)
    if folder:  # else the landing page is the site's index; now it is so too, and not a redirect
        pages[out / "index.html"] = from_root(pages[path], folder)
    return pages


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", add_switch)
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
