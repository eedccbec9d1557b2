"""Fetch axe-core, which checks the built pages for accessibility, into .cache/axe/.

Apart from what the pages carry (book_ext/fetch_assets.py): it is for the tests alone.
"""

import sys

from project import ROOT

sys.path.append(str(ROOT / "book_ext"))
from fetch_assets import Package, fetch

AXE = ROOT / ".cache" / "axe"
PACKAGE = Package(
    "axe-core@4.14.1",
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    {"axe.min.js": "axe.min.js", "LICENSE": "LICENSE"},
)

if __name__ == "__main__":
    fetch([PACKAGE], AXE)
