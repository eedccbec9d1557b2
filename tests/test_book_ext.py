"""What the book's own Sphinx extension does to files on their way into the book."""

import base64
import hashlib
import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pytest
import torch
from docutils.core import publish_doctree
from fontTools.ttLib import TTFont
from javascript import JS, assert_unit_tests_pass, modules_of, node
from PIL import Image, ImageDraw
from sphinx.errors import ExtensionError

from project import ROOT
from vaelib import explore
from vaelib.explorer_assets import STATIC
from vaelib.explorers import Canvas
from vaelib.weights import FOLDER

sys.path.append(str(ROOT / "book_ext"))  # as Sphinx finds them, and they each other
NAMES = ("vae_book", "figures", "icons", "styles", "finish")
vae_book, figures, icons, styles, finish = map(importlib.import_module, NAMES)
bare = vae_book.bare


def test_bare_code_keeps_every_line_of_code_and_nothing_else():
    code = """// A module.
/**
 * Doubles.
 */
export function twice(x) {
  // by adding
  return x + x; // as one does

}
/* one line */
const url = "http://x"; /* kept */
"""
    kept = "export function twice(x) {\nreturn x + x; // as one does\n}\n"
    assert bare(code) == kept + 'const url = "http://x"; /* kept */\n'


def test_bare_leaves_a_string_of_several_lines_alone():
    code = "const text = `\n  // no comment\n`;\n"
    assert bare(code) == code


