"""One that failed: its error is read, it is forked and retried."""

from playwright.sync_api import expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Api, Visits, expect_status, id_of


def test_a_failed_one_is_opened_from_the_table_and_tells_why(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    execution_id = api.ended("breaker", {"message": "the printer is on fire"})
    page = visits.open(shown, target="/?status=failed")
    row = page.locator(f"tr[data-key={execution_id}]")
    expect(row).to_contain_text("the printer is on fire")
    row.locator("td.name a").first.click()
    error = page.locator("#error")
    expect(error).to_contain_text("OSError: the printer is on fire")
    expect(error.get_by_role("link", name="risky")).to_be_visible()
    error.get_by_text("The agent's traceback").click()
    expect(error.locator("pre")).to_contain_text("Traceback (most recent call last)")


def test_a_fork_from_a_step_takes_another_input_and_what_was_done_before(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    execution_id = api.ended("breaker")
    page = visits.open(shown, target=f"/ui/executions/{execution_id}")
    page.get_by_role("link", name="fork from step 2").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Fork from step 2, risky")
    page.get_by_label("luck").select_option("true")
    page.get_by_role("button", name="Start it").click()
    forked = id_of(page)
    expect_status(page, "completed")
    expect(page.locator("#output")).to_contain_text("lucky")
    assert forked != execution_id
    page.locator("#facts").get_by_role("link", name=execution_id[-8:]).click()
    assert id_of(page) == execution_id


def test_a_failed_one_is_retried_and_a_double_click_makes_one(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    execution_id = api.ended("breaker", metadata={"case": "double"})
    page = visits.open(shown, target=f"/ui/executions/{execution_id}")
    page.get_by_role("button", name="Retry").dblclick()
    page.wait_for_url(lambda url: not url.endswith(execution_id))
    expect_status(page, "failed")
    expect(page.locator("#facts")).to_contain_text("Forked from")
    page.goto("/?metadata.case=double")
    expect(page.locator("#rows tbody tr")).to_have_count(2)


def test_one_that_has_ended_is_deleted_from_its_page(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    visits.allow("status of 404")
    execution_id = api.ended("breaker")
    page = visits.open(shown, target=f"/ui/executions/{execution_id}")
    page.locator("#delete-menu summary").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Executions")
    page.goto(f"/ui/executions/{execution_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not Found")
