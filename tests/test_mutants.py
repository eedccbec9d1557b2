"""The maker of mutants, on small programs: what it changes, what it leaves, how it counts."""

import ast
import re

import pytest

import mutants

ROOT = mutants.ROOT


def changes(code: str, kind: str = "py") -> set[tuple[str, str]]:
    """(old, new) of every mutant of a program; each of them is a program, and another one."""
    found = (
        mutants.Reader("x.py", code).found if kind == "py" else mutants.script_mutants("x", code)
    )
    for mutant in found:
        text = code.encode()
        changed = text[: mutant.start] + mutant.new.encode() + text[mutant.end :]
        assert changed != text
        assert text[mutant.start : mutant.end].decode() == mutant.old
        if kind == "py":
            ast.parse(changed)
    return {(mutant.old, mutant.new) for mutant in found}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("y = a < b", {("<", "<="), ("<", ">=")}),
        ("y = a  +  (b)", {("+", "-")}),
        ("y = a and b and c", {("and", "or")}),
        ("y = not a", {("not a", "a")}),
        ("y = 3", {("3", "4")}),
        ("y = .25", {(".25", "0.5")}),
        ("y = True", {("True", "False")}),
        ("f(a, b)", {("a, b", "b, a"), ("f(a, b)", "pass")}),
        ("y = f(a, k=b)", {(", k=b", "")}),
        ("if a:\n    f()", {("a", "not (a)"), ("f()", "pass")}),
        ("y = b if a else c", {("a", "not (a)")}),
        ("def f(a):\n    return a", {("a", "None")}),
        ("y = codes.mu", {("mu", "z")}),
        ("y = a is not b", {("is not", "is")}),
        ("x.a = b", {("x.a = b", "pass")}),
        ("y = 'µ', a * b", {("*", "/")}),
    ],
)
def test_each_kind_of_fault_in_python(code, expected):
    assert changes(code) == expected


@pytest.mark.parametrize(
    "code",
    [
        '"""A docstring, 1 + 1."""',
        "y = 'not a < b'",
        "y = f'{a + 1}'",
        "def f(a: list[3]) -> 4: ...",
        "y = 1e-9",
        "f = plot(x, alpha=0.5, lw=2)",
        "import a, b",
        "# a + b",
    ],
)
def test_words_hints_tolerances_and_looks_are_left_alone(code):
    assert changes(code) == set()


def test_of_an_error_its_going_unsaid_is_tried_and_not_its_words():
    assert changes("raise ValueError(f(a, 1))") == {("raise ValueError(f(a, 1))", "pass")}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("y = a < b;", {("<", "<="), ("<", ">=")}),
        ("y = a === b && !c;", {("===", "!=="), ("&&", "||"), ("!", "")}),
        ("y = -a - b;", {("-", ""), ("-", "+")}),
        ("y = f(a, b);", {("a, b", "b, a")}),
        ("if (a) {", {("a", "!(a)")}),
        ("return a;\n", {(" a", "")}),
        ("y = `${a + b} + c`;", {("+", "-")}),
        ("y = /a+b/.exec(c);", set()),
        ("y = 'a + b'; // 1 + 2", set()),
        ("/* 1 + 2 */ y = 1e-9;", set()),
        ("g.lineWidth = 2 * a;", set()),
        ("y = Math.max(a, 1);", {("max", "min"), ("a, 1", "1, a"), ("1", "2")}),
    ],
)
def test_each_kind_of_fault_in_javascript(code, expected):
    found = changes(code + "\n" + "}" * code.count("{") * (not code.count("}")), "js")
    assert {one for one in found if not one[0].endswith(";")} == expected


def test_a_statement_of_javascript_is_left_out_whole():
    assert ("update(a);", ";") in changes("  update(a);\n", "js")
    assert not any(new == ";" for _, new in changes("const a = f();\nreturn f(a);\n", "js"))


BLANK = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)


def test_the_tokens_of_each_script_are_its_code_but_for_space_and_comments():
    for path in sorted(ROOT.glob("vaelib/static/*.js")):
        code, at = path.read_text("utf-8"), 0
        for kind, start, end in mutants.tokens(code):
            assert at <= start < end, path.name
            # Of a template the words are no tokens.
            template = kind == "open" or code[start] == "`"
            assert template or BLANK.fullmatch(code[at:start]), path.name
            at = end
        assert BLANK.fullmatch(code[at:]), path.name


def test_the_sample_is_of_both_languages_one_of_a_line_and_an_edit_elsewhere_leaves_it(tmp_path):
    folder = tmp_path / "vaelib" / "static"
    folder.mkdir(parents=True)
    code = "\n".join(f"a{i} = b + {i}" for i in range(2, 40)) + "\n"
    (tmp_path / "vaelib" / "x.py").write_text(code)
    (folder / "y.js").write_text(code.replace("\n", ";\n"))
    first = mutants.sample(20, 1, tmp_path)
    assert first == mutants.sample(20, 1, tmp_path) != mutants.sample(20, 2, tmp_path)
    assert len({(one.file, one.number) for one in first}) == 20
    assert {one.file for one in first} == {"vaelib/x.py", "vaelib/static/y.js"}
    (tmp_path / "vaelib" / "x.py").write_text('"""Words."""\n\n' + code)
    assert {one.key for one in mutants.sample(20, 1, tmp_path)} == {one.key for one in first}


def test_a_mutant_is_written_into_the_copy_and_what_stood_there_comes_back(tmp_path):
    (tmp_path / "x.py").write_text("y = a + b\n")
    (mutant,) = mutants.Reader("x.py", "y = a + b\n").found
    assert mutant.into(tmp_path) == b"y = a + b\n"
    assert (tmp_path / "x.py").read_text() == "y = a - b\n"


def test_each_mutant_that_is_known_to_change_nothing_is_still_one():
    keys = {mutant.key for mutant in mutants.mutants_of()}
    assert [key for key in mutants.EQUIVALENT if key not in keys] == []
    assert all(mutants.EQUIVALENT.values()), "each has its reason"


def test_every_script_has_its_tests_in_a_browser_or_in_node():
    for path in ROOT.glob("vaelib/static/*.js"):
        assert mutants.PAGES.get(path.name) or mutants.importing(path.name), path.name


def test_the_table_counts_by_place_and_a_mutant_that_hangs_is_killed():
    one, two = mutants.Reader("vaelib/x.py", "y = a + b\nz = a - b\n").found
    rows = mutants.table({one: ("hung", ""), two: ("survived", "")}).splitlines()
    assert [row.split() for row in rows[1:]] == [
        ["x.py", "2", "1", "1", "1"],
        ["all", "2", "1", "1", "1"],
    ]
