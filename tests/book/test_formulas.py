"""When formulas are set: after a page's text is there, a few at a time, those in sight first."""

import pytest
from browsing import new_context, opened

from .conftest import READY

pytestmark = pytest.mark.book

CHAPTER = "chapters/02-generative-story.html"
FEW = 8  # in book_ext/static/mathjax/formulas.js
LEFT = """() => [...document.querySelectorAll(".math")]
  .filter((one) => !one.querySelector("mjx-container")).length"""
SET = "() => document.querySelectorAll('mjx-container').length"
# Nothing is done in a page's idle moments but when `idle()` says so.
HELD = """const held = [];
globalThis.requestIdleCallback = (work) => held.push(work);
globalThis.idle = async () => {
  while (!held.length && !globalThis.done) await new Promise((go) => setTimeout(go, 10));
  held.shift()?.();
  while (!held.length && !globalThis.done) await new Promise((go) => setTimeout(go, 10));
};
document.addEventListener("DOMContentLoaded", () =>
  MathJax.startup.promise.then(() => (globalThis.done = true)));"""
# Whether the first formula that was set could be seen.
FIRST = """new MutationObserver((_, observer) => {
  const first = document.querySelector("mjx-container");
  if (!first) return;
  observer.disconnect();
  const { top, bottom } = first.getBoundingClientRect();
  globalThis.firstInSight = bottom > 0 && top < innerHeight;
}).observe(document, { subtree: true, childList: true });"""


@pytest.fixture
def held(browser, address):
    """A chapter whose idle moments are held back."""
    context = new_context(browser)
    page = context.new_page()
    page.add_init_script(HELD)
    page.goto(address + CHAPTER)
    yield page
    context.close()


def test_mathjax_is_asked_for_when_the_page_has_been_painted(browser, address):
    with opened(browser, address + CHAPTER) as (page, visit):
        page.evaluate(READY)
        asked, painted = page.evaluate("""() => [
          performance.getEntriesByType("resource").find((one) => /tex-chtml/.test(one.name)),
          performance.getEntriesByName("first-contentful-paint")[0],
        ].map(({ startTime }) => startTime)""")
        assert asked >= painted
        assert page.evaluate(LEFT) == 0
        assert (visit.errors, visit.failed) == ([], [])


# Formulas behind which there is a sign, and those of them whose sign begins the next line.
ORPHANS = """() => {
  const ended = [...document.querySelectorAll("span.math")]
    .filter((one) => /^[.,;:!?)]/.test(one.nextSibling?.data ?? ""));
  return [ended.length, ended.filter((one) => {
    const sign = new Range();
    sign.setStart(one.nextSibling, 0);
    sign.setEnd(one.nextSibling, 1);
    return sign.getBoundingClientRect().top > one.getBoundingClientRect().bottom - 2;
  }).length];
}"""


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_line_begins_with_the_full_stop_behind_a_formula(browser, address, width):
    size = {"width": width, "height": 900}
    with opened(browser, address + CHAPTER, viewport=size) as (page, _):
        page.evaluate(READY)
        ended, orphans = page.evaluate(ORPHANS)
        assert ended > 20
        assert orphans == 0


def test_few_formulas_are_set_at_a_time_and_the_others_stand_as_they_were_written(held):
    total = held.evaluate(LEFT)
    assert total > 3 * FEW
    for turn in range(3):
        assert held.evaluate(LEFT) == total - FEW * turn
        held.evaluate("idle()")
    written = held.locator(".math:not(:has(mjx-container))").all_text_contents()
    assert len(written) == total - 3 * FEW
    assert all("\\(" in text or "\\[" in text for text in written)


def test_whoever_prints_before_all_formulas_are_set_waits_for_them(held):
    held.evaluate("idle()")
    assert held.evaluate(LEFT) > 0
    held.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert held.evaluate(LEFT) == 0
    count = held.evaluate(SET)
    held.evaluate("idle()")
    held.evaluate("MathJax.startup.promise")
    assert held.evaluate(SET) == count


def test_the_formulas_in_sight_are_set_first(browser, address):
    context = new_context(browser)
    page = context.new_page()
    page.goto(address + CHAPTER)
    page.evaluate(READY)
    place = page.evaluate("""() => [...document.querySelectorAll("article section[id]")]
      .filter((one) => one.querySelector(".math")).at(-1).id""")
    page = context.new_page()
    page.add_init_script(FIRST)
    page.goto(f"{address}{CHAPTER}#{place}")
    page.evaluate(READY)
    assert page.evaluate("scrollY") > 900
    assert page.evaluate("firstInSight")
    context.close()
