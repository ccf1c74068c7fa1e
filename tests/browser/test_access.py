"""What axe finds on each page, dark and light: nothing serious."""

from typing import Any, Final, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Api, Visits

BAD: Final = ("serious", "critical")
ALL_RULES: Final = {"resultTypes": ["violations"]}
# What a theme can change: the other rules do not look at colours.
OF_COLOURS: Final = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}

THEMES: Final[tuple[tuple[Literal["light", "dark"], dict[str, Any]], ...]] = (
    ("light", ALL_RULES),
    ("dark", OF_COLOURS),
)


def findings(page: Page, name: str) -> list[str]:
    """What is wrong with a page, in both themes."""
    found = []
    for theme, options in THEMES:
        page.emulate_media(color_scheme=theme)
        response: dict[str, Any] = Axe().run(page, options=options).response
        for one in response["violations"]:
            if one["impact"] in BAD:
                nodes = [node["html"] for node in one["nodes"]]
                found.append(f"{name}, {theme}: {one['id']}: {one['help']}: {nodes}")
    return found


@pytest.fixture(scope="module")
def executions(shown: ServiceProcess) -> dict[str, str]:
    """Executions in all states, by a name for each."""
    api = Api(shown)
    found = {
        "completed": api.ended("researcher", {"question": "Why?"}, metadata={"team": "a"}),
        "failed": api.ended("breaker"),
        "approval": api.create("approver", {"amount": 3}),
        "input": api.create("asker"),
        "running": api.create("researcher", {"question": "Why?", "depth": 3}),
        "many": api.ended("many", {"count": 260}),
        "cancelled": api.create("asker"),
    }
    for name in ("approval", "input", "cancelled"):
        api.until(found[name], "wait.started")
    api.http.post(f"/agent-executions/{found['cancelled']}/cancel").raise_for_status()
    api.until(found["running"], "progress")
    api.http.close()
    return found


def test_pages_of_executions_are_accessible(
    visits: Visits, shown: ServiceProcess, executions: dict[str, str]
) -> None:
    page = visits.open(shown)
    found = []
    for name, execution_id in executions.items():
        page.goto(f"/ui/executions/{execution_id}")
        page.locator("#main details:not(.menu)").evaluate_all(
            "folds => folds.forEach(fold => { fold.open = true })"
        )
        # Rows like all the others only take time.
        page.locator(
            "#steps tr:nth-child(n+20), #timeline details .strip:nth-child(n+2)"
        ).evaluate_all("all => all.forEach(one => one.remove())")
        found += findings(page, name)
    page.locator("#copy-menu summary").click()
    found += findings(page, "copy")
    page.goto(f"/ui/executions/{executions['failed']}/fork?from=2")
    found += findings(page, "fork")
    assert not found


def test_the_table_is_accessible(
    visits: Visits, shown: ServiceProcess, executions: dict[str, str]
) -> None:
    page = visits.open(shown)
    found = findings(page, "table")
    page.locator("#more summary").click()
    page.get_by_label("Select all rows").check()
    found += findings(page, "all selected")
    page.locator("#delete").click()
    found += findings(page, "sure")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#results .notice")).to_be_visible()
    found += findings(page, "results")
    page.keyboard.press("?")
    found += findings(page, "help")
    page.goto("/?q=nothing-like-it")
    found += findings(page, "no match")
    page.goto("/?status=failed&metadata.team=a&order_by=status&page_size=50")
    found += findings(page, "filtered")
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/")
    found += findings(page, "phone")
    assert not found


def test_all_other_pages_are_accessible(
    visits: Visits, shown: ServiceProcess, executions: dict[str, str], stranger: str
) -> None:
    visits.allow("status of 40")
    page = visits.open(shown, key=stranger)
    found = findings(page, "empty")
    page = visits.open(shown, key="")
    page.goto("/ui/sign-in")
    found += findings(page, "sign-in")
    page.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    found += findings(page, "wrong key")
    page = visits.open(shown)
    for path in (
        "/ui/agents",
        "/ui/agents/walker",
        "/ui/agents/walker?raw=1",
        "/ui/system",
        "/ui/agents/no",
    ):
        page.goto(path)
        found += findings(page, path)
    page.goto("/ui/agents/walker")
    page.locator("#run").evaluate("form => { form.noValidate = true }")
    page.get_by_role("button", name="Run", exact=True).click()
    page.goto("/ui/agents/approver?raw=1")
    page.locator("#run textarea").fill("[1]")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".wrong")).to_be_visible()
    found += findings(page, "refused input")
    assert executions
    assert not found
