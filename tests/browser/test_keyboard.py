"""Everything without a mouse."""

import secrets
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Api, Visits


@pytest.fixture
def table(visits: Visits, shown: ServiceProcess, api: Api) -> Page:
    """A table with three rows."""
    case = secrets.token_hex(4)
    for _ in range(3):
        api.ended("breaker", metadata={"case": case})
    page = visits.open(shown, target=f"/?metadata.case={case}")
    page.keyboard.press("Tab")
    return page


@pytest.fixture
def focused(table: Page) -> Callable[[], str]:
    """Which row has the focus."""
    return lambda: str(table.evaluate("document.activeElement.closest('tr')?.dataset.key ?? ''"))


def test_the_first_thing_leads_past_the_head_of_the_page(table: Page) -> None:
    skip = table.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    table.keyboard.press("Enter")
    expect(table.locator("#main")).to_be_focused()


def test_rows_are_gone_through_ticked_and_opened(table: Page, focused: Callable[[], str]) -> None:
    ids = table.locator("#rows tbody tr").evaluate_all("rows => rows.map(one => one.dataset.key)")
    table.keyboard.press("j")
    assert focused() == ids[0]
    table.keyboard.press("j")
    table.keyboard.press("x")
    assert focused() == ids[1]
    expect(table.locator(f"#tick-{ids[1]}")).to_be_checked()
    expect(table.locator("#selected")).to_have_text("1 selected")
    table.keyboard.press("k")
    assert focused() == ids[0]
    for _ in range(5):
        table.keyboard.press("j")
    assert focused() == ids[2]
    table.keyboard.press("Enter")
    table.wait_for_url(f"**/ui/executions/{ids[2]}")


def test_a_slash_leads_to_the_search_and_no_key_acts_while_one_types(table: Page) -> None:
    table.keyboard.press("/")
    search = table.get_by_role("searchbox")
    expect(search).to_be_focused()
    table.keyboard.type("jkx?/")
    expect(search).to_have_value("jkx?/")
    expect(table.locator("#help")).to_be_hidden()
    table.keyboard.press("Escape")
    expect(search).not_to_be_focused()


def test_the_help_keeps_the_focus_and_gives_it_back(table: Page) -> None:
    button = table.locator("#help-button")
    button.focus()
    table.keyboard.press("?")
    help_ = table.get_by_role("dialog", name="Keys")
    expect(help_).to_be_visible()
    for _ in range(6):
        table.keyboard.press("Tab")
        # The browser's own bar, which is outside of the page, is in the round too.
        assert table.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    table.keyboard.press("j")
    expect(table.locator("tr:focus")).to_have_count(0)
    table.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    expect(button).to_be_focused()


def test_to_delete_is_asked_for_and_the_focus_comes_back(table: Page) -> None:
    table.keyboard.press("j")
    table.keyboard.press("x")
    delete = table.locator("#delete")
    delete.focus()
    table.keyboard.press("Enter")
    dialog = table.get_by_role("dialog", name="Delete 1?")
    expect(dialog.get_by_role("button", name="Keep them")).to_be_focused()
    table.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(delete).to_be_focused()
    expect(table.locator("#rows tbody tr")).to_have_count(3)


def test_an_approval_is_given_without_a_mouse(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    execution_id = api.create("approver", {"amount": 3})
    api.until(execution_id, "wait.started")
    page = visits.open(shown, target=f"/ui/executions/{execution_id}")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Approve":
            break
    page.keyboard.press("Enter")
    expect(page.locator(".title .status")).to_have_text("completed")
