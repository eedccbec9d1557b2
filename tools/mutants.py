"""Break the package in 200 small ways, and see which of them no test notices: make mutants

A mutant is the package with one small thing wrong: a comparison turned, + for -, a number off by
one, `and` for `or`, a `not` gone, two arguments exchanged, a statement left out, another value
returned, mu for z. Each is written into a copy of the repository, never into the tree, and the
tests that run the broken line are run there, until the first fails. The sample has a fixed seed; a
mutant is drawn by what it says and where, so that a change elsewhere leaves the sample as it was.

Python is read by `ast` and changed in its text; JavaScript by a small reader of tokens. Tests that
run a line of Python are known from one run of the suite under a tracer; tests of a script are those
of its own in node, then in a small book in a browser those of its explorer (PAGES).

Not drawn: what only looks otherwise (LOOKS: widths, fonts, colours), the words of errors, type
hints, tolerances below 1e-3. A mutant that hangs is killed by its time limit, and said to be.
"""

import argparse
import ast
import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "mutants"
COUNT, SEED, WORKERS = 200, 0, 2
SECONDS = 90  # for the tests of one mutant beyond what they take on the right code, in each stage

# Mutants that change nothing that a test could see, each with its reason. Known by file, line and
# change, not by number.
EQUIVALENT = {
    (one["file"], one["line"], one["change"]): one["reason"]
    for one in json.loads(
        Path(__file__).with_name("equivalent_mutants.json").read_text(encoding="utf-8")
    )
}


@dataclass(frozen=True)
class Mutant:
    """start, end: bytes of the file that `new` replaces; lines: whose tests are asked, or none
    where all of the module's are; nth: which of several that read the same."""

    file: str
    start: int
    end: int
    old: str
    new: str
    number: int
    line: str
    lines: tuple[int, ...] = ()
    nth: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.line, f"{self.old} -> {self.new}"

    def rank(self, seed: int) -> str:
        return hashlib.sha256(f"{seed} {self.key} {self.nth}".encode()).hexdigest()

    def into(self, folder: Path) -> bytes:
        """Write it into a copy; the bytes that stood there."""
        path = folder / self.file
        right = path.read_bytes()
        path.write_bytes(right[: self.start] + self.new.encode() + right[self.end :])
        return right


# --- Python ---------------------------------------------------------------------------------------

COMPARED = {
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
}  # fmt: skip
TURNED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
CALCULATED = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"), ast.Pow: ("**", "*"), ast.Mod: ("%", "//"), ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}  # fmt: skip
PAIRS = [
    ("mu", "z"), ("amax", "amin"), ("max", "min"), ("train", "test"), ("fitted", "held_out"),
    ("maximum", "minimum"), ("any", "all"), ("rows", "columns"), ("width", "height"),
    ("low", "high"), ("mean", "sum"), ("sin", "cos"), ("floor", "ceil"), ("left", "right"),
]  # fmt: skip
OTHER = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
# Keywords whose value only changes looks, in Python; lines that do, in JavaScript.
LOOKS = re.compile(
    "figsize|size|alpha|lw|ls|fontsize|weight|color|ec|fc|c|linewidths?|rasterized|rotation|ha|va|"
    "pad|markersize|markeredgecolor|bbox|frameon|layout|dpi|zorder|clip_on|constrained|"
    "width_ratios|height_ratios|desc|unit|leave|file|encoding|stacklevel"
)
STYLE = re.compile(
    r"lineWidth|lineCap|lineJoin|globalAlpha|[sS]trokeStyle|[fF]illStyle|\bfont\b|\.font\(|"
    r"setLineDash|\bdisc\(|"
    r"const size = Math\.max|"  # of a dot on a map
    r"textAlign|textBaseline|\.style\.|fillRect|strokeRect|\bdevicePixelRatio\b|measureText"
)


DRAWN = re.compile(r"\bfigure\(|subfigures\(|tick_params|_bare\(|linewidth=")

DECLARES = re.compile(r"(?:export )?(?:async )?function\b|\w+\(.*\) \{$")


