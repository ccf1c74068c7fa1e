"""An execution of two thousand steps: its page stays small, and so it stays quick."""

from collections.abc import Callable
from typing import Final

from playwright.sync_api import expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Api, Visits

COUNT: Final = 2_000
MOST_ELEMENTS: Final = 20_000
MOST_ROWS: Final = 200
MEASURE: Final = """() => {
    const [page] = performance.getEntriesByType("navigation");
    return {
        elements: document.querySelectorAll("*").length,
        server: page.responseStart - page.requestStart,
        loaded: page.loadEventEnd,
        octets: page.decodedBodySize,
    };
}"""
# How long each of some pictures takes that the browser makes of the page: scrolled, then unfolded.
PICTURES: Final = """async () => {
    const next = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const times = [];
    const timed = async (act) => {
        const begun = performance.now();
        act();
        await next();
        await next();
        times.push(performance.now() - begun);
    };
    for (let place = 0; place < document.documentElement.scrollHeight; place += 700) {
        await timed(() => window.scrollTo(0, place));
    }
    const scrolled = Math.max(...times);
    const folds = [...document.querySelectorAll("#timeline details")].slice(0, 5);
    for (const fold of folds) await timed(() => { fold.open = true; });
    return { scrolled, unfolded: Math.max(...times.slice(-folds.length)), folds: folds.length };
}"""


def test_a_page_of_two_thousand_steps_is_bounded_and_can_be_scrolled_and_unfolded(
    visits: Visits, shown: ServiceProcess, api: Api, figures: Callable[[str], None]
) -> None:
    execution_id = api.ended("many", {"count": COUNT})
    page = visits.open(shown, target=f"/ui/executions/{execution_id}")
    found = page.evaluate(MEASURE)
    pictures = page.evaluate(PICTURES)
    figures(
        f"{COUNT} steps: {found['octets'] / 1000:.0f} kB in {found['server']:.0f} ms,"
        f" loaded after {found['loaded']:.0f} ms, {found['elements']} elements; slowest picture"
        f" {pictures['scrolled']:.0f} ms scrolled, {pictures['unfolded']:.0f} ms unfolded"
    )
    assert found["elements"] < MOST_ELEMENTS
    assert pictures["folds"] > 0
    expect(page.locator("#steps tbody tr")).to_have_count(MOST_ROWS)
    page.get_by_role("link", name="2000").click()
    expect(page.locator("#steps tbody tr").last).to_contain_text("2000")
    link = page.locator("#timeline li a").last
    place = (link.get_attribute("href") or "").rpartition("#")[2]
    link.evaluate("link => link.click()")
    expect(page.locator(f"#{place}")).to_be_in_viewport()
