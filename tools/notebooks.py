"""Check, clean and make the chapters' notebooks.

    python tools/notebooks.py check [FILES]               say what breaks the house rules
    python tools/notebooks.py strip [FILES]               drop outputs, counts, noise; in place
    python tools/notebooks.py from-py draft.py out.ipynb  make a notebook from `# %%` cells
    python tools/notebooks.py to-py in.ipynb draft.py     the way back, to edit one as text

Without FILES: every notebook in chapters/. `from-py` adds what each chapter must have and no
author should type: the Colab link under the title, the bootstrap cell, the kernel's name and cell
ids that depend on the cell's text alone.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import jupytext
import nbformat
from markdown_it import MarkdownIt

from project import ROOT, colab_url, repository_url

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
METADATA = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
CELL_METADATA = {"tags", "mystnb"}
BOOTSTRAP_TAGS = ["bootstrap", "remove-cell"]
HIDING_TAGS = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
TAGS = HIDING_TAGS | {"hide-output", "remove-output", "bootstrap", "raises-exception"}
LONGEST_CELL = 20

FORBIDDEN_CODE = [
    (
        r"^\s*!",
        "a shell command, which a reader on another system may not have",
    ),
    (r"^\s*%(pip|conda)\b", "an install: only the bootstrap cell installs"),
    (
        r"filterwarnings\(\s*[\"']ignore",
        "warnings silenced: cure the warning, or catch that one where it rises",
    ),
    (r"style\.use\(\s*[\"']https?:", "a style from a URL: use vaelib.plots"),
]


def bootstrap_source(root: Path = ROOT) -> str:
    """The one cell that differs between Colab and everywhere else, the same in each chapter."""
    return (
        "# In Google Colab this cell installs vaelib; anywhere else it does nothing.\n"
        "import sys\n"
        "\n"
        'if "google.colab" in sys.modules:\n'
        f'    %pip install -q "vaelib[faces] @ git+{repository_url(root)}"'
    )


def badge(name: str, root: Path = ROOT) -> str:
    """The link that opens `chapters/name` in Colab.

    A link and not the usual picture, because the book's pages fetch nothing from outside.
    """
    return f"[Open in Colab]({colab_url(f'chapters/{name}', root)})"


# --- the rules: each takes a notebook and yields (index of the cell or None, what is wrong) ----


def rule_stored_clean(nb) -> Iterator[tuple[int | None, str]]:
    """Nothing in the file that running it would change."""
    for i, cell in enumerate(nb.cells):
        if cell.cell_type == "code" and cell.outputs:
            yield i, "has stored outputs; run `python tools/notebooks.py strip`"
        if cell.cell_type == "code" and cell.execution_count is not None:
            yield (
                i,
                f"has execution count {cell.execution_count}; `strip` drops it",
            )
        if noise := sorted(set(cell.metadata) - CELL_METADATA):
            yield (
                i,
                f"has metadata {noise}; `strip` keeps only tags and mystnb",
            )
        if not cell.source.strip():
            yield i, "is empty"
    if dict(nb.metadata) != METADATA:
        yield (
            None,
            f"metadata is {json.dumps(nb.metadata)}, expected {json.dumps(METADATA)}",
        )
    ids = [cell.get("id") for cell in nb.cells]
    if None in ids or len(set(ids)) < len(ids):
        yield None, "cell ids are missing or repeated; `strip` gives new ones"


def rule_tags(nb):
    """Only tags that something reads; a typo would silently show what should be hidden."""
    for i, cell in enumerate(nb.cells):
        if unknown := sorted(set(cell.metadata.get("tags", [])) - TAGS):
            yield i, f"has unknown tags {unknown}; known are {sorted(TAGS)}"


def rule_short_cells(nb):
    """Cells that are shown are short; longer ones belong in vaelib or behind a hiding tag."""
    for i, cell in enumerate(nb.cells):
        lines = len(cell.source.splitlines())
        if (
            cell.cell_type == "code"
            and lines > LONGEST_CELL
            and not HIDING_TAGS & set(cell.metadata.get("tags", []))
        ):
            yield (
                i,
                f"shows {lines} lines of code, at most {LONGEST_CELL}; split it or hide-input it",
            )


def rule_code(nb):
    """No installs outside the bootstrap cell, no silenced warnings, nothing from a URL."""
    for i, cell in enumerate(nb.cells):
        if cell.cell_type == "code" and "bootstrap" not in cell.metadata.get("tags", []):
            for pattern, why in FORBIDDEN_CODE:
                if re.search(pattern, cell.source, re.MULTILINE):
                    yield i, f"has {why}"


def rule_plain_markdown(nb):
    """Only Markdown that Jupyter, Colab, GitHub and the book all render."""
    for i, cell in enumerate(nb.cells):
        if cell.cell_type != "markdown":
            continue
        for token in MarkdownIt("commonmark").enable("table").parse(cell.source):
            if token.type == "fence" and token.info.startswith("{"):
                yield i, f"has the MyST directive {token.info!r}, which only the book renders"
            for left, right in pairwise(token.children or []):
                if right.type == "code_inline" and (
                    role := re.search(r"\{[\w:.+-]+\}$", left.content)
                ):
                    yield i, f"has the MyST role {role.group()!r}, which only the book renders"
        outside_code = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
        for line in outside_code.splitlines():
            if re.match(r"\s*:::|\([\w-]+\)=\s*$|\+\+\+", line) or re.search(
                r"\$\$\s*\([\w:-]+\)\s*$", line
            ):
                yield i, f"has MyST syntax {line.strip()!r}, which only the book renders"
        outside_maths = re.sub(r"\$\$.*?\$\$", "", outside_code, flags=re.DOTALL)
        if environment := re.search(r"\\begin\{[\w*]+\}", outside_maths):
            yield (
                i,
                f"has {environment.group()} outside $$ … $$, which GitHub and Colab show as text",
            )
        if re.search(r"^\|(.*\|)? *\|.*\n\| ?:?-", outside_code, flags=re.MULTILINE):
            yield i, "has a table with a column that has no name"
        if re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"])", outside_code):
            yield i, "has a picture without alt text"


def rule_alt_text(nb):
    """An alt text, where there is one, says something."""
    for i, cell in enumerate(nb.cells):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        if alt is not None and len(alt.split()) < 3:
            yield i, f"has the alt text {alt!r}; say what is to be seen"


def rule_headings(nb):
    """The first cell holds the one title of the page; levels are not skipped."""
    headings = []
    for i, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown":
            tokens = MarkdownIt("commonmark").parse(cell.source)
            headings += [
                (i, int(t.tag[1]), tokens[k + 1].content)
                for k, t in enumerate(tokens)
                if t.type == "heading_open"
            ]
    titles = [(i, text) for i, level, text in headings if level == 1]
    if [i for i, _ in titles] != [0]:
        yield None, f"has {len(titles)} titles (`# …`): {titles}; expected one, in the first cell"
    for (_, before, _), (i, level, text) in pairwise(headings):
        if level > before + 1:
            yield i, f"heading {text!r} jumps from level {before} to level {level}"


def rule_bootstrap(nb, root: Path = ROOT):
    """Exactly one bootstrap cell, right after the title, identical in every chapter."""
    found = [i for i, cell in enumerate(nb.cells) if "bootstrap" in cell.metadata.get("tags", [])]
    if found != [1]:
        yield None, f"has bootstrap cells at {found}; expected exactly one, the second cell"
    for i in found:
        if (
            nb.cells[i].source != bootstrap_source(root)
            or nb.cells[i].metadata.tags != BOOTSTRAP_TAGS
        ):
            yield (
                i,
                f"differs from the project's bootstrap cell:\n{bootstrap_source(root)}",
            )


def rule_badge(nb, name: str, root: Path = ROOT):
    """The first cell links to this very notebook in Colab."""
    if badge(name, root) not in nb.cells[0].source:
        yield 0, f"lacks the Colab link of this file: {badge(name, root)}"


def problems(nb, name: str, root: Path = ROOT) -> list[str]:
    """Everything that is wrong with a notebook that is stored as chapters/`name`."""
    if not nb.cells:
        return [f"{name}: has no cells"]
    rules = [
        rule_stored_clean,
        rule_tags,
        rule_short_cells,
        rule_code,
        rule_plain_markdown,
        rule_alt_text,
        rule_headings,
    ]
    found = [problem for rule in rules for problem in rule(nb)]
    found += [*rule_bootstrap(nb, root), *rule_badge(nb, name, root)]
    return [f"{name}: {what}" if i is None else f"{name}: cell {i} {what}" for i, what in found]


# --- making notebooks fit the rules -------------------------------------------------------------


def cell_id(cell, taken: set[str]) -> str:
    """An id from the cell's text alone: making a notebook again changes little in the file."""
    digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
    candidates = (digest if n == 0 else f"{digest}-{n}" for n in range(len(taken) + 1))
    return next(candidate for candidate in candidates if candidate not in taken)