class Reader:
    """The mutants of a Python file."""

    def __init__(self, file: str, text: str):
        self.file, self.text, self.bytes = file, text, text.encode()
        self.rows = self.bytes.splitlines(keepends=True)
        self.begins = [0]
        for row in self.rows:
            self.begins.append(self.begins[-1] + len(row))
        self.found: list[Mutant] = []
        self.function: ast.FunctionDef | None = None
        self.statement = range(0)
        self.names: set[str] = set()
        self.visit(ast.parse(text), ())

    def at(self, node: ast.AST) -> tuple[int, int]:
        return (
            self.begins[node.lineno - 1] + node.col_offset,
            self.begins[node.end_lineno - 1] + node.end_col_offset,
        )

    def source(self, node: ast.AST) -> str:
        start, end = self.at(node)
        return self.bytes[start:end].decode()

    def add(self, start: int, end: int, new: str) -> None:
        old = self.bytes[start:end].decode()
        number = self.bytes.count(b"\n", 0, start) + 1
        lines: tuple[int, ...] = ()
        if self.function is not None:
            body = self.function.body
            within = number >= body[0].lineno
            every = range(body[0].lineno, body[-1].end_lineno + 1)
            lines = tuple(self.statement if within else every)
        line = self.rows[number - 1].decode().strip()
        if DRAWN.search(line):
            return
        self.found.append(Mutant(self.file, start, end, old, new, number, line, lines))

    def replace(self, node: ast.AST, new: str) -> None:
        self.add(*self.at(node), new)

    def exchange(self, one: ast.AST, two: ast.AST) -> None:
        """The text of two parts, each in the other's place."""
        (a, b), (c, d) = self.at(one), self.at(two)
        first, between, second = (self.bytes[i:j].decode() for i, j in ((a, b), (b, c), (c, d)))
        if first != second:
            self.add(a, d, second + between + first)

    def between(self, left: ast.AST, right: ast.AST, old: str, new: str) -> None:
        """An operator that stands between two parts."""
        start, end = self.at(left)[1], self.at(right)[0]
        pattern = r"\s+".join(map(re.escape, old.split()))
        found = re.search(pattern, self.bytes[start:end].decode())
        assert found, (self.file, left.lineno, old)
        self.add(start + found.start(), start + found.end(), new)

    def visit(self, node: ast.AST, above: tuple[ast.AST, ...]) -> None:
        parent = above[-1] if above else None
        if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom | ast.arg):
            return  # words; arguments are visited by their defaults
        if isinstance(node, ast.keyword) and LOOKS.fullmatch(node.arg or ""):
            return
        method = getattr(self, f"at_{type(node).__name__}", None)
        outer = self.function, self.names, self.statement
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
            self.statement = range(node.lineno, last + 1)
        if isinstance(node, ast.FunctionDef):
            self.function = node
            self.names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            self.names |= {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
        if method:
            method(node, parent)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            if isinstance(node, ast.Raise):
                continue  # the words of an error
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child, (*above, node))
        self.function, self.names, self.statement = outer

    def at_Compare(self, node, parent) -> None:
        sides = [node.left, *node.comparators]
        for left, operation, right in zip(sides, node.ops, sides[1:]):
            old, new = COMPARED[type(operation)]
            self.between(left, right, old, new)
            if old in TURNED:
                self.between(left, right, old, TURNED[old])

    def at_BinOp(self, node, parent) -> None:
        if type(node.op) in CALCULATED and not isinstance(node.left, ast.JoinedStr):
            self.between(node.left, node.right, *CALCULATED[type(node.op)])

    def at_AugAssign(self, node, parent) -> None:
        self.replace(node, "pass")
        if type(node.op) in CALCULATED:
            old, new = CALCULATED[type(node.op)]
            self.between(node.target, node.value, f"{old}=", f"{new}=")

    def at_BoolOp(self, node, parent) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:]):
            self.between(left, right, old, new)

    def at_UnaryOp(self, node, parent) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            self.replace(node, self.source(node.operand))

    def at_Constant(self, node, parent) -> None:
        value = node.value
        if isinstance(parent, ast.Expr) or isinstance(value, str | bytes) or value is None:
            return
        if value is Ellipsis:
            return
        if isinstance(value, bool):
            self.replace(node, str(not value))
        elif isinstance(value, int):
            self.replace(node, str(value + 1))
        elif abs(value) >= 1e-3:
            self.replace(node, repr(value * 2))

    def at_Name(self, node, parent) -> None:
        other = OTHER.get(node.id)
        if isinstance(node.ctx, ast.Load) and other in self.names:
            self.replace(node, other)

    def at_Attribute(self, node, parent) -> None:
        if node.attr in OTHER and isinstance(node.ctx, ast.Load):
            start = self.at(node)[1] - len(node.attr)
            self.add(start, self.at(node)[1], OTHER[node.attr])

    def at_Call(self, node, parent) -> None:
        plain = [one for one in node.args if not isinstance(one, ast.Starred)]
        if len(plain) == len(node.args) >= 2 and self.source(node.args[0]) != "self":
            self.exchange(*node.args[:2])
        parts = sorted([*node.args, *node.keywords], key=self.at)
        for before, word in zip([None, *parts], parts):
            name = getattr(word, "arg", None)
            if before is not None and name and not LOOKS.fullmatch(name):
                self.add(self.at(before)[1], self.at(word)[1], "")

    def at_Expr(self, node, parent) -> None:
        if isinstance(node.value, ast.Call):
            self.replace(node, "pass")

    def at_Assign(self, node, parent) -> None:
        if all(isinstance(one, ast.Attribute | ast.Subscript) for one in node.targets):
            self.replace(node, "pass")

    def at_Raise(self, node, parent) -> None:
        self.replace(node, "pass")

    def at_Return(self, node, parent) -> None:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            self.replace(node.value, "None")

    def at_If(self, node, parent) -> None:
        self.replace(node.test, f"not ({self.source(node.test)})")

    def at_IfExp(self, node, parent) -> None:
        self.replace(node.test, f"not ({self.source(node.test)})")

    def at_comprehension(self, node, parent) -> None:
        for test in node.ifs:
            self.replace(test, f"not ({self.source(test)})")


