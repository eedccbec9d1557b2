"""The local Sphinx extension: everything a page needs comes from the book itself.

It adds the fetched JavaScript (see fetch_assets.py) and the book's own style sheet, drops what the
theme's parts would ask of other servers, and copies the trained weights and the explorers' code
into `_static/`, where the pages' scripts look for them. What it does to written pages is a step of
the one pass in finish.py.
"""

import base64
import hashlib
import html
import json
import re
import shutil
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
SUMS = "const SUMS = {};"  # in vaelib/static/book.js
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PAGE = "data-content_root="  # which every page of the book has, and no other file
# What the theme's parts write and a page is better without: what finds it -> what stands there
# instead, and what pages have that should hold it.
REPAIRS = {
    # Screen readers, and who steers by voice, stumble over a name that is not what is written on
    # the thing. Without these attributes the name is the writing.
    r'(<summary) aria-label="Toggle hidden content"': (r"\1", '<details class="admonition hide'),
    r'(<button class="btn search-button-field [^>]*?) aria-label="Search"': (r"\1", PAGE),
    r'(<i class="theme-switch [^>]*?) title="[^"]*"': (r"\1", PAGE),
    # Draws the icons a second time, as SVG: 1.5 MB, where the style sheet has them as a font.
    r'<script defer src="[^"]*/fontawesome\.js[^"]*"></script>\n?': ("", PAGE),
    # The book's index, and the scripts that read it, are for the page that searches.
    r'<script src="[^"]*\b(searchtools|language_data|searchindex)\.js[^"]*"></script>\n?': (
        "",
        PAGE,
    ),
    # No script needs to be waited for: they run in their order once the page has been read. So do
    # modules, and these lines speak to such a script.
    r"<script((?: data-[^ >]*)? src=)": (r"<script defer\1", PAGE),
    r"<script>(?=DOCUMENTATION_OPTIONS\.)": ('<script type="module">', PAGE),
}
# What a page may ask for, and of whom: the promise that it asks nobody but this site, kept by the
# browser. The explorers' modules are blobs, MathJax and the theme write styles into the page, and
# small pictures are data. Scripts within a page are named one by one. To a book opened from disk
# 'self' is nobody in Firefox, hence file:, which no browser gives to a page from a server.
POLICY = {
    "default-src": "'self' file:",
    "script-src": "'self' file: blob: 'unsafe-hashes'",
    "style-src": "'self' file: 'unsafe-inline'",
    "img-src": "'self' file: data: blob:",
    "font-src": "'self' file: data:",
    "connect-src": "'self' file: data: blob:",
    "worker-src": "'self' file: blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self' file:",
}
INLINE = re.compile(r"<script(?![^>]*\ssrc=)([^>]*)>(.*?)</script>", re.DOTALL)
HANDLER = re.compile(r'<[a-z][^<>]*?\son[a-z]+="([^"]*)"')
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


def drawn_by_us() -> set[str]:
    """What vaelib/static/widgets.js draws, and layouts: one that says nothing needs no drawing."""
    code = (PACKAGE / "static" / "widgets.js").read_text(encoding="utf-8")
    return {"LayoutModel", *re.findall(r"(?m)^ +(\w+Model): \{$", code)}


def is_ours(widgets: dict) -> bool:
    """Whether our few lines can draw all the widgets whose states a page has saved."""

    def one(name: str, state: dict) -> bool:
        said = {key for key in state if not key.startswith("_")}
        if name == "LayoutModel":
            return not said
        if name == "AnyModel":
            return state["_anywidget_id"].startswith("vaelib.")
        return name in drawn_by_us()

    return all(one(widget["model_name"], widget["state"]) for widget in widgets.values())


def saved_state(context: dict) -> str:
    """The state of a page's widgets, as JSON; empty where it has none."""
    scripts = [getattr(s, "attributes", None) or {} for s in context.get("script_files", [])]
    return "".join(s["body"] for s in scripts if "widget-state+json" in s.get("type", ""))