def strip(nb):
    """Drop outputs, counts and metadata that nothing reads; keep the ids that are there."""
    taken: set[str] = set()
    nb.nbformat, nb.nbformat_minor = 4, 5
    nb.metadata = nbformat.from_dict(METADATA)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.pop("attachments", None)
        cell.source = cell.source.strip("\n")
        kept = {
            key: cell.metadata[key]
            for key in sorted(CELL_METADATA & set(cell.metadata))
            if cell.metadata[key]
        }
        cell.metadata = nbformat.from_dict(kept)
        if cell.get("id") in taken or not cell.get("id"):
            cell["id"] = cell_id(cell, taken)
        taken.add(cell["id"])
    return nb


def from_py(draft: str, name: str, root: Path = ROOT):
    """The notebook of a draft in jupytext's percent format, with Colab link and bootstrap cell.

    On a code cell `alt="…"` is short for `mystnb={"image": {"alt": "…"}}`.
    """
    nb = jupytext.reads(draft, fmt="py:percent")
    cells = [
        cell
        for cell in nb.cells
        if "bootstrap" not in cell.metadata.get("tags", []) and cell.source.strip()
    ]
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        raise SystemExit(
            f"{name}: a draft begins with a `# %% [markdown]` cell whose first line is `# # Title`."
        )
    title, _, rest = cells[0].source.partition("\n")
    rest = re.sub(r"^\[Open in Colab\]\(.*\)\n*", "", rest.strip("\n"))
    cells[0].source = f"{title}\n\n{badge(name, root)}\n\n{rest}".strip()
    for cell in cells:
        if alt := cell.metadata.pop("alt", None):
            cell.metadata.setdefault("mystnb", {}).setdefault("image", {})["alt"] = alt
        cell.pop("id", None)
    bootstrap = nbformat.v4.new_code_cell(
        bootstrap_source(root), metadata={"tags": list(BOOTSTRAP_TAGS)}
    )
    bootstrap.pop("id")
    nb.cells = [cells[0], bootstrap, *cells[1:]]
    return strip(nb)