# --- JavaScript -----------------------------------------------------------------------------------

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<number>\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?n?|0x[\da-f]+)
    |(?P<name>[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*)
    |(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<punct>\.\.\.|===|!==|\*\*=|\?\?=|\|\|=|&&=|>>>|=>|==|!=|<=|>=|&&|\|\||\?\?|\?\.|\+\+|--
        |[-+*/%]=|\*\*|<<|>>|[-+*/%<>=!?:;,.(){}\[\]&|^~])""",
    re.DOTALL | re.VERBOSE,
)
REGEX = re.compile(r"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
WORDS = {"return", "typeof", "case", "of", "in", "new", "throw", "await", "else", "yield"}


def tokens(code: str) -> list[tuple[str, int, int]]:
    """(kind, start, end) of each token but space and comments; of a template only what is computed
    within it."""
    found: list[tuple[str, int, int]] = []
    depths: list[int] = []  # for each template that is open, how many braces within it are
    at = 0

    def template(at: int) -> int:
        """From within a template to its end, or to the next part that is computed."""
        while code[at] != "`":
            if code.startswith("${", at):
                depths.append(0)
                found.append(("open", at, at + 2))
                return at + 2
            at += 2 if code[at] == "\\" else 1
        found.append(("string", at, at + 1))
        return at + 1

    while at < len(code):
        last = code[found[-1][1] : found[-1][2]] if found else ""
        operand = found and (
            (found[-1][0] == "name" and last not in WORDS)
            or found[-1][0] in ("number", "string", "regex")
            or last in (")", "]", "}")
        )
        if code[at] == "`":
            at = template(at + 1)
            continue
        if code[at] == "/" and not operand and (match := REGEX.match(code, at)):
            found.append(("regex", *match.span()))
            at = match.end()
            continue
        match = TOKEN.match(code, at)
        assert match, code[at : at + 40]
        if match.lastgroup != "space":
            text = match[0]
            if depths and text == "}" and not depths[-1]:
                depths.pop()
                found.append(("close", *match.span()))
                at = template(match.end())
                continue
            if depths and text in "{}":
                depths[-1] += 1 if text == "{" else -1
            found.append((match.lastgroup, *match.span()))
        at = match.end()
    return found


SIGNS = {
    "===": ("!==",), "!==": ("===",), "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="),
    ">=": (">", "<"), "&&": ("||",), "||": ("&&",), "*": ("/",), "/": ("*",), "**": ("*",),
    "%": ("*",), "+=": ("-=",), "-=": ("+=",), "*=": ("/=",), ">>": ("<<",),
}  # fmt: skip
STATEMENT = re.compile(r"[A-Za-z_$][\w$.?\[\]]*(?:\(.*\)| (?:[-+*/]|\?\?)?= .*);")
NEVER = re.compile(r"(?:return|const|let|throw|import|export|await|if|for|while|case|break)\b")


def script_mutants(file: str, code: str) -> list[Mutant]:
    found: list[Mutant] = []
    rows = code.splitlines()
    every = tokens(code)
    words = [code[start:end] for _, start, end in every]
    names = {word for (kind, *_), word in zip(every, words) if kind == "name"}

    def add(start: int, end: int, new: str) -> None:
        number = code.count("\n", 0, start) + 1
        line = rows[number - 1].strip()
        if STYLE.search(line) or (DECLARES.match(line) and new in OTHER):
            return
        before, within = code[:start].encode(), code[start:end].encode()
        start, end = len(before), len(before) + len(within)
        found.append(Mutant(file, start, end, within.decode(), new, number, line))

    def closing(k: int) -> int:
        """Which token closes the bracket that is token k."""
        depth = 0
        for j in range(k, len(words)):
            depth += words[j] in ("(", "[", "{", "${")
            depth -= words[j] in (")", "]", "}")
            if not depth:
                return j
        raise ValueError(f"{file}: an open bracket")

    for k, ((kind, start, end), word) in enumerate(zip(every, words)):
        before = words[k - 1] if k else ""
        after = words[k + 1] if k + 1 < len(words) else ""
        operand = k and (every[k - 1][0] in ("name", "number") or before in (")", "]"))
        operand = operand and before not in WORDS
        if kind == "punct" and word in SIGNS and operand:
            for new in SIGNS[word]:
                add(start, end, new)
        elif kind == "punct" and word in "+-" and operand:
            add(start, end, "-" if word == "+" else "+")
        elif kind == "punct" and word in ("!", "-"):
            add(start, end, "")
        elif kind == "number" and before != ".":
            value = float(word.replace("_", "").rstrip("n")) if "x" not in word else 0.0
            if re.fullmatch(r"\d+", word):
                add(start, end, str(int(word) + 1))
            elif value >= 1e-3:
                add(start, end, repr(value * 2))
        elif kind == "name":
            if word in ("true", "false"):
                add(start, end, "false" if word == "true" else "true")
            elif f"{before}{word}" == ".test":  # of a regular expression
                pass
            elif word in OTHER and (before == "." or OTHER[word] in names) and after != ":":
                swaps = before == "." or before in ("(", "+", "-", "*", "/", ",", "<", ">")
                if swaps and not rows[code.count("\n", 0, start)].startswith("import"):
                    add(start, end, OTHER[word])
            elif word == "if" and after == "(":
                inner = every[k + 2][1], every[closing(k + 1)][1]
                add(*inner, f"!({code[inner[0] : inner[1]]})")
            elif word == "return" and after not in (";", "}"):
                line_end = code.index("\n", end)
                if code[:line_end].endswith(";") and code.count("(", end, line_end) == code.count(
                    ")", end, line_end
                ):
                    add(end, line_end - 1, "")
        if word in ("(", "[") and kind == "punct" and closing(k) == k + 4 and words[k + 2] == ",":
            ends = words[k + 5] if k + 5 < len(words) else ""
            simple = all(every[j][0] in ("name", "number") for j in (k + 1, k + 3))
            call = word == "[" or (every[k - 1][0] == "name" and before not in ("function", "if"))
            if simple and call and ends not in ("{", "=>") and words[k + 1] != words[k + 3]:
                inner = every[k + 1][1], every[k + 3][2]
                between = code[every[k + 1][2] : every[k + 3][1]]
                add(*inner, words[k + 3] + between + words[k + 1])
    at = 0
    for row in rows:
        text = row.strip()
        balanced = all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}"))
        if STATEMENT.fullmatch(text) and not NEVER.match(text) and balanced:
            begin = at + row.index(text)
            if any(start == begin for _, start, _ in every):
                add(begin, begin + len(text), ";")
        at += len(row) + 1
    return found


# --- the sample -----------------------------------------------------------------------------------


def mutants_of(root: Path = ROOT) -> list[Mutant]:
    """All of the package."""
    found: list[Mutant] = []
    for path in sorted([*root.glob("vaelib/**/*.py"), *root.glob("vaelib/static/*.js")]):
        file, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        read = Reader(file, text).found if path.suffix == ".py" else script_mutants(file, text)
        seen: Counter = Counter()
        for mutant in read:
            found.append(Mutant(**{**vars(mutant), "nth": seen[mutant.key]}))
            seen[mutant.key] += 1
    return found


def sample(count: int = COUNT, seed: int = SEED, root: Path = ROOT) -> list[Mutant]:
    """``count`` mutants, drawn alike from all there are; never two of one line."""
    chosen, lines = [], set()
    for mutant in sorted(mutants_of(root), key=lambda mutant: mutant.rank(seed)):
        if (mutant.file, mutant.number) not in lines and len(chosen) < count:
            lines.add((mutant.file, mutant.number))
            chosen.append(mutant)
    return sorted(chosen, key=lambda mutant: (mutant.file, mutant.number))


# --- which tests ----------------------------------------------------------------------------------

UNIT = ["-m", "not notebooks and not book and not live"]
QUIET = ["-q", "-p", "no:cacheprovider", "--no-header", "-W", "error"]
# Scripts whose mathematics Python's tests run in node too.
NODE_AND_PYTORCH = {
    "engine.js": r"test_engine_equals|test_the_exact_posterior",
    "evidence.js": r"test_the_exact_posterior",
    "flow.js": r"test_the_pages_flow",
    "train.js": r"tests/test_playground\.py",
}
# A script -> the tests of it in a browser. What is shared is asked of whom it serves most.
MOVES = r"test_(every_slider_moves|reset_takes_everything_back|pictures_and_type).*\[{0}(-http)?\]"
MAP = r"test_(a_map_moves|pictures_equal|dragging_the_point|the_map_is_shown)|loupe|under_the_poin"
# But for its weight: a mutant's scripts keep their comments.
PLAYED = r"book/test_playground\.py::(?!test_its_scripts_weigh).*http"
PAGES = {
    "latent.js": "|".join(
        [MOVES.format("explorer"), MAP, r"priors_scale|a_slider_moves_by|live_region|phone\[light"]
    ),
    "plane.js": "|".join([MOVES.format("kl"), MAP, "priors_scale|dragging_z"]),
    "page.js": "|".join([MOVES.format("(explorer|kl)"), MAP, r"address_has|reset_takes_a|grow_on"]),
    "draw.js": MOVES.format("draw") + r"|drawn_digit|the_pad|tour|drawing_back|under_the_pointer",
    "kl.js": MOVES.format("kl") + r"|the_kl_playground|axes_of_what",
    "mixer.js": MOVES.format("mixer") + "|the_mixer",
    "posterior.js": MOVES.format("posterior") + "|a_drawing_has",
    "pad.js": "a_drawing_has|drawn_digit|the_pad|drawing_back",
    "replay.js": MOVES.format("replay") + "|the_replay|replay_shows",
    "betas.js": MOVES.format("betas") + "|each_beta|slider_over_beta|decoder_that_does",
    "flow.js": MOVES.format("noise"),
    "reparameterise.js": MOVES.format("reparameterise")
    + r"|decoded_sample|dragging_z|leave_a_trail|hundred_draws",
    "playground.js": MOVES.format("playground") + f"|{PLAYED}",
    "worker.js": PLAYED,
    "widgets.js": MOVES.format("(kl|betas)") + "|typed_value|speak_their|moves_by_keyboard",
    "sliders.js": MOVES.format("(explorer|betas)") + "|priors_scale",
    "start.js": MOVES.format("(explorer|kl)") + "|comes_into_view|test_a_failed|hangs|come_late",
    "book.js": MOVES.format("kl") + "|test_a_failed|come_late|script_of_the_page|hangs",
    "loader.js": MOVES.format("kl") + "|test_a_failed|come_late|hangs",
    "mnist.js": "drawn_digit",
    "digits.js": MOVES.format("(reparameterise|draw)"),
}


class Traced:
    """A plugin of pytest: which lines of the package each test runs, and how long it takes.

    What a fixture runs counts for all that use it, though only the first pays for it.
    """

    def __init__(self, package: Path):
        self.package = str(package) + os.sep
        self.now: set[tuple[str, int]] = set()
        self.of_fixture: dict[int, set] = {}
        self.tests: dict[str, dict] = {}
        self.bad: set[str] = set()

    def trace(self, frame, event, _):
        if not frame.f_code.co_filename.startswith(self.package):
            return None
        if event == "line":
            self.now.add((frame.f_code.co_filename[len(self.package) :], frame.f_lineno))
        return self.trace

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        outer, self.now = self.now, set()
        try:
            return (yield)
        finally:
            self.of_fixture[id(fixturedef)] = self.now
            self.now = outer | self.now

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.now, began = set(), time.perf_counter()
        sys.settrace(self.trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            for fixtures in item._fixtureinfo.name2fixturedefs.values():
                for fixture in fixtures:
                    self.now |= self.of_fixture.get(id(fixture), set())
            seconds = time.perf_counter() - began
            self.tests[item.nodeid] = {"seconds": seconds, "lines": sorted(self.now)}

    def pytest_runtest_logreport(self, report):
        if not report.passed:
            self.bad.add(report.nodeid)


class Chosen:
    """A plugin of pytest: only these tests, and such as are not known yet; quick files first."""

    def __init__(self, wanted: dict[str, float], known: set[str]):
        self.wanted, self.known = wanted, known

    def pytest_collection_modifyitems(self, items):
        cost: Counter = Counter()
        for name, seconds in self.wanted.items():
            cost[name.partition("::")[0]] += seconds
        kept = [
            item for item in items if item.nodeid in self.wanted or item.nodeid not in self.known
        ]
        kept.sort(key=lambda item: (cost[item.nodeid.partition("::")[0]], item.nodeid))
        items[:] = kept


class Matching:
    """A plugin of pytest: only tests whose name a pattern finds."""

    def __init__(self, pattern: str):
        self.pattern = pattern

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if re.search(self.pattern, item.nodeid)]


# --- where they run -------------------------------------------------------------------------------


def copied(parent: Path, name: str) -> Path:
    """A copy of the repository's files, and of the data, which a mutant may spoil."""
    folder = parent / name
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for file in filter(None, files):
        if (ROOT / file).is_file():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)
    if (ROOT / ".cache").is_dir():
        (folder / ".cache").symlink_to(ROOT / ".cache")
    data = Path(os.environ.get("VAELIB_DATA") or Path.home() / ".cache" / "vaelib")
    if data.is_dir():
        shutil.copytree(data, parent / f"{name}-data", dirs_exist_ok=True)
    return folder