@pytest.fixture
def bare_tree(tmp_path):
    """A copy of the explorers' modules, made bare, with the JavaScript tests beside it."""
    static = tmp_path / "vaelib" / "static"
    shutil.copytree(STATIC, static)
    (tmp_path / "vaelib" / "weights").symlink_to(FOLDER)
    for path in STATIC.glob("*.js"):
        (static / path.name).write_text(bare(path.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copytree(JS, tmp_path / "tests" / "js")
    return tmp_path


def test_bare_modules_are_smaller_parse_and_export_the_same_names(bare_tree):
    folder = bare_tree / "vaelib" / "static"
    modules = sorted(path.name for path in STATIC.glob("*.js"))
    assert all((folder / n).stat().st_size < (STATIC / n).stat().st_size for n in modules)
    for script in ("book.js", "widgets.js", "worker.js"):  # no exports; they need a page
        modules.remove(script)
        subprocess.run([node(), "--check", folder / script], check=True)
    code = f"""for (const name of {modules}) {{
      const [bare, whole] = await Promise.all(
        ["{folder.as_uri()}/", "{STATIC.as_uri()}/"].map((at) => import(at + name)));
      const names = Object.keys(whole);
      if (!names.length || String(names) !== String(Object.keys(bare)))
        throw new Error(`${{name}}: ${{Object.keys(bare)}}, expected ${{names}}`);
    }}"""
    run = subprocess.run(
        [node(), "--input-type=module", "-e", code], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "explorer", ["latent", "reparameterise", "draw", "replay", "kl", "betas", "mixer", "flow"]
)
def test_a_page_with_an_explorer_loads_little_of_our_own_javascript(explorer):
    """The budget is a page's: those with two or three are measured in tests/book/test_pages.py."""
    files = modules_of(f"{explorer}.js") | {"book.js", "widgets.js", "start.js", "sliders.js"}
    loaded = [bare((STATIC / name).read_text(encoding="utf-8")) for name in files]
    assert sum(len(code.encode()) for code in [*loaded, Canvas._esm]) <= 60_000


def test_files_of_numbers_are_told_apart_by_name():
    """A page is told each one's checksum by its name alone."""
    names = [path.stem for folder in (STATIC, FOLDER) for path in folder.glob("*.safetensors")]
    assert len(names) == len(set(names)) > 20


FETCH = """
import { readFileSync } from "node:fs";
const [folder, path, secure] = process.argv.slice(1);
if (!secure) Object.defineProperty(globalThis, "crypto", { value: {} });
const documentElement = { dataset: { content_root: "./" } };
const baseURI = "https://book.example/";
globalThis.document = { documentElement, baseURI, querySelectorAll: () => [] };
globalThis.fetch = async (url) => new Response(readFileSync(folder + url.pathname));
(0, eval)(readFileSync(`${folder}/_static/vaelib/book.js`, "utf8"));
try {
  console.log((await globalThis.vaelibLoad(path)).byteLength);
} catch (error) {
  console.log(error.message);
}
process.exit();
"""


def test_a_page_takes_no_numbers_that_the_book_was_not_built_with(tmp_path):
    static, name = tmp_path / "_static", "weights/vae-mnist-2d.decoder.safetensors"
    static.mkdir()
    state = 'application/vnd.jupyter.widget-state+json">"vae-mnist-2d"</script>'
    vae_book.copy_package_files(static, {tmp_path / "page.html": state})

    def fetched(path: str, *secure: str) -> str:
        command = [node(), "--input-type=module", "-e", FETCH, "--", tmp_path, path, *secure]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    for path in (name, "vaelib/betas.safetensors", "vaelib/engine.js"):
        size = str((static / path).stat().st_size)
        assert fetched(path, "secure") == size
        content = bytearray((static / path).read_bytes())
        content[-9] ^= 1
        (static / path).write_bytes(content)
        damaged = f"/_static/{path} is damaged: it is not the file that the book was built with"
        assert fetched(path, "secure") == (size if path.endswith(".js") else damaged)
        assert fetched(path) == size  # plain http: browsers have no crypto.subtle there


@pytest.mark.book  # of what the book ships; test_explore.py asks the same of what is written
def test_bare_modules_pass_the_same_unit_tests(bare_tree):
    assert_unit_tests_pass(bare_tree / "tests" / "js")


def saved(*widgets: tuple[str, dict]) -> dict:
    return {str(i): {"model_name": name, "state": state} for i, (name, state) in enumerate(widgets)}


OURS = [
    ("VBoxModel", {"children": []}),
    ("LayoutModel", {"_model_name": "LayoutModel"}),
    ("FloatSliderModel", {"value": 1}),
    ("SelectionSliderModel", {"index": 1}),
    ("AnyModel", {"_anywidget_id": "vaelib.explorers.widgets.Canvas"}),
]
OTHERS = [
    ("IntSliderModel", {"value": 1}),
    ("SliderStyleModel", {}),
    ("LinkModel", {}),
    ("LayoutModel", {"width": "50%"}),
    ("AnyModel", {"_anywidget_id": "lonboard.Map"}),
]


def test_the_widgets_of_an_explorer_are_ours():
    assert vae_book.is_ours(saved(*OURS))
    explorer = explore.kl_playground()
    state = ipywidgets.Widget.get_manager_state()["state"]
    wanted = {explorer.model_id, *(child.model_id for child in explorer.children)}
    assert wanted <= set(state)
    assert vae_book.is_ours({name: state[name] for name in wanted})


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other[0])
def test_one_widget_that_is_not_ours_leaves_the_page_to_jupyters_scripts(other):
    assert not vae_book.is_ours(saved(*OURS, other))


def theme_page(without: str = "") -> str:
    """What the theme's parts write that is repaired; `without` is left out."""
    parts = """<html data-content_root="./"><details class="admonition hide above-input">
<summary aria-label="Toggle hidden content">Show</summary>
<button class="btn search-button-field x" aria-label="Search">
<i class="theme-switch x" title="Light"></i>
<script defer src="_static/scripts/fontawesome.js?digest=1"></script>
<script src="_static/searchtools.js"></script>
<script src="_static/doctools.js?v=1"></script>
<script>DOCUMENTATION_OPTIONS.pagename = 'x';</script>
<article class="bd-article">"""
    assert without in parts
    return parts.replace(without, "") if without else parts


def test_repairs_leave_nothing_of_what_they_are_for_and_the_searching_page_its_scripts():
    pages = {Path("x.html"): theme_page(), Path("search.html"): theme_page()}
    pages = vae_book.repaired(pages)
    for text in pages.values():
        for wrong in ("aria-label", "title=", "fontawesome", "<script src", "<script>DOC"):
            assert wrong not in text
    assert "searchtools" not in pages[Path("x.html")]
    assert '<script defer src="_static/searchtools.js"' in pages[Path("search.html")]


@pytest.mark.parametrize(
    "gone",
    [
        ' aria-label="Toggle hidden content"', ' aria-label="Search"', ' title="Light"',
        '<script defer src="_static/scripts/fontawesome.js?digest=1"></script>',
        '<script src="_static/searchtools.js"></script>',
        '<script src="_static/doctools.js?v=1"></script>',
        "<script>DOCUMENTATION_OPTIONS.pagename = 'x';</script>",
    ],
)  # fmt: skip
def test_a_repair_that_finds_nothing_any_more_stops_the_build_with_a_sentence(gone):
    with pytest.raises(ExtensionError, match="change REPAIRS or drop the line"):
        vae_book.repaired({Path("x.html"): theme_page(without=gone)})


def test_a_page_without_the_part_needs_no_repair_of_it():
    assert vae_book.repaired({Path("x.html"): "<p>Plain.</p>"}) == {Path("x.html"): "<p>Plain.</p>"}


def test_a_policy_names_the_scripts_of_its_page_by_their_hashes_and_allows_nothing_else():
    page = """<script>a();</script><script type="application/json">{}</script><script src="b.js">
</script><button class="x" onclick="go(&quot;1&quot;)">"""
    rules = dict(
        rule.split(" ", 1) for rule in vae_book.policy(page, vae_book.handlers(page)).split("; ")
    )
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(code).digest()).decode()}'"
        for code in (b"a();", b'go("1")')
    }
    assert set(rules["script-src"].split()) == {
        "'self'",
        "file:",
        "blob:",
        "'unsafe-hashes'",
        *hashes,
    }
    assert rules["default-src"] == "'self' file:"
    assert "unsafe-eval" in vae_book.policy(page + '<script src="embed-amd.js">', set())


