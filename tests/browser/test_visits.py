"""That what goes wrong in a window is noticed: else no other test here would mean much."""

import pytest
from playwright.sync_api import expect

from moderately.testing import ServiceProcess
from tests.support.browsing import Visits

MARKUP = "<img src=x onerror=\"window.__xss='img'\">"
MISDEEDS = {
    "a word on the console": ("console.error('oh no')", "oh no"),
    "an error": ("setTimeout(() => { throw new Error('broken') })", "broken"),
    "a dialog": ("setTimeout(() => alert('hello'))", "a dialog: hello"),
    "a request that is forbidden": (
        "await fetch('http://elsewhere.example/').catch(() => {})",
        "violates the following Content Security Policy",
    ),
    "a script that is forbidden": (
        f"document.body.insertAdjacentHTML('beforeend', `{MARKUP}`)",
        "violates the following Content Security Policy",
    ),
    "a page that is not there": ("await fetch('/ui/nowhere')", "status of 404"),
}


@pytest.mark.parametrize("what", MISDEEDS)
def test_what_a_page_does_wrong_is_noticed(
    visits: Visits, shown: ServiceProcess, what: str
) -> None:
    script, sign = MISDEEDS[what]
    page = visits.open(shown)
    assert not visits.wrong()
    # What was set to happen next has happened before the timer of this one.
    page.evaluate(f"async () => {{ {script}; await new Promise((done) => setTimeout(done)); }}")
    page.goto("/ui/agents")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert any(sign in one for one in visits.wrong())
    visits.allow("")


def test_a_text_that_runs_and_a_request_to_elsewhere_are_noticed(
    visits: Visits, shown: ServiceProcess
) -> None:
    page = visits.open(shown, bypass_csp=True)
    page.evaluate(f"document.body.insertAdjacentHTML('beforeend', `{MARKUP}`)")
    page.wait_for_function("window.__xss")
    page.evaluate("fetch('http://elsewhere.example/').catch(() => {})")
    wrong = "\n".join(visits.wrong())
    assert "a text ran as a script: img" in wrong
    assert "a request to elsewhere: http://elsewhere.example/" in wrong
    visits.allow("")
