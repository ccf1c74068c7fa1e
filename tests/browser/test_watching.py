"""An execution as it runs: started from a form, seen without a reload, ended and answered."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Api, Visits, expect_status, id_of, navigations


def open_live(page: Page, execution_id: str) -> None:
    """Open the page of one that runs, and be there when its stream begins."""
    with page.expect_response(re.compile(r"/events\?after=")):
        page.goto(f"/ui/executions/{execution_id}")


def test_an_agent_is_run_from_its_form_and_its_steps_arrive_without_a_reload(
    visits: Visits, shown: ServiceProcess, tmp_path: Path
) -> None:
    page = visits.open(shown, target="/ui/agents/walker")
    page.get_by_label("names").fill("look\nleap")
    page.get_by_label("folder").fill(str(tmp_path))
    page.get_by_label("pace").select_option("slow")
    seen = navigations(page)
    page.get_by_role("button", name="Run", exact=True).click()
    id_of(page)
    expect_status(page, "running")
    steps = page.locator("#steps tbody tr")
    # A step has its row and its bar as soon as it begins.
    expect(steps.filter(has_text="look")).to_contain_text("started")
    expect(page.locator("#timeline")).to_contain_text("look")
    (tmp_path / "look").touch()
    expect(steps.filter(has_text="look")).to_contain_text("completed")
    expect(page.locator("#progress-text")).to_contain_text("50% · look done")
    (tmp_path / "leap").touch()
    expect_status(page, "completed")
    expect(page.locator("#output").get_by_role("heading", name="Walked")).to_be_visible()
    expect(steps).to_have_count(2)
    expect(page).to_have_title(re.compile("completed"))
    assert len(seen) == 1


def test_tokens_stream_in_and_give_way_to_the_message(
    visits: Visits, shown: ServiceProcess, api: Api, tmp_path: Path
) -> None:
    page = visits.open(shown)
    execution_id = api.create("teller", {"folder": str(tmp_path)})
    open_live(page, execution_id)
    live = page.locator(".live-message")
    (tmp_path / "Nothing").touch()
    expect(live).to_have_text("Nothing ")
    (tmp_path / "much,").touch()
    expect(live).to_have_text("Nothing much, ")
    (tmp_path / "and").touch()
    expect(live).to_have_text("Nothing much, and you?")
    (tmp_path / "message").touch()
    expect(live).to_have_count(0)
    said = page.locator(".messages .message-assistant")
    expect(said).to_contain_text("Nothing much, and you?")
    expect(said).to_contain_text("parrot-1")
    expect(page.locator("#facts")).to_contain_text("12 in, 6 out")
    (tmp_path / "end").touch()
    expect_status(page, "completed")


def test_one_that_runs_is_cancelled_from_its_page(
    visits: Visits, shown: ServiceProcess, api: Api, tmp_path: Path
) -> None:
    page = visits.open(shown)
    execution_id = api.create("walker", {"names": ["never"], "folder": str(tmp_path)})
    open_live(page, execution_id)
    page.locator("#cancel-menu summary").click()
    page.get_by_label("Reason").fill("changed my mind")
    page.get_by_role("button", name="Cancel this execution").click()
    expect_status(page, "cancelled")
    expect(page.locator(".why")).to_contain_text("hanged my mind")
    assert api.get(execution_id)["status"] == "cancelled"


def test_a_half_filled_field_and_what_is_unfolded_outlast_what_comes_in(
    visits: Visits, shown: ServiceProcess, api: Api, tmp_path: Path
) -> None:
    page = visits.open(shown)
    execution_id = api.create("walker", {"names": ["one", "two"], "folder": str(tmp_path)})
    open_live(page, execution_id)
    page.locator("#log-details > summary").click()
    page.locator("#cancel-menu summary").click()
    page.get_by_label("Reason").fill("half a rea")
    (tmp_path / "one").touch()
    expect(page.locator("#steps tbody tr")).to_have_count(1)
    expect(page.locator("#events")).to_contain_text("walked one")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("son")
    expect(page.get_by_label("Reason")).to_have_value("half a reason")
    (tmp_path / "two").touch()
    expect_status(page, "completed")


def test_an_approval_is_given_with_edited_arguments(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    page = visits.open(shown)
    execution_id = api.create("approver", {"amount": 300})
    open_live(page, execution_id)
    ask = page.locator("form.ask")
    expect(ask).to_contain_text("Pay now?")
    ask.get_by_label("amount").fill("200")
    ask.get_by_label("Reason").fill("less is enough")
    ask.get_by_role("button", name="Approve").click()
    expect_status(page, "completed")
    expected = {"approved": True, "amount": 200, "reason": "less is enough"}
    assert api.finish(execution_id)["output_data"] == expected
    expect(page.locator("#output")).to_contain_text("less is enough")


def test_an_approval_is_refused(visits: Visits, shown: ServiceProcess, api: Api) -> None:
    execution_id = api.create("approver", {"amount": 300})
    api.until(execution_id, "wait.started")
    page = visits.open(shown, target=f"/ui/executions/{execution_id}")
    page.get_by_role("button", name="Deny").click()
    expect_status(page, "completed")
    assert api.finish(execution_id)["output_data"]["approved"] is False


@pytest.mark.parametrize("has_scripts", [True, False])
def test_an_input_is_answered_in_a_form_and_a_wrong_value_is_told_at_its_field(
    visits: Visits, shown: ServiceProcess, api: Api, *, has_scripts: bool
) -> None:
    visits.allow("status of 400")
    execution_id = api.create("asker")
    api.until(execution_id, "wait.started")
    page = visits.open(
        shown, target=f"/ui/executions/{execution_id}", java_script_enabled=has_scripts
    )
    weight = page.get_by_label("weight")
    # The browser itself would not send it.
    assert weight.evaluate("field => { field.value = '11'; return field.checkValidity() }") is False
    page.locator("form.ask").evaluate("form => { form.noValidate = true }")
    page.get_by_label("label").fill("a big one")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("form.ask .field", has=weight)).to_contain_text("maximum of 10")
    expect(weight).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("label")).to_have_value("a big one")
    weight.fill("7")
    page.get_by_role("button", name="Answer").click()
    id_of(page)
    assert api.finish(execution_id)["output_data"] == {"weight": 7, "label": "a big one"}