@pytest.fixture
def lines(tmp_path):
    """A folder with a page's pictures: lines, and light with grain."""
    (tmp_path / "_images").mkdir()
    drawn = Image.new("RGB", (300, 200), "#fff")
    ImageDraw.Draw(drawn).line([(0, 0), (300, 200)], "#0072b2", 2)
    drawn.save(tmp_path / "_images" / "lines.png", compress_level=1)
    wave = (
        torch.linspace(0, 12, 300).sin()[:, None, None] * torch.linspace(0, 9, 300)[:, None].cos()
    )
    grain = torch.randn(300, 300, 3, generator=torch.Generator().manual_seed(0))
    Image.fromarray((128 + 90 * wave + 4 * grain).byte().numpy()).save(
        tmp_path / "_images" / "face.png"
    )
    return tmp_path


def levels(picture) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), int)


def test_a_picture_of_lines_becomes_webp_without_loss_and_one_of_grain_a_small_one(lines):
    for name, most in (("lines", 0), ("face", 4)):
        png = lines / "_images" / f"{name}.png"
        ((width, made),) = figures.webps(png).items()
        assert width == 300
        assert made.stat().st_size < (0.9 if name == "lines" else 0.5) * png.stat().st_size
        was, now = (levels(Image.open(path)) for path in (png, made))
        assert np.abs(was - now).mean() <= most


