"""Print the built book as one PDF: python tools/pdf.py [_build/html]

All pages become one document, in the order of the book, and the browser prints that: so links from
one chapter into another lead there on paper too, and the outline and the pages' numbers are of the
whole. It is printed twice, for the contents can name a page only when it is known. The result is
_static/book.pdf, and each page's download menu offers it from then on.
"""

import logging
import re
import sys
from html import escape
from pathlib import Path
from urllib.parse import urldefrag

from bs4 import BeautifulSoup, Tag
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter

from project import ROOT
from set_up import find_browser

PDF = "_static/book.pdf"
LAUNCH = ["--headless", "--no-sandbox", "--disable-gpu"]
# What a page of paper has no use for: controls, what an explorer is made of, code that is folded.
DROPPED = "script, style, .headerlink, .copybtn, details.hide, .explorer-still > p, .widget-subarea"
FOOTER = (
    '<div style="color: #52606d; font: 8px sans-serif; text-align: center; width: 100%">'
    '<span class="pageNumber"></span></div>'
)
STYLE = """
.bd-main .bd-content .bd-article h1:first-of-type { display: block; text-align: left; }
.book-title { break-after: page; padding-top: 6cm; }
.book-title h1 { font-size: 32pt; }
.book-contents { break-after: page; }
.book-contents ol { column-gap: 2.5em; columns: 2; font-size: 9pt; list-style: none; padding: 0; }
.book-contents li { display: flex; gap: 1em; justify-content: space-between; margin: 0.2em 0; }
.book-contents li.chapter { font-weight: 600; margin-top: 0.8em; }
.book-contents li.section { padding-left: 1.5em; }
.book-contents a { text-decoration: none; }
.book-contents .number { font-variant-numeric: tabular-nums; min-width: 3ch; text-align: right; }
.book-page { break-before: page; }
"""
OFFER = """<li class="book-pdf"><a href="{}" download class="btn btn-sm dropdown-item">
<span class="btn__text-container">The whole book as PDF</span></a></li>
"""
MENU = re.compile(r'(dropdown-download-buttons">.*?<ul class="dropdown-menu">)', re.DOTALL)


