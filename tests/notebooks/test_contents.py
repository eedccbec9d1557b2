"""The table of contents names what is there, and all of it."""

import re

from project import ROOT

PAGES = {
    path.relative_to(ROOT).with_suffix("").as_posix()
    for path in (ROOT / "chapters").iterdir()
    if path.suffix in {".ipynb", ".md"}
}
CONTENTS = (ROOT / "_toc.yml").read_text(encoding="utf-8")


def test_contents_and_pages_are_the_same():
    assert set(re.findall(r"(?:root|file): (\S+)", CONTENTS)) == PAGES