@dataclass
class Run:
    """A child at work on one stage of one mutant."""

    pid: int
    until: float

    def kill(self) -> None:
        """The child and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def forked(folder: Path, log: Path, work: Callable[[], int], seconds: float) -> Run:
    """``work()`` in a child that has torch already, among the copy's files."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Run(pid, time.monotonic() + seconds)
    status = 70
    try:
        os.setsid()
        os.chdir(folder)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        mine = str(ROOT / "tools")
        sys.path[:] = [str(folder), *(path for path in sys.path if path not in (mine, str(ROOT)))]
        here = {
            "PYTHONPATH": str(folder), "VAELIB_DATA": f"{folder}-data", "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1", "VAELIB_SMALL_BOOK": f"{folder}-html",
        }  # fmt: skip
        os.environ.update(here)
        sys.dont_write_bytecode = True
        status = work()
    finally:
        sys.stdout.flush()
        os._exit(status)


def traced(folder: Path, out: Path) -> int:
    """Run the whole suite once, on the right code, and note what each test runs."""
    plugin = Traced(folder / "vaelib")
    pytest.main([*QUIET, *UNIT, "--rootdir", str(folder), "tests"], [plugin])
    tests = {name: told for name, told in plugin.tests.items() if name not in plugin.bad}
    out.write_text(json.dumps({"tests": tests, "left out": sorted(plugin.bad)}))
    return 0