def soup_of(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(folder: Path) -> list[str]:
    """The book's pages in reading order, each as its path below `folder`, by their own links."""

    def neighbour(page: str, side: str) -> str | None:
        link = soup_of(folder / page).select_one(f"link[rel={side}]")
        if link is None:
            return None
        return (
            (folder / page).parent.joinpath(link["href"]).resolve().relative_to(folder).as_posix()
        )

    folder = folder.resolve()
    second = neighbour("index.html", "next")
    found = [neighbour(second, "prev") if second else "index.html"]
    while following := neighbour(found[-1], "next"):
        found.append(following)
    return found


def anchor(page: str, fragment: str = "") -> str:
    """What a place of a page is called in the one document: names repeat between chapters."""
    stem = Path(page).stem
    return f"{stem}--{fragment}" if fragment else stem


def article(folder: Path, page: str, wanted: list[str]) -> Tag:
    """What a page says, ready to stand below others: names its own, links and pictures whole."""
    path = folder / page
    content = soup_of(path).select_one("article.bd-article")
    for unwanted in content.select(DROPPED):
        unwanted.decompose()
    for details in content.select("details"):
        details["open"] = ""
    for named in content.select("[id]"):
        named["id"] = anchor(page, named["id"])
    for picture in content.select("[src], [srcset]"):
        picture.attrs.pop("loading", None)
        for name in ("src", "srcset"):
            if name in picture.attrs:
                picture[name] = re.sub(r"(^|, *)\.\./", r"\1", picture[name])
    for link in content.select("a[href]"):
        if re.match(r"[a-z]+:", link["href"]):
            continue
        target, fragment = urldefrag(link["href"])
        there = (path.parent / target).resolve() if target else path.resolve()
        known = {(folder / name).resolve(): name for name in wanted}
        if there in known:
            link["href"] = "#" + anchor(known[there], fragment)
        else:  # a file of the site, which paper has not got
            link.unwrap()
    content.name = "section"
    content["id"] = anchor(page)
    content["class"] = ["bd-article", "book-page"]
    return content


def formula_scripts(path: Path) -> str:
    """What a page has in its head to set formulas, as it reads in the book's folder."""
    found = [
        str(script)
        for script in soup_of(path).select("script")
        if "mathjax" in script.get("src", "") or "window.MathJax" in script.get_text()
    ]
    loads = any("src=" in script for script in found)
    return re.sub(r'src="(\.\./)+', 'src="', "\n".join(found)) if loads else ""


def combine(folder: Path, wanted: list[str]) -> str:
    """All pages as one document, which has to lie in `folder`."""
    first = soup_of(folder / wanted[0])
    site = first.select_one('meta[property="og:site_name"]')
    title = site["content"] if site else first.title.get_text()
    head = [str(link) for link in first.select("link[rel=stylesheet]")]
    head = [re.sub(r'href="(\.\./)+', 'href="', link) for link in head]
    articles = [article(folder, page, wanted) for page in wanted]
    entries = []
    for page, content in zip(wanted, articles):
        entries.append(("chapter", anchor(page), content.h1.get_text()))
        entries += [
            ("section", heading.find_parent("section")["id"], heading.get_text())
            for heading in content.select("section > h2")
        ]
    contents = "".join(
        f'<li class="{kind}"><a href="#{name}">{escape(text)}</a>'
        f'<span class="number" data-of="{name}"></span></li>'
        for kind, name, text in entries
    )
    url = first.select_one('meta[property="og:url"]')
    place = f'<p><a href="{url["content"]}">{url["content"]}</a></p>' if url else ""
    # Of the pages' scripts only those that set formulas; a page without formulas has none.
    setting = next(filter(None, (formula_scripts(folder / page) for page in wanted)), "")
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{escape(title)}</title>
{"".join(head)}
<style>{STYLE}</style>
{setting}</head>
<body><main class="bd-main"><div class="bd-content"><div class="bd-article-container">
<div class="bd-article book-title"><h1>{escape(title)}</h1>
<p>What moves under your hand in the pages stands still here. Code that is folded there, which
draws the figures and checks the numbers, is left out.</p>{place}</div>
<nav class="bd-article book-contents" aria-label="Contents"><h1>Contents</h1>
<ol>{contents}</ol></nav>
{"".join(map(str, articles))}</div></div></main></body></html>"""


def page_numbers(pdf: Path) -> dict[str, int]:
    """On which page, counted from 1, each named place of a printed document is."""
    # It would warn that Chromium counts a document's objects eight short of what it writes.
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    reader = PdfReader(pdf)
    return {
        name.lstrip("/"): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


NUMBER = """(pages) => {
  for (const e of document.querySelectorAll("[data-of]")) e.textContent = pages[e.dataset.of] ?? "";
}"""


def write(folder: Path, wanted: list[str], pdf: Path) -> int:
    """Print these pages of a built book into `pdf`; the number of its pages of paper."""
    source = folder / "book-as-one.html"
    source.write_text(combine(folder, wanted), encoding="utf-8")
    pdf.parent.mkdir(parents=True, exist_ok=True)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=LAUNCH)
            page = browser.new_page()
            page.set_default_timeout(0)
            page.emulate_media(media="print", color_scheme="light")
            page.goto(source.as_uri(), wait_until="load")
            page.evaluate("async () => { await window.MathJax?.startup.promise; }")
            for _ in range(2):
                page.pdf(
                    path=pdf,
                    display_header_footer=True,
                    header_template="<span></span>",
                    footer_template=FOOTER,
                    outline=True,
                    prefer_css_page_size=True,
                    print_background=True,
                    tagged=True,
                )
                page.evaluate(NUMBER, page_numbers(pdf))
            title = page.title()
            browser.close()
    finally:
        source.unlink()
    writer = PdfWriter(clone_from=pdf)
    writer.add_metadata({"/Title": title, "/Author": "The contributors to the book"})
    writer.compress_identical_objects()
    writer.write(pdf)
    return len(writer.pages)


def offer(folder: Path) -> int:
    """Name the PDF in the download menu of each page that does not yet; how many those were."""
    changed = 0
    for path in folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        up = "../" * len(path.relative_to(folder).parts[1:])
        if 'class="book-pdf"' not in text and MENU.search(text):
            item = OFFER.format(up + PDF)
            path.write_text(
                MENU.sub(lambda m, item=item: m[0] + item, text, count=1), encoding="utf-8"
            )
            changed += 1
    return changed


def main() -> None:
    folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_build" / "html").resolve()
    if not (folder / "index.html").is_file():
        sys.exit(f"{folder} holds no built book (no index.html); run `make book` first.")
    print("Printing the book", flush=True)
    count = write(folder, pages(folder), folder / PDF)
    offer(folder)
    size = (folder / PDF).stat().st_size / 1e6
    print(f"{count} pages, {size:.1f} MB: {folder / PDF}. The pages' download menu offers it.")


if __name__ == "__main__":
    main()