def choose_widget_scripts(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Of those in _config.yml keep Jupyter's, 0.9 MB of gzip, only where a page has other widgets
    than ours, and there leave out our own."""
    scripts, state = context.get("script_files", []), saved_state(context)
    if not state:
        return
    ours = is_ours(json.loads(state)["state"])
    unwanted = "_static/widgets/" if ours else "vaelib/widgets.js"
    kept = [s for s in scripts if unwanted not in str(getattr(s, "filename", s))]
    context["script_files"][:] = kept
    if ours:
        app.add_css_file("widgets.css")


def is_formula_setter(script) -> bool:
    """Whether a page's script is MathJax or tells it how to work."""
    body = (getattr(script, "attributes", None) or {}).get("body") or ""
    return "mathjax/" in str(getattr(script, "filename", "")) or "window.MathJax =" in body


def has_formulas(doctree: nodes.document, state: str = "") -> bool:
    """Whether a page, or a label of the widgets whose saved state it has, needs MathJax."""
    html = "".join(raw.astext() for raw in doctree.findall(nodes.raw))
    widgets = json.loads(state)["state"].values() if state else []
    labels = [widget["state"].get("description") or "" for widget in widgets]
    return (
        any(doctree.findall(lambda node: isinstance(node, nodes.math | nodes.math_block)))
        or re.search(r"\\\(|\$[^$\n]+\$", html) is not None
        or any(re.search(r"[$\\]", label) for label in labels)
    )


def drop_formula_setter(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Leave MathJax, 0.26 MB of gzip, out of pages without formulas.

    Sphinx counts to a page's formulas those of all the pages that its contents list: the landing
    page would have those of the whole book.
    """
    scripts = context.get("script_files", [])
    if doctree is None or not has_formulas(doctree, saved_state(context)):
        context["script_files"][:] = [s for s in scripts if not is_formula_setter(s)]


def bare(code: str) -> str:
    """JavaScript without the lines that only people read: comments on lines of their own, and
    indentation. A third of the explorers' code is that, and a reader's browser has no use for it.

    Code in which a string goes on over the end of a line is left as it is. Not by rjsmin, which
    takes the spaces out of a template within a template (1.3.0), and with them out of sentences.
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


def repaired(pages: dict[Path, str]) -> dict[Path, str]:
    """REPAIRS applied to the pages' text; the page that searches keeps its scripts.

    Raises ExtensionError for a repair that finds nothing where it should: the theme has changed.
    """
    pages = dict(pages)
    for wrong, (right, there) in REPAIRS.items():
        asked = [path for path, text in pages.items() if there in text]
        if "searchindex" in wrong:
            asked = [path for path in asked if path.name != "search.html"]
        found = 0
        for path in asked:
            pages[path], count = re.subn(wrong, right, pages[path])
            found += count
        if asked and not found:
            raise ExtensionError(
                f"No page has {wrong!r} any more, which book_ext/vae_book.py repairs in what the "
                "theme writes. See what the theme writes now, and change REPAIRS or drop the line."
            )
    return pages


def handlers(page: str) -> set[str]:
    """The code that a page's buttons run, written in their attributes."""
    return set(map(html.unescape, HANDLER.findall(INLINE.sub("", page))))


def policy(page: str, handlers: set[str]) -> str:
    """The POLICY of a page, with what is allowed to run that is written in it, and `handlers`."""
    scripts = {
        body
        for attributes, body in INLINE.findall(page)
        if "type=" not in attributes or 'type="module"' in attributes
    }
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
        for code in scripts | handlers
    }
    rules = dict(POLICY)
    rules["script-src"] = " ".join([rules["script-src"], *sorted(hashes)])
    if "embed-amd.js" in page:  # Jupyter's front end compiles what it checks widgets by
        rules["script-src"] += " 'unsafe-eval'"
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def guarded(pages: dict[Path, str]) -> dict[Path, str]:
    """The pages, each with its policy in it: nothing else may be changed in them after that.

    All have the handlers of all, for the page that searches reads the pages it finds.
    """
    start = '<meta charset="utf-8" />'
    allowed = set().union(*map(handlers, pages.values()))

    def one(text: str) -> str:
        tag = f'<meta http-equiv="Content-Security-Policy" content="{policy(text, allowed)}" />'
        return text.replace(start, f"{start}\n    {tag}", 1)

    return {path: one(text) for path, text in pages.items()}


def drop_unasked(static: Path, pages: dict[Path, str]) -> None:
    """Take out of `_static/` what no page asks for any more: 3.6 MB of Jupyter's front end where
    all widgets are ours, and 1.5 MB of icons (see REPAIRS)."""
    text = "".join(pages.values())
    if "embed-amd.js" not in text:
        shutil.rmtree(static / "widgets", ignore_errors=True)
    if "/fontawesome.js" not in text:
        for path in (static / "scripts").glob("fontawesome.js*"):
            path.unlink()


def copy_package_files(static: Path, pages: dict[Path, str]) -> None:
    """Copy weights to `_static/weights/` and the explorers' code, made bare, to `_static/vaelib/`.

    Of the weights only those of models that some page's explorers name: all of them are 16 MB.
    Pages opened from disk may not fetch, only run scripts; so each file has a twin, named like it
    and `.js`, that puts the same bytes as base64 into `vaelibFiles`; see vaelib/static/book.js.
    That script is told the checksum of each file of numbers: a page shows none that is another.
    """
    states = "".join(re.findall(WIDGET_STATE, "".join(pages.values())))
    sums = {}
    for source, folder in (("weights", "weights"), ("static", "vaelib")):
        (static / folder).mkdir(exist_ok=True)
        for path in sorted((PACKAGE / source).glob("*.*")):
            model = path.name.split(".")[0]
            if source == "weights" and f'"{model}"' not in states:
                continue
            content = path.read_bytes()
            if path.suffix == ".safetensors":
                sum_ = hashlib.sha256(content).digest()
                sums[path.stem] = base64.b64encode(sum_).decode()[:8]
            if path.suffix == ".js":
                content = bare(content.decode()).encode()
            (static / folder / path.name).write_bytes(content)
            text = base64.b64encode(content).decode()
            script = f'(globalThis.vaelibFiles ??= {{}})["{folder}/{path.name}"] = "{text}";\n'
            (static / folder / f"{path.name}.js").write_text(script)
    book = static / "vaelib" / "book.js"
    if SUMS not in (code := book.read_text(encoding="utf-8")):
        raise ExtensionError(f"{book} has no line {SUMS!r} to be told what its files are")
    told = json.dumps(sums, separators=(",", ":"))
    book.write_text(code.replace(SUMS, f"const SUMS = {told};"), encoding="utf-8")


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
    app.connect("html-page-context", choose_widget_scripts)
    app.connect("html-page-context", drop_formula_setter, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
