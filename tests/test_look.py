"""The book's face, as far as it is text: descriptions, addresses, cards and the landing page."""

import importlib.util
import struct
import sys
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from docutils.core import publish_doctree
from PIL import Image

from project import ROOT


@pytest.fixture(scope="module")
def look():
    """The extension, loaded as Sphinx loads it: with its own folder on the path."""
    sys.path.insert(0, str(ROOT / "book_ext"))
    try:
        spec = importlib.util.spec_from_file_location("look", ROOT / "book_ext" / "look.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "book_ext"))
    return module


def project(folder, url):
    (folder / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{url}"\n')
    return folder


def test_a_site_without_a_home_has_no_address_and_any_other_has_its_own(look, tmp_path):
    assert look.site_address(project(tmp_path, "https://github.com/OWNER/vae-book")) is None
    there = look.site_address(project(tmp_path, "https://github.com/Ada/vae-book"))
    assert there == "https://ada.github.io/vae-book/"


PAGE = """
Title
=====

`Open in Colab <https://example.org/a/long/enough/address/for/sixty/letters/and/more>`_

What a *variational* autoencoder changes is measured here, one thing at a time. Each is compared.

Another paragraph, which is long enough to be taken for the description of the whole page.
"""


def test_a_description_is_the_first_whole_sentences(look):
    found = look.description(publish_doctree(PAGE))
    assert found == (
        "What a variational autoencoder changes is measured here, one thing at a time. "
        "Each is compared."
    )


def test_a_description_ends_where_a_sentence_ends_and_is_short(look):
    words = "This sentence is repeated until the paragraph is far too long to be shown. "
    found = look.description(publish_doctree(f"T\n=\n\n{words * 9}\n"))
    assert found.endswith("shown.")
    assert len(found) <= look.DESCRIPTION


def test_a_page_moved_to_the_root_keeps_every_address(look):
    page = (
        '<html data-content_root="../"><a href="#here">a</a> <a href="02.html#x">b</a>'
        '<img src="../_images/a.png"> <a href="https://example.org">c</a>'
        '<meta content="a sentence"> <a href="../search.html">d</a> <img src="data:,x">'
        '<source srcset="../_images/a.webp 2w, ../_images/b.webp 1w, c.webp 1w">'
    )
    assert look.from_root(page, "chapters") == (
        '<html data-content_root="./"><a href="#here">a</a> <a href="chapters/02.html#x">b</a>'
        '<img src="_images/a.png"> <a href="https://example.org">c</a>'
        '<meta content="a sentence"> <a href="search.html">d</a> <img src="data:,x">'
        '<source srcset="_images/a.webp 2w, _images/b.webp 1w, chapters/c.webp 1w">'
    )


def test_figures_are_boxed_with_the_width_they_were_drawn_at_and_stills_are_not(look, tmp_path):
    Image.new("L", (911, 30)).save(tmp_path / "a.png")
    output = '<div class="cell_output docutils container">'
    figure, still = '<img alt="A" src="a.png" />', '<div class="explorer-still docutils container">'
    boxed = look.box_figures(f"{output}\n{figure}\n</div>", tmp_path)
    box = f'<div class="output figure-box" style="--drawn: 911px">{figure}</div>'
    assert boxed == f"{output}\n{box}\n</div>"
    assert look.box_figures(boxed, tmp_path) == boxed
    untouched = f"{still}\n{figure}\n</div>"
    assert look.box_figures(untouched, tmp_path) == untouched
    assert "--drawn: 700px" in look.box_figures('\n<img src="a.svg" width="700" />\n', tmp_path)


class App:
    """As much of Sphinx as asks for a page's description."""

    config = SimpleNamespace(html_title="The book", project="-", root_doc="chapters/00")


@pytest.mark.parametrize("address", [None, "https://ada.github.io/vae-book/"])
@pytest.mark.parametrize("page", ["chapters/00", "chapters/04"])
def test_only_a_site_with_an_address_names_whole_addresses(look, monkeypatch, address, page):
    monkeypatch.setattr(look, "site_address", lambda: address)
    context = {"title": 'Which <i class="x">change</i> & "what"', "metatags": "<meta a>"}
    look.describe(app := App(), page, "page.html", context, publish_doctree(PAGE))
    tags = BeautifulSoup(context["metatags"], "html.parser")
    found = {tag.get("property") or tag.get("name"): tag.get("content") for tag in tags("meta")}
    front = page == App.config.root_doc
    assert found["og:title"] == ("The book" if front else 'Which change & "what"')
    assert found["description"] == found["og:description"]
    pictured = {"og:url", "og:image", "twitter:card"} & set(found)
    assert bool(pictured) == bool(tags.select("link[rel=canonical]")) == (address is not None)
    if address:
        assert found["og:url"] == tags.link["href"] == address + ("" if front else f"{page}.html")
        assert found["og:image"] == address + look.card_path(page)
        assert page in app.vae_cards


def test_pages_without_text_of_their_own_say_nothing(look):
    context = {"title": "Search"}
    look.describe(App(), "search", "search.html", context, None)
    assert context == {"title": "Search"}


@pytest.mark.parametrize("with_figure", [False, True])
def test_a_card_has_the_size_that_sharing_sites_ask_for_and_something_on_it(
    look, tmp_path, with_figure
):
    figure = tmp_path / "figure.png"
    Image.new("RGB", (900, 300), "red").save(figure)
    card = tmp_path / "cards" / "a.png"
    look.draw_card(card, "The book", "A rather long title of a chapter", with_figure and figure)
    assert struct.unpack(">II", card.read_bytes()[16:24]) == look.CARD
    colours = {colour for _, colour in Image.open(card).convert("RGB").getcolors(4096)}
    assert ((255, 0, 0) in colours) == with_figure
    assert len(colours) > 4
