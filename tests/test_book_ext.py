"""What the book's own Sphinx extension does to files on their way into the book."""

import importlib.util
import shutil
import subprocess

import pytest
from test_explore import JS, ROOT, modules_of, node

from vaelib.explore import Canvas
from vaelib.explorer_assets import STATIC

SPEC = importlib.util.spec_from_file_location("vae_book", ROOT / "book_ext" / "vae_book.py")
vae_book = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(vae_book)
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
    static.mkdir(parents=True)
    shutil.copy(STATIC / "package.json", static)
    for path in STATIC.glob("*.js"):
        (static / path.name).write_text(bare(path.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copytree(JS, tmp_path / "tests" / "js")
    return tmp_path


def test_bare_modules_are_smaller_parse_and_export_the_same_names(bare_tree):
    folder = bare_tree / "vaelib" / "static"
    modules = sorted(path.name for path in STATIC.glob("*.js"))
    assert all((folder / n).stat().st_size < (STATIC / n).stat().st_size for n in modules)
    modules.remove("book.js")  # a script: it exports nothing, and needs a page
    subprocess.run([node(), "--check", folder / "book.js"], check=True)
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
    "explorer", ["latent", "reparameterise", "draw", "replay", "kl", "betas", "mixer"]
)
def test_a_page_with_an_explorer_loads_little_of_our_own_javascript(explorer):
    """The book's pages keep below 40 kB with two or three of them; see tests/book/test_pages.py."""
    files = modules_of(f"{explorer}.js") | {"book.js", "start.js", "sliders.js"}
    loaded = [bare((STATIC / name).read_text(encoding="utf-8")) for name in files]
    assert sum(len(code.encode()) for code in [*loaded, Canvas._esm]) <= 33_000


def test_bare_modules_pass_the_same_unit_tests(bare_tree):
    files = sorted((bare_tree / "tests" / "js").glob("*.test.mjs"))
    run = subprocess.run([node(), "--test", *files], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
