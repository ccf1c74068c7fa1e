"""With scripts turned off: pages are read, and forms work."""

import pytest
from playwright.sync_api import Page, expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Api, Visits, expect_status, id_of, sign_in


@pytest.fixture
def plain(visits: Visits, shown: ServiceProcess) -> Page:
    """A window without scripts, whose owner has signed in with it."""
    page = visits.open(shown, key="", java_script_enabled=False)
    sign_in(page, shown.api_key)
    return page


def test_an_agent_is_run_read_about_forked_and_deleted(plain: Page, api: Api) -> None:
    plain.get_by_role("link", name="Agents").click()
    plain.get_by_role("link", name="breaker").click()
    plain.get_by_role("button", name="Run", exact=True).click()
    first = id_of(plain)
    api.finish(first)
    plain.reload()
    expect_status(plain, "failed")
    expect(plain.locator("#error")).to_contain_text("no luck")
    plain.get_by_role("link", name="fork from step 2").click()
    plain.get_by_label("luck").select_option("true")
    plain.get_by_role("button", name="Start it").click()
    api.finish(id_of(plain))
    plain.reload()
    expect_status(plain, "completed")
    plain.locator("#delete-menu summary").click()
    plain.get_by_role("button", name="Delete it").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Executions")


def test_the_table_is_filtered_and_rows_are_dealt_with(plain: Page, api: Api) -> None:
    waiting = api.create("asker", metadata={"case": "plain"})
    ended = api.ended("breaker", metadata={"case": "plain"})
    plain.get_by_role("searchbox").fill("case=plain")
    plain.get_by_role("button", name="Show", exact=True).click()
    expect(plain.locator("#rows tbody tr")).to_have_count(2)
    for one in (waiting, ended):
        plain.locator(f"#tick-{one}").check()
    plain.get_by_role("button", name="Cancel", exact=True).click()
    expect(plain.get_by_text("1 of 2 cancelled.")).to_be_visible()
    plain.get_by_role("link", name="Back to the executions").click()
    for one in (waiting, ended):
        plain.locator(f"#tick-{one}").check()
    plain.locator("#delete").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Delete 2 executions?")
    plain.get_by_role("button", name="Delete", exact=True).click()
    plain.get_by_role("link", name="Back to the executions").click()
    expect(plain.get_by_role("heading", name="No execution matches")).to_be_visible()


def test_what_only_scripts_can_do_is_not_offered(plain: Page, api: Api) -> None:
    execution_id = api.ended("breaker")
    for path in ("/", f"/ui/executions/{execution_id}", "/ui/agents/walker", "/ui/system"):
        plain.goto(path)
        for name in ("Keys", "Theme", "Copy"):
            expect(plain.get_by_role("button", name=name, exact=True)).to_have_count(0)
        expect(plain.locator("#main")).not_to_be_empty()