def tested(folder: Path, files: list[str], plugin: object, *more: str) -> int:
    """pytest's exit status: 0 where nothing was noticed, 5 where there was no test."""
    return int(pytest.main([*QUIET, "-x", "--rootdir", str(folder), *more, *files], [plugin]))


class Tests:
    """Which tests run a line, by the run under the tracer."""

    def __init__(self, told: dict):
        self.seconds = {name: each["seconds"] for name, each in told["tests"].items()}
        self.left_out = told["left out"]
        files = {name.partition("::")[0] for name in [*self.seconds, *self.left_out]}
        there = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/test_*.py")}
        self.new_files = there - files
        self.of_line: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.of_file: dict[str, set[str]] = defaultdict(set)
        for name, each in told["tests"].items():
            for file, line in each["lines"]:
                self.of_line[f"vaelib/{file}", line].add(name)
                self.of_file[f"vaelib/{file}"].add(name)

    def own(self, mutant: Mutant) -> str:
        """The file of a module's tests, by the house's rule."""
        return f"tests/test_{Path(mutant.file).stem}.py"

    def of(self, mutant: Mutant) -> set[str]:
        """Those that run the mutant's lines; of what an import runs, those of its module."""
        own = {name for name in self.seconds if name.startswith(f"{self.own(mutant)}::")}
        if not mutant.lines:
            return own | self.of_file[mutant.file]
        return set().union(*(self.of_line[mutant.file, line] for line in mutant.lines))

    def beside(self, mutant: Mutant) -> set[str]:
        """All tests of the files that hold one of those, and of the module's own."""
        files = {name.partition("::")[0] for name in self.of(mutant)}
        files |= {self.own(mutant), "tests/test_package.py"}
        return {name for name in self.seconds if name.partition("::")[0] in files}


