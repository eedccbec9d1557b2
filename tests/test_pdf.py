"""What becomes one document before it is printed; tests/book/test_pdf.py prints two pages."""

import pytest
from bs4 import BeautifulSoup

import pdf

PAGE = """<html><head><title>{title}</title>
<meta property="og:site_name" content="The book"><link rel="stylesheet" href="{up}_static/a.css">
{links}
<script>window.MathJax = {{}}</script><script src="{up}_static/mathjax/tex.js"></script>
</head><body>
<div class="dropdown-download-buttons"><ul class="dropdown-menu"><li>.ipynb</li></ul></div>
<article class="bd-article"><section id="top"><h1>{title}
<a class="headerlink" href="#top">#</a></h1>
<p>See <a href="#end">below</a>, <a href="02.html#end">two</a>, <a href="02.html">all of two</a>,
<a href="https://example.org/x">there</a>, <a href="../notes.txt">a file</a>.</p>
<details class="admonition hide"><summary>Show</summary><p>assert folded</p></details>
<details><summary>Solution</summary><p>It is 3.</p></details>
<div class="explorer-still"><img src="../_images/still.png" loading="lazy"><p>A still.</p></div>
<script type="application/vnd.jupyter.widget-view+json">{{}}</script>
<section id="end"><h2>The end</h2></section></section></article></body></html>"""


@pytest.fixture
def site(tmp_path):
    """A book of two chapters, whose landing page stands at the root too."""
    (tmp_path / "chapters").mkdir()
    next_, prev = '<link rel="next" href="02.html">', '<link rel="prev" href="01.html">'
    first = PAGE.format(title="One", up="../", links=next_)
    (tmp_path / "chapters" / "01.html").write_text(first)
    (tmp_path / "chapters" / "02.html").write_text(PAGE.format(title="Two", up="../", links=prev))
    front = PAGE.format(title="One", up="", links=next_.replace("02", "chapters/02"))
    (tmp_path / "index.html").write_text(front)
    return tmp_path


CHAPTERS = ["chapters/01.html", "chapters/02.html"]


def test_the_pages_are_found_in_reading_order_by_their_own_links(site):
    assert pdf.pages(site) == CHAPTERS


def test_the_one_document_has_every_name_once_and_no_link_that_leads_nowhere(site):
    whole = BeautifulSoup(pdf.combine(site, CHAPTERS), "html.parser")
    names = [tag["id"] for tag in whole.select("[id]")]
    assert len(names) == len(set(names)) == 6
    links = [link["href"] for link in whole.select("a[href]")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(names)
    assert {link for link in links if not link.startswith("#")} == {"https://example.org/x"}
    text = [link["href"] for link in whole.select("#\\30 1 a")]
    assert text == ["#01--end", "#02--end", "#02", "https://example.org/x"]


def test_controls_and_folded_code_stay_behind_and_stills_and_solutions_come_along(site):
    whole = BeautifulSoup(pdf.combine(site, CHAPTERS), "html.parser")
    text = whole.get_text()
    assert "assert folded" not in text
    assert "A still." not in text
    assert not whole.select("article script, .headerlink")
    assert {picture["src"] for picture in whole.select("img")} == {"_images/still.png"}
    assert all("open" in details.attrs for details in whole.select("details"))
    assert text.count("It is 3.") == 2


def test_the_document_lies_at_the_root_and_brings_what_sets_its_formulas_once(site):
    whole = BeautifulSoup(pdf.combine(site, CHAPTERS), "html.parser")
    assert [script.get("src") for script in whole.select("script")] == [
        None,
        "_static/mathjax/tex.js",
    ]
    assert [link["href"] for link in whole.select("link")] == ["_static/a.css"]
    assert whole.title.get_text() == "The book"


def test_the_contents_name_chapters_and_sections(site):
    whole = BeautifulSoup(pdf.combine(site, CHAPTERS), "html.parser")
    entries = [(a.get_text(strip=True), a["href"]) for a in whole.select("nav a")]
    assert entries == [
        ("One", "#01"),
        ("The end", "#01--end"),
        ("Two", "#02"),
        ("The end", "#02--end"),
    ]


def test_every_page_offers_the_pdf_once(site):
    assert pdf.offer(site) == 3
    assert pdf.offer(site) == 0
    for path, link in (("index.html", pdf.PDF), (CHAPTERS[1], f"../{pdf.PDF}")):
        soup = BeautifulSoup((site / path).read_text(), "html.parser")
        assert [a["href"] for a in soup.select(".dropdown-menu .book-pdf a")] == [link]


def test_a_folder_without_a_book_is_told_from_one(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pdf.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="run `make book` first"):
        pdf.main()