def to_py(nb) -> str:
    """The draft of a notebook: `from_py` without what it would add again."""
    nb.cells = [cell for cell in nb.cells if "bootstrap" not in cell.metadata.get("tags", [])]
    nb.cells[0].source = re.sub(r"\[Open in Colab\]\(.*\)\n*", "", nb.cells[0].source).strip()
    for cell in nb.cells:
        image = cell.metadata.get("mystnb", {}).get("image", {})
        if cell.metadata.get("mystnb") == {"image": image} and set(image) == {"alt"}:
            cell.metadata.pop("mystnb")
            cell.metadata["alt"] = image["alt"]
    nb.metadata = nbformat.from_dict({"jupytext": {"notebook_metadata_filter": "-all"}})
    return jupytext.writes(nb, fmt="py:percent")


def dumps(nb) -> str:
    """The file's text, as Jupyter itself writes it."""
    return nbformat.writes(nb, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def read(path: Path):
    """The notebook in a file; SystemExit with a sentence for whatever else is there."""
    expected = "a notebook of Jupyter's format 4"
    text = text_of(path, expected)
    try:
        if json.loads(text)["nbformat"] != 4:  # nbformat would make it into one, or try
            raise ValueError("another format")
        nb = nbformat.reads(text, as_version=4)
        for cell in nb.cells:  # what the rules speak of must be there
            _ = cell.cell_type, cell.source, cell.metadata
            _ = cell.cell_type != "code" or (cell.outputs, cell.execution_count)
    except Exception as error:  # what odd JSON leads to has no common name
        raise SystemExit(f"{path}: expected {expected}, got: {str(error)[:200]}") from error
    return nb


def text_of(path: Path, expected: str) -> str:
    """What a file says; SystemExit with a sentence where there is no such text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path}: expected {expected}, got: {error}") from error


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("check", "strip"):
        commands.add_parser(command).add_argument("files", nargs="*", type=Path)
    for command in ("from-py", "to-py"):
        sub = commands.add_parser(command)
        sub.add_argument("source", type=Path)
        sub.add_argument("target", type=Path)
    args = parser.parse_args()

    if args.command == "from-py":
        nb = from_py(text_of(args.source, "a draft, a .py file"), args.target.name)
        args.target.parent.mkdir(parents=True, exist_ok=True)
        args.target.write_text(dumps(nb), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", args.target], check=True)
        nb = read(args.target)
        report(problems(nb, args.target.name))
        return
    if args.command == "to-py":
        args.target.write_text(to_py(read(args.source)), encoding="utf-8")
        return
    files = args.files or sorted((ROOT / "chapters").glob("*.ipynb"))
    if args.command == "strip":
        for path in files:
            after, before = dumps(strip(read(path))), path.read_text(encoding="utf-8")
            if after != before:
                path.write_text(after, encoding="utf-8")
                print(f"stripped {path}")
        return
    report([problem for path in files for problem in problems(read(path), path.name)])


def report(found: list[str]) -> None:
    print("\n".join(found), file=sys.stderr) if found else None
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