def test_a_picture_of_two_pixels_for_each_of_css_has_one_of_half_beside_it_if_that_saves(lines):
    for name in ("lines", "face"):
        png = lines / "_images" / f"{name}.png"
        with Image.open(png) as picture:
            picture.save(png, dpi=(200, 200), compress_level=1)
            half = levels(picture.resize((150, picture.height // 2), Image.Resampling.LANCZOS))
        made = figures.webps(png)
        assert list(made) == {"lines": [300], "face": [300, 150]}[name]
    assert made[150].stat().st_size < 0.9 * made[300].stat().st_size
    with Image.open(made[150]) as small:
        assert np.abs(levels(small) - half).mean() <= 4
    page = '<img src="_images/lines.png" /><img src="_images/face.png" />'
    light = figures.light(page, lines, {})
    assert re.findall('<source [^>]*srcset="([^"]*)" sizes="([^"]*)"', light) == [
        ("_images/lines.300.webp 300w", figures.COLUMN),
        (
            "_images/face.300.webp 300w, _images/face.150.webp 150w",
            f"auto, {figures.COLUMN}",
        ),
    ]
    assert re.findall(r'width="150" height="(\d+)"', light) == ["100", "150"]


def test_where_the_webp_is_no_smaller_the_picture_stays_alone(lines):
    png = lines / "_images" / "face.png"
    with Image.open(png) as picture:
        picture.save(png, "webp", quality=20)  # whatever it is named
    png.rename(lines / "_images" / "face.tiny.png")
    assert figures.webps(lines / "_images" / "face.tiny.png") == {}


def test_a_page_s_pictures_say_their_size_and_wait_but_for_the_first(lines):
    page = '<img alt="a" src="_images/lines.png" /><img alt="its width" src="_images/face.png" />'
    page += '<img src="_images/lines.png" style="width: 50%;" /><img src="_images/x.svg" />'
    made = {}
    first, second, third, fourth = re.findall("<img [^>]*>", figures.light(page, lines, made))
    assert 'width="300" height="200"' in first
    assert "lazy" not in first
    assert 'width="300" height="300" loading="lazy" decoding="async"' in second
    assert "height=" not in third, "its author has said how wide it is"
    assert "lazy" in third
    assert "lazy" in fourth
    assert len(made) == 2, "each file once"


THEME = Path(importlib.util.find_spec("pydata_sphinx_theme").origin).parent


@pytest.fixture
def themed(tmp_path):
    """A built page with two icons, and the theme's files as it brings them."""
    static = THEME / "theme" / "pydata_sphinx_theme" / "static"
    shutil.copytree(static, tmp_path / "_static")
    page = '<i class="fa-solid fa-bars"></i><i class="fa-brands fa-github"></i>'
    (tmp_path / "page.html").write_text(page)
    return tmp_path


def page_of(folder: Path) -> str:
    return (folder / "page.html").read_text()


def test_only_the_icons_that_pages_and_styles_show_are_left(themed):
    icons.trim(themed, [page_of(themed)])
    css = (themed / icons.STYLE).read_text()
    assert ".fa-bars:before" in css
    assert ".fa-github:before" in css
    assert ".fa-house:before" not in css
    fonts = themed / "_static" / "vendor" / "fontawesome"
    fonts = {path.name: path for path in fonts.rglob("fa-*")}
    assert sorted(fonts) == ["fa-brands-400.woff", "fa-regular-400.woff", "fa-solid-900.woff"]
    assert sum(path.stat().st_size for path in fonts.values()) < 20_000
    assert all(name in css for name in fonts)
    with TTFont(fonts["fa-solid-900.woff"]) as font:
        assert 0xF0C9 in font.getBestCmap(), "the bars"
        assert 0xF015 not in font.getBestCmap(), "no house"
    with TTFont(fonts["fa-brands-400.woff"]) as font:
        assert 0xF09B in font.getBestCmap(), "the cat"


@pytest.mark.parametrize("change", [(":before{content", ":after{content"), (".woff2)", ".woff3)")])
def test_a_theme_that_writes_its_icons_otherwise_stops_the_build_with_a_sentence(themed, change):
    style = themed / icons.STYLE
    style.write_text(style.read_text().replace(*change))
    with pytest.raises(ExtensionError, match="the theme writes its icons in another way now"):
        icons.trim(themed, [page_of(themed)])


TEXT = "Title\n=====\n\nA line of words.\n\n.. raw:: html\n\n   <table><td>{}</td></table>\n"


@pytest.mark.parametrize(
    ("page", "state", "needed"),
    [
        (TEXT.format("it costs $3"), {}, False),
        (TEXT.format("$z$"), {}, True),
        (TEXT.format(r"\(z\)"), {}, True),
        (TEXT.format("x") + "\nThe code :math:`z`.\n", {}, True),
        (TEXT.format("x") + "\n.. math:: z\n", {}, True),
        (TEXT.format("x"), {"description": "$z_1$"}, True),
        (TEXT.format("x"), {"description": "β", "value": "$"}, False),
    ],
)
def test_only_pages_with_a_formula_of_their_own_load_what_sets_formulas(page, state, needed):
    saved = json.dumps({"state": {"a": {"state": state}}})  # letters are escaped in it
    widgets = {"attributes": {"type": "x.widget-state+json", "body": saved}}
    scripts = [
        SimpleNamespace(filename="_static/doctools.js", attributes={}),
        SimpleNamespace(filename=None, attributes={"body": "window.MathJax = {}"}),
        SimpleNamespace(filename="_static/mathjax/formulas.js", attributes={}),
        SimpleNamespace(filename=None, **widgets),
    ]
    context = {"script_files": list(scripts)}
    vae_book.drop_formula_setter(None, "x", "page.html", context, publish_doctree(page))
    assert context["script_files"] == (scripts if needed else [scripts[0], scripts[3]])


def test_a_page_that_was_not_written_by_anybody_has_no_formulas():
    context = {"script_files": [SimpleNamespace(filename="_static/mathjax/formulas.js")]}
    vae_book.drop_formula_setter(None, "search", "search.html", context, None)
    assert context["script_files"] == []


@pytest.mark.parametrize("asks", [False, True])
def test_jupyter_s_front_end_stays_in_the_book_only_where_a_page_asks_for_it(tmp_path, asks):
    for name in ("widgets/embed-amd.js", "scripts/fontawesome.js", "scripts/fontawesome.js.map"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    page = '<script src="_static/widgets/embed-amd.js"></script>' if asks else "<p></p>"
    vae_book.drop_unasked(tmp_path, {Path("a.html"): "<p></p>", Path("b.html"): page})
    assert (tmp_path / "widgets").exists() == asks
    assert list((tmp_path / "scripts").iterdir()) == []


SHEET = """/* .gone */ :root{--a:1px} p{x:1} .here,.gone{x:2} .gone .here{x:3} #gone{x:4}
a:not(.gone){x:5} :is(.gone,.here) b{x:6} .bs-tooltip-top{x:7} .told{x:8} .told2.gone{x:9}
@media print{.gone{x:10} .here>b{x:11}} @media screen{.gone{x:12}} @font-face{font-family:f}
.gone::after{content:".here}"} .mo\\:re{x:13} .here::after{content:"{.x}"}"""


def test_a_rule_goes_whose_selectors_all_ask_for_what_no_page_and_no_script_has():
    used = styles.names(
        ['<p class="other here" id="i"><script>f("told2")</script><p class="mo:re">'],
        ['x.classList.add("told")'],
    )
    left = re.findall(r"x:(\d+)", styles.trimmed(SHEET, used))
    assert left == ["1", "2", "5", "6", "7", "8", "11", "13"]
    kept = styles.trimmed(SHEET, used)
    assert ".here{x:2}" in kept.replace(" ", "")
    assert "@media screen" not in kept
    assert '.here::after{content:"{.x}"}' in kept
    assert "@font-face" in kept
    assert ":root" in kept


def test_words_of_a_page_s_prose_and_data_are_not_taken_for_classes():
    page = """<p class="a">card</p><script type="application/json">{"x": "modal"}</script>"""
    assert styles.names([page], []) == {"a"}


def test_the_theme_s_sheets_lose_two_thirds_and_the_book_s_own_nothing(themed):
    own = themed / "_static" / "book.css"
    own.write_text(".nowhere{color:red}")
    sheet = themed / icons.STYLE
    before = sheet.stat().st_size
    styles.trim(themed, [page_of(themed)])
    assert sheet.stat().st_size < before / 3
    assert own.read_text() == ".nowhere{color:red}"
    with pytest.raises(ExtensionError, match="written in another way now"):
        styles.trim(themed, [page_of(themed)])


def test_every_page_is_read_once_and_written_once(tmp_path, monkeypatch):
    for step in ("copy_package_files", "drop_unasked"):
        monkeypatch.setattr(vae_book, step, lambda *_: None)
    for module in (icons, styles):
        monkeypatch.setattr(module, "trim", lambda *_: None)
    monkeypatch.setattr(finish.look, "dressed", lambda _, pages: pages)
    head = '<head><meta charset="utf-8" /></head>'
    for name in ("a", "b"):
        (tmp_path / f"{name}.html").write_text(head + theme_page())
    done = []

    def counted(way: str):
        real = getattr(Path, way)

        def count(path, *args, **kwargs):
            if path.suffix == ".html":
                done.append((way, path.name))
            return real(path, *args, **kwargs)

        return count

    for way in ("read_text", "write_text"):
        monkeypatch.setattr(Path, way, counted(way))
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    finish.finish(app, None)
    ways = ("read_text", "write_text")
    assert done == [(way, name) for way in ways for name in ("a.html", "b.html")]
    assert "Content-Security-Policy" in (tmp_path / "a.html").read_text()
