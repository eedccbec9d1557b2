"""The local Sphinx extension: everything a page needs comes from the book itself.

It adds the fetched JavaScript (see fetch_assets.py) and the book's own style sheet, drops what the
theme's parts would ask of other servers, and copies the trained weights and the explorers' code
into `_static/`, where the pages' scripts look for them.
"""

import base64
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / ".cache" / "assets"
OWN = Path(__file__).parent / "static"
PACKAGE = ROOT / "vaelib"
WIDGET_STATE = r'application/vnd.jupyter.widget-state\+json">(.*?)</script>'
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# What the theme's parts write and a page is better without.
REPAIRS = {
    # Screen readers, and who steers by voice, stumble over a name that is not what is written on
    # the thing. Without these attributes the name is the writing.
    r'(<summary) aria-label="Toggle hidden content"': r"\1",
    r'(<button class="btn search-button-field [^>]*?) aria-label="Search"': r"\1",
    r'(<i class="theme-switch [^>]*?) title="[^"]*"': r"\1",
    # Draws the icons a second time, as SVG: 1.5 MB, where the style sheet has them as a font.
    r'<script defer src="[^"]*/fontawesome\.js[^"]*"></script>\n?': "",
}
# A link in a sidebar that lies over the page leads to what is below it: the sidebar gives way.
CLOSE_ON_LINK = """document.addEventListener("click", ({ target }) =>
  target.closest("dialog a[href]")?.closest("dialog").close());"""
STILL_SENTENCE = (
    "A still picture: the explorer takes its place once this page's scripts have loaded."
)


def add_static_paths(app: Sphinx, config) -> None:
    """Make the assets part of `_static/`.

    Done here and not by `html_static_path` in _config.yml: Jupyter Book puts every script that it
    finds there on every page, and the widgets' 3.6 MB belong only on pages with widgets.
    """
    if not ASSETS.is_dir():
        raise ExtensionError(
            f"{ASSETS} is missing: expected the pages' JavaScript. `make book` fetches it, as does "
            "`python book_ext/fetch_assets.py`."
        )
    config.html_static_path += [str(ASSETS), str(OWN)]
    app.add_css_file("book.css")


def one_header(app: Sphinx, config) -> None:
    """Leave the header of the theme's base empty; the theme has its own, above the article.

    The base puts a search field into it unless told otherwise, and with it a second set of the
    buttons that open the sidebars. The scripts bind the first set, which the theme hides.
    """
    config.html_theme_options["navbar_persistent"] = []
    app.add_js_file(None, body=CLOSE_ON_LINK)


def drop_thebe(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Take sphinx-thebe's scripts off the pages.

    Jupyter Book always loads them, though the book has no live code: they name a foreign server,
    and one constant is emitted twice, which is a SyntaxError in the console.
    """

    def is_thebe(script) -> bool:
        body = (getattr(script, "attributes", None) or {}).get("body") or ""
        return "THEBE" in body or "thebe" in str(getattr(script, "filename", script))

    for kind in ("script_files", "css_files"):
        context[kind][:] = [file for file in context.get(kind, []) if not is_thebe(file)]


def bare(code: str) -> str:
    """JavaScript without the lines that only people read: comments on lines of their own, and
    indentation. A third of the explorers' code is that, and a reader's browser has no use for it.

    Code in which a string goes on over the end of a line is left as it is.
    """
    if any(line.count("`") % 2 for line in code.splitlines()):
        return code
    kept, within = [], False
    for line in map(str.strip, code.splitlines()):
        within = within or line.startswith("/*")
        if line and not within and not line.startswith("//"):
            kept.append(line)
        within = within and not line.endswith("*/")
    return "\n".join(kept) + "\n"


def repair_pages(app: Sphinx, exception: Exception | None) -> None:
    """Apply REPAIRS to the written pages: the theme's parts come together only there."""
    if exception or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = repaired = path.read_text(encoding="utf-8")
        for wrong, right in REPAIRS.items():
            repaired = re.sub(wrong, right, repaired)
        if repaired != text:
            path.write_text(repaired, encoding="utf-8")


def copy_package_files(app: Sphinx, exception: Exception | None) -> None:
    """Copy weights to `_static/weights/` and the explorers' code, made bare, to `_static/vaelib/`.

    Of the weights only those of models that some page's explorers name: all of them are 16 MB.
    Pages opened from disk may not fetch, only run scripts; so each file has a twin, named like it
    and `.js`, that puts the same bytes as base64 into `vaelibFiles`; see vaelib/static/book.js.
    """
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    pages = "".join(page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html"))
    states = "".join(re.findall(WIDGET_STATE, pages))
    for source, folder in (("weights", "weights"), ("static", "vaelib")):
        (static / folder).mkdir(exist_ok=True)
        for path in sorted((PACKAGE / source).glob("*.*")):
            model = path.name.split(".")[0]
            if source == "weights" and f'"{model}"' not in states:
                continue
            content = path.read_bytes()
            if path.suffix == ".js":
                content = bare(content.decode()).encode()
            (static / folder / path.name).write_bytes(content)
            text = base64.b64encode(content).decode()
            script = f'(globalThis.vaelibFiles ??= {{}})["{folder}/{path.name}"] = "{text}";\n'
            (static / folder / f"{path.name}.js").write_text(script)


class StillBesideExplorer(SphinxPostTransform):
    """Keep the still picture that an explorer's output carries beside the explorer itself.

    A page shows only one kind of each output. The still is what is there until the page's scripts
    have made the explorer, which then hides it, and where they cannot.
    """

    default_priority = 3  # before MyST-NB chooses the one kind

    def run(self, **kwargs) -> None:
        for bundle in list(self.document.findall(nodes.container)):
            if bundle.get("nb_element") != "mime_bundle":
                continue
            kinds = {kind["mime_type"]: kind for kind in bundle.children}
            if WIDGET_VIEW not in kinds or "image/png" not in kinds:
                continue
            image = kinds["image/png"].next_node(nodes.image)
            image["alt"] = kinds["text/plain"].astext().strip("'")
            still = nodes.container("", image.deepcopy(), classes=["explorer-still"])
            still += nodes.paragraph("", STILL_SENTENCE)
            bundle.parent.insert(bundle.parent.index(bundle), still)


def setup(app: Sphinx) -> dict:
    app.add_post_transform(StillBesideExplorer)
    app.connect("config-inited", add_static_paths)
    app.connect("config-inited", one_header)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("build-finished", repair_pages)
    app.connect("build-finished", copy_package_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
