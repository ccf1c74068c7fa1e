"""How it looks: dark and light, on a desk and on a phone. The pictures are kept."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Api, Visits

GROUND = "getComputedStyle(document.body).backgroundColor"

# With each fold open in its turn, as what is folded away needs no room.
WIDEST = """() => {
    const widths = [document.documentElement.scrollWidth];
    for (const fold of document.querySelectorAll("#main details:not([open])")) {
        fold.open = true;
        widths.push(document.documentElement.scrollWidth);
        if (fold.classList.contains("menu")) fold.open = false;
    }
    return Math.max(...widths);
}"""

# Cells whose text does not fit in them, and lies over the next one's.
CROWDED = """() => [...document.querySelectorAll("td")]
    .filter((cell) => cell.scrollWidth > cell.clientWidth)
    .map((cell) => cell.outerHTML)"""


@pytest.fixture(scope="module")
def pages(shown: ServiceProcess) -> dict[str, str]:
    """Pages to look at, by name."""
    api = Api(shown)
    api.ended("walker", {"names": ["collect", "sort", "send"]}, metadata={"customer": "aurora"})
    api.ended("breaker", {"message": "The printer at floor 3 does not answer"})
    approval = api.create("approver", {"amount": 120}, metadata={"ticket": "4711"})
    api.until(approval, "wait.started")
    question = {"question": "What did the release change?"}
    api.ended("researcher", question, metadata={"customer": "boreal"})
    api.http.post(f"/agent-executions/{api.create('asker')}/cancel", json={"reason": "no longer"})
    running = api.create("researcher", {**question, "depth": 3}, metadata={"customer": "aurora"})
    api.until(running, "progress")
    api.http.close()
    return {
        "executions": "/",
        "execution": f"/ui/executions/{running}",
        "approval": f"/ui/executions/{approval}",
        "agents": "/ui/agents",
        "agent": "/ui/agents/researcher",
        "form": "/ui/agents/walker",
        "system": "/ui/system",
    }


def ground(page: Page) -> float:
    """How light the ground is, from 0 to 255."""
    text = page.evaluate(GROUND)
    return sum(float(part) for part in text.strip("rgba()").split(",")[:3]) / 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_follow_the_systems_theme(
    visits: Visits, shown: ServiceProcess, pages: dict[str, str], shots: Path, theme: str
) -> None:
    page = visits.open(shown, color_scheme=theme)
    for name, path in pages.items():
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert (ground(page) < 60) is (theme == "dark")
        page.screenshot(path=shots / f"{name}-{theme}.png")


def test_the_theme_that_was_chosen_is_remembered(visits: Visits, shown: ServiceProcess) -> None:
    page = visits.open(shown, color_scheme="light")
    button = page.get_by_role("button", name="Theme")
    expect(button).to_have_accessible_name("Theme: auto")
    button.click()
    button.click()
    expect(button).to_have_accessible_name("Theme: dark")
    assert ground(page) < 60
    page.goto("/ui/agents")
    assert ground(page) < 60
    page.get_by_role("button", name="Theme").click()
    assert ground(page) > 200


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_is_wider_than_the_screen(
    visits: Visits, shown: ServiceProcess, pages: dict[str, str], shots: Path, width: int
) -> None:
    page = visits.open(
        shown, viewport={"width": width, "height": 740}, has_touch=True, is_mobile=width < 400
    )
    for name, path in {**pages, "sign-in": "/ui/sign-in"}.items():
        page.goto(path)
        assert page.evaluate(WIDEST) <= width, name
        assert page.evaluate(CROWDED) == [], name
        if width < 400:
            page.goto(path)
            page.screenshot(path=shots / f"{name}-phone.png", full_page=True)


def test_times_are_in_the_viewers_zone_and_durations_tick(
    visits: Visits, shown: ServiceProcess, pages: dict[str, str]
) -> None:
    page = visits.open(shown, timezone_id="Pacific/Kiritimati", target=pages["execution"])
    at = page.locator("#facts time").first
    utc, local = at.get_attribute("datetime") or "", at.text_content() or ""
    assert utc.endswith("Z")
    hours = page.evaluate("utc => new Date(utc).toLocaleTimeString('en-GB')", utc)
    assert hours in local
    assert hours[:2] != utc[11:13]
    ticking = page.locator("#facts [data-since]")
    before = ticking.text_content()
    expect(ticking).not_to_have_text(before or "")
