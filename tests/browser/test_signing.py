"""Getting in and out, by the real page."""

import re

from playwright.sync_api import expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Api, Visits


def test_a_wrong_key_is_told_and_a_right_one_leads_to_the_page_that_was_asked_for(
    visits: Visits, shown: ServiceProcess
) -> None:
    visits.allow("status of 401")
    page = visits.open(shown, key="")
    page.goto("/?status=failed")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type("mod_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    expect(page.get_by_label("API key")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("API key").fill(shown.api_key)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{shown.base_url}/?status=failed")
    expect(page.get_by_role("heading", level=1)).to_have_text("Executions")


def test_no_link_leads_elsewhere_through_the_sign_in(visits: Visits, shown: ServiceProcess) -> None:
    for target in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
        page = visits.open(shown, key="")
        page.goto(f"/ui/sign-in?next={target}")
        page.get_by_label("API key").fill(shown.api_key)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{shown.base_url}/")


def test_who_signs_out_is_out_and_the_key_is_out_of_scripts_reach(
    visits: Visits, shown: ServiceProcess
) -> None:
    page = visits.open(shown)
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/ui/sign-in"))
    page.goto("/ui/system")
    expect(page.get_by_label("API key")).to_be_visible()


def test_who_comes_from_another_site_need_not_sign_in_again(
    visits: Visits, shown: ServiceProcess
) -> None:
    visits.allow("http://elsewhere.example/")
    page = visits.open(shown)
    link = f'<a href="{shown.base_url}/ui/system">their system</a>'
    page.route(
        "http://elsewhere.example/",
        lambda route: route.fulfill(body=link, content_type="text/html"),
    )
    page.goto("http://elsewhere.example/")
    # No cookie goes along with a link from there: the page asks again from here.
    page.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("System")


def test_a_form_on_another_site_does_nothing(
    visits: Visits, shown: ServiceProcess, api: Api
) -> None:
    visits.allow("http://elsewhere.example/", "status of 401", "status of 403")
    page = visits.open(shown)
    execution_id = api.create("approver", {"amount": 1})
    form = f"""<form method="post" action="{shown.base_url}/ui/executions/{execution_id}/cancel">
        <button>Win a prize</button></form>"""
    page.route(
        "http://elsewhere.example/",
        lambda route: route.fulfill(body=form, content_type="text/html"),
    )
    page.goto("http://elsewhere.example/")
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Unauthorized")
    assert not api.get(execution_id)["is_terminal"]


def test_an_execution_of_another_team_is_not_there(
    visits: Visits, shown: ServiceProcess, api: Api, stranger: str
) -> None:
    visits.allow("status of 404")
    execution_id = api.ended("breaker", {"luck": True})
    page = visits.open(shown, key=stranger)
    expect(page.get_by_role("heading", name="No execution yet")).to_be_visible()
    for path in ("", "/raw", "/fork?from=1"):
        reply = page.goto(f"/ui/executions/{execution_id}{path}")
        assert reply is not None
        assert reply.status == 404
        expect(page.get_by_text("There is no")).to_be_visible()
