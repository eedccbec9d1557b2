"""Whoever is cited stands in chapters/references.md, and that page agrees with references.bib."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ROOT / "chapters"
NAME = r"[A-Z][\w-]+"
CITATION = re.compile(
    rf"({NAME})(?:(?:, {NAME})*,? and {NAME}| et al\.)?,? \(?((?:18|19|20)\d\d)\b"
)
NOT_NAMES = {
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December", "In", "Since",
}  # fmt: skip


def citations(text: str) -> set[tuple[str, str]]:
    """(first author, year) of everything in ``text`` that reads like a citation."""
    text = re.sub(r"\s+", " ", re.sub(r"\n\s*#", "\n", text))
    return {found for found in CITATION.findall(text) if found[0] not in NOT_NAMES}


def entries() -> dict[tuple[str, str], str]:
    """(first author, year) -> title, from references.bib."""
    found = {}
    for entry in re.findall(r"@\w+\{.*?\n\}", (CHAPTERS / "references.bib").read_text(), re.DOTALL):
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, re.MULTILINE))
        found[fields["author"].split(",")[0], fields["year"]] = fields["title"]
    return found


def printed(title: str) -> str:
    """A title of references.bib without the braces that keep its capitals."""
    return title.replace("{", "").replace("}", "")


def texts() -> dict[str, str]:
    found = {}
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        found[path.name] = "\n".join("".join(cell["source"]) for cell in cells)
    for path in sorted([*CHAPTERS.glob("*.md"), *(ROOT / "vaelib").rglob("*.py")]):
        if path.name != "references.md":
            found[path.relative_to(ROOT).as_posix()] = path.read_text()
    return found


@pytest.mark.parametrize("name", texts())
def test_whoever_is_cited_is_in_the_references(name):
    assert sorted(citations(texts()[name]) - set(entries())) == []


def test_the_page_and_the_bibtex_file_agree():
    page = (CHAPTERS / "references.md").read_text()
    listed = re.findall(r"^- ([^,\n]+),.*?\((\d{4})\)\. \*(.+?)\*\.", page, re.MULTILINE)
    assert {(author, year): title for author, year, title in listed} == {
        key: printed(title) for key, title in entries().items()
    }
    assert len(entries()) > 20
    assert page.split("## Software")[0].count("\n- ") == len(entries())


def test_the_page_is_in_order():
    page = (CHAPTERS / "references.md").read_text()
    authors = re.findall(r"^- ([^,\n]+),.*?\(\d{4}\)\. \*", page, re.MULTILINE)
    assert authors == sorted(authors, key=str.lower)


def test_every_entry_is_cited():
    cited = set().union(*(citations(text) for text in texts().values()))
    assert sorted(set(entries()) - cited) == []


def test_names_in_titles_keep_their_capitals():
    """A bibliography style may print a title in lower case, all but its first letter and braces."""
    for title in entries().values():
        outside = re.sub(r"\{[^{}]*\}", "", title)
        assert not re.search(r"(?<!^)[A-Z]", outside), title


def headings(path: Path) -> set[str]:
    """The anchors of a notebook's headings, as the book and GitHub make them."""
    found = set()
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "markdown":
            titles = re.findall(r"^#{2,3} (.+)$", "".join(cell["source"]), re.MULTILINE)
            found |= {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}
    return found


def test_each_of_the_fifteen_answers_leads_to_a_place_that_shows_it():
    page = (CHAPTERS / "fifteen-questions.md").read_text()
    answers = re.split(r"^\*\*\d+\. ", page, flags=re.MULTILINE)[1:]
    assert len(answers) == 15
    for answer in answers:
        links = re.findall(r"\]\((.+?\.ipynb)#(.+?)\)", answer)
        assert links, answer
        for chapter, place in links:
            assert place in headings(CHAPTERS / chapter), (chapter, place)


def test_a_citation_is_found_however_it_is_written():
    text = "Kingma and Welling (2014), as (Higgins et al. 2017) and"
    text += "\n# Burda, Grosse and Salakhutdinov 2016"
    found = {("Kingma", "2014"), ("Higgins", "2017"), ("Burda", "2016")}
    assert citations(text) == found
    assert citations("In November 2026, at 60,000 images of 2018") == set()
