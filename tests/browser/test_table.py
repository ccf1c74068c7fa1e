"""The table of executions: found, shared, alive, and many dealt with at once."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from moderately.testing import ServiceProcess
from tests.support.browsing import AGENTS, ARGS, Api, Visits, navigations


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service that holds nothing yet."""
    with ServiceProcess([AGENTS], data=tmp_path_factory.mktemp("own"), args=ARGS) as process:
        yield process


def rows(page: Page) -> list[str]:
    found = page.locator("#rows tbody tr").evaluate_all("rows => rows.map(row => row.dataset.key)")
    return list(found)


def test_the_table_is_filtered_and_its_address_shows_somebody_else_the_same(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    good = api.ended("breaker", {"luck": True}, metadata={"case": "share"})
    bad = api.ended("breaker", metadata={"case": "share"})
    api.ended("many", {"count": 1}, metadata={"case": "share"})
    page = visits.open(shown)
    page.get_by_role("searchbox").fill("case=share")
    page.get_by_role("combobox", name="Agent").select_option("breaker")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url("**/?q=case%3Dshare&agent_id=breaker")
    assert rows(page) == [bad, good]
    page.locator("#counts").get_by_role("link", name="failed 1").click()
    page.wait_for_url(lambda url: "status=failed" in url)
    assert rows(page) == [bad]
    expect(page.locator("#found")).to_have_text("1 match")
    other = visits.open(shown, target=page.url.removeprefix(shown.base_url))
    assert rows(other) == [bad]
    expect(other.get_by_role("searchbox")).to_have_value("case=share")
    other.get_by_role("link", name="Status").click()
    other.wait_for_url(lambda url: "order_by=status" in url and "status=failed" in url)


def test_a_new_execution_shows_up_without_a_reload(own: ServiceProcess, visits: Visits) -> None:
    page = visits.open(own)
    expect(page.get_by_role("heading", name="No execution yet")).to_be_visible()
    seen = navigations(page)
    with closing((api := Api(own)).http):
        first = api.create("asker", metadata={"where": "here"})
        row = page.locator(f"tr[data-key={first}]")
        expect(row).to_contain_text("where=here")
        expect(row.locator(".status")).to_have_text("paused")
        expect(page.locator("#counts .paused")).to_contain_text("1")
        page.locator(f"#tick-{first}").check()
        second = api.ended("breaker")
        expect(page.locator(f"tr[data-key={second}] .status")).to_have_text("failed")
        assert rows(page) == [second, first]
        expect(page.locator(f"#tick-{first}")).to_be_checked()
        expect(page.locator("#selected")).to_have_text("1 selected")
    assert not seen


def test_many_are_cancelled_and_deleted_and_what_could_not_be_is_told(
    own: ServiceProcess, visits: Visits
) -> None:
    page = visits.open(own)
    with closing((api := Api(own)).http):
        ended = api.ended("breaker")
        waiting = [api.create("asker") for _ in range(3)]
        expect(page.locator("#rows tbody tr")).to_have_count(4)
        page.get_by_label("Select all rows").check()
        page.get_by_role("button", name="Cancel", exact=True).click()
        results = page.locator("#results")
        expect(results).to_contain_text("3 of 4 cancelled.")
        expect(results.get_by_role("link", name=ended[-8:])).to_be_visible()
        for one in waiting:
            expect(page.locator(f"tr[data-key={one}] .status")).to_have_text("cancelled")
        late = api.create("asker")
        expect(page.locator(f"tr[data-key={late}]")).to_be_visible()
        page.get_by_label("Select all rows").check()
        page.locator("#delete").click()
        dialog = page.get_by_role("dialog", name="Delete 5?")
        dialog.get_by_role("button", name="Keep them").click()
        expect(dialog).to_be_hidden()
        expect(page.locator("#rows tbody tr")).to_have_count(5)
        page.locator("#delete").click()
        dialog.get_by_role("button", name="Delete", exact=True).click()
        expect(results).to_contain_text("4 of 5 deleted.")
        expect(results.get_by_role("link", name=late[-8:])).to_be_visible()
        expect(page.locator("#rows tbody tr")).to_have_count(1)


def test_what_failed_is_retried_from_the_table(own: ServiceProcess, visits: Visits) -> None:
    with closing((api := Api(own)).http):
        execution_id = api.ended("breaker")
    page = visits.open(own)
    page.locator(f"#tick-{execution_id}").check()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#results")).to_contain_text("1 of 1 retried.")
    expect(page.locator("#rows tbody tr")).to_have_count(2)


def test_the_way_back_leads_to_the_same_filters(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    execution_id = api.ended("breaker", metadata={"case": "back"})
    page = visits.open(shown, target="/?metadata.case=back&status=failed")
    page.locator("td.name a").first.click()
    page.wait_for_url(f"**/ui/executions/{execution_id}")
    page.go_back()
    assert rows(page) == [execution_id]
    page.get_by_role("link", name="case=back remove").click()
    page.wait_for_url("**/?status=failed")
