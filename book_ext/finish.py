"""The part of the local Sphinx extension that finishes the written pages.

What the theme's parts write comes together only there. Each page is read once and written once;
what is done between is a step of one of the modules here, in an order that matters.
"""

from pathlib import Path

import figures
import icons
import look
import styles
import vae_book
from sphinx.application import Sphinx


def finish(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    written = {path: path.read_text(encoding="utf-8") for path in sorted(out.rglob("*.html"))}
    pages = look.dressed(app, figures.lightened(vae_book.repaired(written)))
    vae_book.copy_package_files(out / "_static", pages)
    vae_book.drop_unasked(out / "_static", pages)
    icons.trim(out, pages.values())
    styles.trim(out, pages.values())
    for path, text in vae_book.guarded(pages).items():  # a policy holds for what a page is at last
        if text != written.get(path):
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", finish, priority=999)  # after whatever others do to the pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