NAMED = r"(?:from |import\(|URL\()[\"`][./\w]*?([\w.]+\.js)\b"


def importing(script: str, by_others: bool = True) -> list[str]:
    """The tests in node that import a script or read it, by themselves or by another."""
    found, new = set(), {script}
    while new:
        found |= new
        new = {
            path.name
            for path in [*ROOT.glob("vaelib/static/*.js"), *ROOT.glob("tests/js/*.test.mjs")]
            if set(re.findall(NAMED, path.read_text("utf-8"))) & found
        } - found
        if not by_others:
            found, new = found | new, set()
    return sorted(f"tests/js/{name}" for name in found if name.endswith(".test.mjs"))


def small_book(folder: Path, log: Path) -> Path:
    """The small books of tests/book as one, built once, from the right code."""
    made = []
    for file, test, name in (
        ("explorers", "a_page_without_explorers_loads_none_of_their_code", "small0"),
        ("playground", "its_scripts_weigh_80_kb_at_most[http]", "playground0"),
    ):
        base = folder.with_name(name)
        test = f"tests/book/test_{file}.py::test_{test}"
        environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        environment.pop("VAELIB_SMALL_BOOK", None)
        command = [sys.executable, "-m", "pytest", *QUIET, f"--basetemp={base}", test]
        with log.open("a") as out:
            subprocess.run(command, cwd=folder, stdout=out, stderr=out, env=environment)
        made.append(base / name / "_build" / "html")
    shutil.copy2(made[1] / "chapters" / "train.html", made[0] / "chapters")
    return made[0]


