"""Pages that stay open for long: what they keep, let go of, and tell."""

from pathlib import Path

from playwright.sync_api import Page, expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Api, Visits, expect_status

COPIES = """() => {
  window.copies = 0;
  navigator.clipboard.writeText = async () => { window.copies += 1; };
}"""
SEEN = """(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def walk(api: Api, folder: Path, *names: str) -> str:
    """An execution that takes a step for each file that is made."""
    return api.create("walker", {"names": list(names), "folder": str(folder)})


def take_step(page: Page, folder: Path, name: str) -> None:
    """Make a file, and see its step."""
    (folder / name).touch()
    step = page.locator("#steps tbody tr").filter(has_text=name)
    expect(step).to_contain_text("completed")


def test_half_an_answer_is_kept_while_another_question_is_answered(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    execution_id = api.create("pair")
    page = visits.open(shown, target=f"/ui/executions/{execution_id}")
    expect(page.locator("form.ask")).to_have_count(2)
    reason = page.locator("form.ask").filter(has_text="second").get_by_label("Reason")
    reason.fill("half ty")
    columns = page.locator("#columns").element_handle()
    answer = {"wait": "first", "approved": True}
    api.http.post(f"/agent-executions/{execution_id}/resume", json=answer).raise_for_status()
    expect(page.locator("form.ask")).to_have_count(1)
    expect(reason).to_have_value("half ty")
    expect(reason).to_be_focused()
    answer["wait"] = "second"
    api.http.post(f"/agent-executions/{execution_id}/resume", json=answer).raise_for_status()
    expect_status(page, "completed")
    assert columns.evaluate("columns => columns.isConnected")


def test_a_command_is_copied_once_however_often_the_page_was_looked_at(
    visits: Visits, shown: ServiceProcess, api: Api, tmp_path: Path
) -> None:
    names = ["one", "two", "three"]
    page = visits.open(shown, target=f"/ui/executions/{walk(api, tmp_path, *names)}")
    page.evaluate(COPIES)
    for name in names:
        take_step(page, tmp_path, name)
    expect_status(page, "completed")
    page.locator("#copy-menu > summary").click()
    button = page.locator("#copy-menu .copy").first
    button.click()
    expect(button).to_contain_text("Copied")
    expect(button).not_to_contain_text("Copied")
    assert page.evaluate("window.copies") == 1


def test_tokens_stay_to_be_seen_while_other_things_happen(
    visits: Visits, shown: ServiceProcess, api: Api, tmp_path: Path
) -> None:
    execution_id = api.create("thinker", {"folder": str(tmp_path)})
    page = visits.open(shown, target=f"/ui/executions/{execution_id}")
    with page.expect_response(lambda reply: "/events?" in reply.url):
        page.reload()
    (tmp_path / "think").touch()
    expect(page.locator(".live-message")).to_have_text("Hm")
    (tmp_path / "note").touch()
    expect(page.locator("#log .count")).to_have_text("3")
    expect(page.locator(".live-message")).to_be_visible()
    (tmp_path / "end").touch()
    expect_status(page, "completed")


def test_a_tab_that_nobody_sees_lets_its_stream_go_and_catches_up(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    page = visits.open(shown)
    page.evaluate(SEEN, True)
    page.wait_for_event("requestfailed", lambda one: "/ui/events" in one.url, timeout=20_000)
    execution_id = api.ended("walker", {"names": []})
    row = page.locator(f"tr[data-key={execution_id}]")
    expect(row).to_have_count(0)
    page.evaluate(SEEN, False)
    expect(row).to_contain_text("completed")


def test_who_is_signed_out_is_told_so(
    visits: Visits, shown: ServiceProcess, api: Api, tmp_path: Path
) -> None:
    visits.allow("401")
    execution_id = walk(api, tmp_path, "one", "two")
    page = visits.open(shown, target=f"/ui/executions/{execution_id}")
    take_step(page, tmp_path, "one")
    page.context.clear_cookies()
    (tmp_path / "two").touch()
    expect(page.locator("#link-state")).to_have_text("signed out: reload the page")
    expect_status(page, "running")


def test_a_look_that_failed_once_is_made_up_for(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    visits.allow("503")
    page = visits.open(shown)
    expect(page.locator("#link-state")).to_have_text("")
    page.route("**/", lambda route: route.fulfill(status=503), times=1)
    execution_id = api.ended("walker", {"names": []})
    expect(page.locator("#link-state")).to_have_text("reconnecting…")
    expect(page.locator(f"tr[data-key={execution_id}]")).to_contain_text("completed")
    expect(page.locator("#link-state")).to_have_text("")
