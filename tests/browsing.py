"""A page in a browser, and the record of what it asked for and what went wrong in it."""

import re
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Page

LAUNCH = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
LAUNCH += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
OUTSIDE = re.compile(r"^https?://(?!127\.0\.0\.1[:/])")


@dataclass
class Visit:
    """What happened while one page was open in one way."""

    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    facts: dict = field(default_factory=dict)


def listen(page: Page, visit: Visit, origin: str) -> None:
    """Note from now on what `page` asks for outside `origin`, what fails, and errors it logs."""

    def on_request(request) -> None:
        if not request.url.startswith((origin, "data:", "blob:")):
            visit.outside.append(request.url)

    page.on("request", on_request)
    page.on("requestfailed", lambda r: visit.failed.append(f"{r.url}: {r.failure}"))
    page.on("response", lambda r: visit.failed.append(r.url) if r.status >= 400 else None)
    page.on("console", lambda m: visit.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))


def new_context(browser: Browser, **options) -> BrowserContext:
    """A window of its own, to which every other machine is out of reach."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.route(OUTSIDE, lambda route: route.abort())
    return context


@contextmanager
def opened(browser: Browser, url: str, **options):
    """A page and the record of what it does; errors and requests are judged by the test."""
    visit = Visit()
    context = new_context(browser, **options)
    page = context.new_page()
    listen(page, visit, re.match(r"https?://[^/]+|file://", url)[0])
    page.goto(url)
    yield page, visit
    context.close()
