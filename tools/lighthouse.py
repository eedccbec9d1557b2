"""What Lighthouse says of the built book: python tools/lighthouse.py [RUNS]

Four pages, as a phone and as a desktop computer see them, served with gzip as GitHub Pages serves
them; medians of RUNS runs (3), which take turns. It prints the scores and what cost points in all
but speed, and writes the scores into BENCHMARKS.md. Nothing here fails for a low score: how fast
a page is depends on what else the machine does.

It is the last Lighthouse that runs on Node.js 20. One of its packages asks for the latest of two
others, which no lock can hold: lighthouse/package.json says which.
"""

import gzip
import json
import os
import statistics
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache, partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import bench_file
from bench_page import BOOK, LAUNCH
from project import ROOT
from serve import Quiet
from set_up import find_browser

sys.path.append(str(ROOT / "book_ext"))
from fetch_assets import npm

PROGRAM = ROOT / ".cache" / "lighthouse" / "node_modules" / "lighthouse" / "cli" / "index.js"
PAGES = {
    "the landing page": "",
    "a chapter of text": "chapters/02-generative-story.html",
    "chapter 9, with explorers": "chapters/09-latent-space.html",
    "the playground": "chapters/train-it-yourself.html",
}
PRESETS = {"mobile": [], "desktop": ["--preset=desktop"]}
SCORES = {
    "performance": "performance",
    "accessibility": "accessibility",
    "best-practices": "best practices",
    "seo": "SEO",
}
AIMS = "Aims: performance 85 on a phone and 95 on a desktop, the other three 100."
PACKED = {".html", ".css", ".js", ".json", ".svg"}  # what is not compressed as it lies there


@cache
def packed(path: Path) -> bytes:
    """Once: a page shall not wait for it, as it would not at a real server's."""
    return gzip.compress(path.read_bytes())


class Gzipped(Quiet):
    """Serves files compressed, over connections that stay open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            return self.send_error(404)  # Lighthouse asks for a robots.txt; none is as good as one
        small = path.suffix in PACKED
        content = packed(path) if small else path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(content)))
        if small:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(content)

    def log_error(self, *args) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # the browser is ended with its connections open
            super().handle()


def server(folder: Path) -> ThreadingHTTPServer:
    """A server of `folder` on any free port of the loopback address."""
    return ThreadingHTTPServer(("127.0.0.1", 0), partial(Gzipped, directory=str(folder)))


def node() -> str:
    """The Node.js that npm runs on."""
    program, *script = npm()
    return program if script else "node"


def ask(url: str, preset: str) -> dict:
    """One run: Lighthouse's report."""
    options = [f"--only-categories={','.join(SCORES)}", f"--chrome-flags={' '.join(LAUNCH)}"]
    options += ["--quiet", "--output=json", "--no-enable-error-reporting", *PRESETS[preset]]
    command = [node(), str(PROGRAM), url, *options]
    environment = os.environ | {"CHROME_PATH": find_browser()}
    answer = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
    report = json.loads(answer.stdout)
    if "runtimeError" in report:
        raise SystemExit(f"{url}: {report['runtimeError']['message']}")
    return report


def numbers(reports: list[dict]) -> list[str]:
    """Of several runs of one page the median of each score, and of what came, in kB."""
    scores = [
        statistics.median(report["categories"][name]["score"] for report in reports)
        for name in SCORES
    ]
    sent = statistics.median(
        report["audits"]["total-byte-weight"]["numericValue"] for report in reports
    )
    return [*(f"{100 * score:.0f}" for score in scores), f"{sent / 1000:.0f}"]


def findings(report: dict) -> list[str]:
    """What cost points or is complained of, but for speed, and where."""
    found = []
    for name in list(SCORES)[1:]:
        for reference in report["categories"][name]["auditRefs"]:
            audit = report["audits"][reference["id"]]
            if audit["score"] is None or audit["score"] == 1:
                continue
            items = (audit.get("details") or {}).get("items", [])
            where = [item.get("node", {}).get("selector") or json.dumps(item) for item in items]
            found.append(f"{SCORES[name]}, {reference['id']}: {audit['title']}")
            found += [f"    {one[:300]}" for one in where]
    return found


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    if find_browser() is None or not (BOOK / "index.html").is_file():
        sys.exit("Lighthouse needs a browser and the built book; `make lighthouse` sees to both.")
    httpd = server(BOOK)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    reports: dict[tuple[str, str], list[dict]] = {}
    for turn in range(runs):
        for what, page in PAGES.items():
            for preset in PRESETS:
                print(f"{what}, {preset}, {turn + 1} of {runs} …", file=sys.stderr, flush=True)
                url = f"http://127.0.0.1:{httpd.server_port}/{page}"
                reports.setdefault((what, preset), []).append(ask(url, preset))
    httpd.shutdown()
    httpd.server_close()
    rows = [(*key, *numbers(several)) for key, several in reports.items()]
    text = bench_file.table(("page", "as", *SCORES.values(), "kB"), rows)
    print(text)
    for (what, preset), several in reports.items():
        if found := findings(several[-1]):
            print(f"\n{what}, {preset}:", *found, sep="\n  ")
    one_list = [report for several in reports.values() for report in several]
    speed = statistics.median(report["environment"]["benchmarkIndex"] for report in one_list)
    said = (
        f"Written by `make lighthouse`: Lighthouse {one_list[0]['lighthouseVersion']}, medians of "
        f"{runs} runs. Machine: {bench_file.machine()}, {speed:.0f} by Lighthouse's own measure of "
        f"speed. {AIMS}"
    )
    bench_file.write("## Lighthouse", f"{said}\n\n{text}")


if __name__ == "__main__":
    main()
