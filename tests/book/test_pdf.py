"""Two pages of the book, printed as tools/pdf.py prints all of them."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from pypdf import PdfReader

from project import ROOT

pytestmark = pytest.mark.book

PAGES = ["chapters/09-latent-space.html", "chapters/references.html"]
# In a process of its own: two playwrights cannot run in one.
PRINT = "import json, sys, pathlib, pdf; folder, out, pages = map(json.loads, sys.argv[1:]); "
PRINT += "pdf.write(pathlib.Path(folder), pages, pathlib.Path(out))"


@pytest.fixture(scope="module")
def printed(book, tmp_path_factory) -> PdfReader:
    folder = tmp_path_factory.mktemp("pdf") / "html"
    shutil.copytree(book, folder)
    out = folder.parent / "two.pdf"
    words = [json.dumps(each) for each in (str(folder), str(out), PAGES)]
    env = os.environ | {"PYTHONPATH": str(ROOT / "tools")}
    subprocess.run([sys.executable, "-c", PRINT, *words], check=True, env=env)
    assert not (folder / "book-as-one.html").exists()
    return PdfReader(out)


def text_of(page) -> str:
    return " ".join(page.extract_text().split())


def test_the_contents_name_the_page_where_each_chapter_begins(printed):
    contents = text_of(printed.pages[1])
    for title in ("9. The latent space", "References"):
        number = int(contents.partition(title)[2].split()[0])
        assert title in text_of(printed.pages[number - 1])[:80]


def test_the_outline_has_chapters_and_sections(printed):
    flat = str(printed.outline)
    assert "9. The latent space" in flat
    assert "Exercises" in flat


def test_formulas_are_set_and_none_is_left_as_source(printed):
    text = " ".join(map(text_of, printed.pages))
    assert "\\(" not in text
    assert "\\mathcal" not in text
    assert any("MathJax" in font for page in printed.pages for font in fonts(page))


def fonts(page) -> list[str]:
    found = page["/Resources"].get("/Font", {})
    described = [font.get_object().get("/FontDescriptor", {}) for font in found.values()]
    return [str(each.get_object().get("/FontName", "")) for each in described if each]


def test_a_link_from_one_chapter_into_the_other_leads_there(printed):
    names = set(printed.named_destinations)
    targets = {
        str(link.get_object()["/Dest"])
        for page in printed.pages
        for link in page.get("/Annots", [])
        if "/Dest" in link.get_object()
    }
    assert {"/09-latent-space", "/references"} <= targets
    assert targets <= names


def test_no_link_leads_to_a_file_of_this_machine(printed):
    addresses = {
        str(link.get_object()["/A"]["/URI"])
        for page in printed.pages
        for link in page.get("/Annots", [])
        if "/URI" in link.get_object().get("/A", {})
    }
    assert addresses
    assert [address for address in addresses if not address.startswith("http")] == []


def test_figures_and_stills_are_there_and_controls_are_not(printed, book):
    pictures = sum(len(page.images) for page in printed.pages)
    stills = sum((book / page).read_text().count("explorer-still") for page in PAGES)
    assert stills > 1
    assert pictures > stills
    text = " ".join(map(text_of, printed.pages))
    for words in ("Open in Colab", "Show the code", "A still picture", "is loading"):
        assert words not in text


def test_every_page_is_a4(printed):
    for page in printed.pages:
        assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