def onto_page(html: Path, file: str, before: bytes, after: bytes) -> None:
    """A script into the built book: as a file, as its twin, and where pages have it in them."""
    name = Path(file).name
    (html / "_static" / "vaelib" / name).write_bytes(after)
    text = base64.b64encode(after).decode()
    twin = f'(globalThis.vaelibFiles ??= {{}})["vaelib/{name}"] = "{text}";\n'
    (html / "_static" / "vaelib" / f"{name}.js").write_text(twin)
    if name == "loader.js":
        old, new = (
            json.dumps(re.sub(r"(?m)^ *//.*\n", "", code.decode()))[1:-1]
            for code in (before, after)
        )
        for page in html.glob("chapters/*.html"):
            page.write_text(page.read_text("utf-8").replace(old, new), "utf-8")


# --- the run --------------------------------------------------------------------------------------


@dataclass
class Worker:
    """A copy, and the mutant in it."""

    folder: Path
    log: Path
    mutant: Mutant | None = None
    right: bytes = b""
    stages: list = field(default_factory=list)
    run: Run | None = None

    def start(self, mutant: Mutant) -> None:
        self.mutant, self.right = mutant, mutant.into(self.folder)
        if mutant.file.endswith(".js"):
            now = (self.folder / mutant.file).read_bytes()
            onto_page(Path(f"{self.folder}-html"), mutant.file, self.right, now)
        self.log.write_text("")

    def stop(self) -> None:
        """Put the right code back."""
        path = self.folder / self.mutant.file
        if path.suffix == ".js":
            html = Path(f"{self.folder}-html")
            onto_page(html, self.mutant.file, path.read_bytes(), self.right)
        path.write_bytes(self.right)
        self.mutant, self.run = None, None


def stages_of(mutant: Mutant, folder: Path, tests: Tests) -> Iterator[tuple[str, Callable, float]]:
    """(name, work, seconds) of each round of tests, the likeliest to notice first."""

    def python(wanted: set[str]) -> tuple[Callable, float]:
        seconds = {name: tests.seconds[name] for name in wanted}
        files = {name.partition("::")[0] for name in wanted} | tests.new_files
        if (ROOT / tests.own(mutant)).is_file():
            files.add(tests.own(mutant))
        plugin = Chosen(seconds, {*tests.seconds, *tests.left_out})
        return lambda: tested(folder, sorted(files), plugin, *UNIT), 3 * sum(seconds.values())

    if mutant.file.endswith(".py"):
        direct = tests.of(mutant)
        if direct:
            yield "the tests that run it", *python(direct)
        if more := tests.beside(mutant) - direct:
            yield "the others of their files", *python(more)
        return
    name = Path(mutant.file).name
    first = importing(name, by_others=False)
    for scripts in (first, [script for script in importing(name) if script not in first]):
        if scripts:
            command = ["node", "--test", *scripts]
            yield "node", lambda command=command: subprocess.run(command).returncode, 10
    if pattern := NODE_AND_PYTORCH.get(name):
        wanted = {test for test in tests.seconds if re.search(pattern, test)}
        yield "node and PyTorch", *python(wanted)
    if pattern := PAGES.get(name):
        files = ["tests/book/test_explorers.py"]
        if "playground" in pattern:
            files.append("tests/book/test_playground.py")
        yield "browser", lambda: tested(folder, files, Matching(pattern)), 90


def run(mutants: list[Mutant], workers: int, base: Path, say=print) -> dict[Mutant, tuple]:
    """Each mutant's end: ("killed", by which tests), ("hung", …) or ("survived", "")."""
    tests = known_tests(base)
    ends: dict[Mutant, tuple] = {}
    left, crew = list(mutants), []
    for k in range(workers):
        crew.append(Worker(copied(base, f"copy{k}"), base / f"log{k}.txt"))
    if any(mutant.file.endswith(".js") for mutant in mutants):
        html = small_book(crew[0].folder, base / "small-book.log")
        for worker in crew:
            shutil.copytree(html, f"{worker.folder}-html")
    began = time.monotonic()
    while left or any(worker.mutant for worker in crew):
        for worker in crew:
            if worker.mutant is None and left:
                worker.start(left.pop(0))
                worker.stages = list(stages_of(worker.mutant, worker.folder, tests))
            if worker.mutant is None:
                continue
            if worker.run is None and worker.stages:
                name, work, seconds = worker.stages[0]
                worker.run = forked(worker.folder, worker.log, work, SECONDS + seconds)
                continue
            end = None
            if worker.run is None:
                end = ("survived", "")
            else:
                pid, status = os.waitpid(worker.run.pid, os.WNOHANG)
                name = worker.stages[0][0]
                if not pid and time.monotonic() > worker.run.until:
                    worker.run.kill()
                    os.waitpid(worker.run.pid, 0)
                    end = ("hung", name)
                elif pid:
                    worker.run.kill()
                    code = os.waitstatus_to_exitcode(status)
                    worker.run = None
                    worker.stages.pop(0)
                    if code not in (0, 5):
                        end = ("killed", f"{name}: {first_failure(worker.log)}")
            if end:
                ends[worker.mutant] = end
                minutes = f"{(time.monotonic() - began) / 60:5.1f} min"
                say(f"{len(ends):4} {minutes}  {line_of(worker.mutant)}: {' by '.join(end)}")
                worker.stop()
        time.sleep(0.02)
    return ends


def first_failure(log: Path) -> str:
    """The first test that failed, by what pytest and node print."""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)|^not ok \d+ - (.*)|^✖ (.*)", log.read_text(), re.M)
    return next(filter(None, found.groups()), "?")[:110] if found else "an error before any test"


def known_tests(base: Path) -> Tests:
    """What the run under the tracer told; kept in the cache until the package changes. Tests that
    have been written since are asked wherever their file is."""
    files = sorted(ROOT.glob("vaelib/**/*.py"))
    state = hashlib.sha256(b"".join(map(Path.read_bytes, files))).hexdigest()[:16]
    out = CACHE / f"{state}.json"
    if not out.is_file():
        print("which tests run which lines: the whole suite once …", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        folder = copied(base, "traced")
        child = forked(folder, base / "traced.log", lambda: traced(folder, out), 3600)
        os.waitpid(child.pid, 0)
    tests = Tests(json.loads(out.read_text()))
    if tests.left_out:
        print("failed or skipped on the right code, hence not asked:", *tests.left_out, sep="\n  ")
    return tests


def line_of(mutant: Mutant) -> str:
    old, new = (" ".join(text.split()) for text in (mutant.old, mutant.new))
    return f"{mutant.file}:{mutant.number}: {old[:60]!r} -> {new[:60]!r} in: {mutant.line[:90]}"


def table(ends: dict[Mutant, tuple]) -> str:
    """By place: how many were drawn, killed and not."""
    rows: dict[str, Counter] = defaultdict(Counter)
    for mutant, (end, _) in ends.items():
        for place in (mutant.file.removeprefix("vaelib/"), "all"):
            rows[place][end] += 1
    lines = [f"{'place':32} {'drawn':>5} {'killed':>6} {'of them hung':>12} {'survived':>8}"]
    for place, row in sorted(rows.items(), key=lambda row: (row[0] == "all", row[0])):
        killed = row["killed"] + row["hung"]
        lines.append(f"{place:32} {row.total():5} {killed:6} {row['hung']:12} {row['survived']:8}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(".")[0])
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--only", default="", help="a pattern for FILE:LINE:")
    parser.add_argument("--list", action="store_true", help="show the sample and test nothing")
    given = parser.parse_args()
    mutants = sample(given.count, given.seed)
    mutants = [mutant for mutant in mutants if re.search(given.only, line_of(mutant))]
    if given.list:
        print(*map(line_of, mutants), sep="\n")
        return
    import matplotlib.pyplot  # noqa: F401  here, so that each child finds it there
    import sklearn.mixture  # noqa: F401
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="mutants-") as base:
        ends = run(mutants, given.workers, Path(base), lambda text: print(text, flush=True))
    print("", table(ends), "", sep="\n")
    for mutant in (one for one, (end, _) in ends.items() if end == "survived"):
        reason = EQUIVALENT.get(mutant.key, "")
        print(f"survived: {line_of(mutant)}" + (f"\n    but: {reason}" if reason else ""))
    alive = [one for one, (end, _) in ends.items() if end == "survived"]
    share = 1 - len(alive) / max(1, len(ends))
    print(f"\n{share:.1%} killed; {sum(one.key in EQUIVALENT for one in alive)} of "
          f"{len(alive)} survivors change nothing that a test could see.")  # fmt: skip


if __name__ == "__main__":
    main()
