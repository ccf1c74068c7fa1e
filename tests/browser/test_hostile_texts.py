"""Attacks through every text that an agent or a caller controls: none runs.

The browser's own defence, the policy that each page comes with, is off, so that nothing but the
pages' own care stands in the way.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page, expect

from moderately.testing import ServiceProcess
from tests.support import hostile
from tests.support.browsing import ARGS, Api, Visits, expect_status, id_of
from tests.support.hostile import ALL, ATTACKS

MODES: Final = ("auto", "markdown", "plain")
LABELS: Final = {attack[:60]: attack[:200] for attack in ATTACKS[:12]}
SUSPECTS: Final = """() => {
    const made = [...document.querySelectorAll(
        "img, iframe, object, embed, base, style, math, [http-equiv], script:not([src])"
    )];
    const handled = [...document.querySelectorAll("*")].filter(
        (one) => [...one.attributes].some(({ name }) => name.startsWith("on") || name === "srcdoc")
    );
    const linked = [...document.querySelectorAll("a, form, button, link, script")].filter((one) =>
        [one.href, one.action, one.formAction, one.src].some(
            (url) => typeof url === "string" && url && !/^(https?|mailto):/.test(url)
        )
    );
    const elsewhere = [...document.querySelectorAll("link, script, form")].filter((one) =>
        [one.href, one.src, one.getAttribute("action")].some(
            (url) => url && new URL(url, location.origin).origin !== location.origin
        )
    );
    return [...made, ...handled, ...linked, ...elsewhere].map((one) => one.outerHTML.slice(0, 200));
}"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with agents that are not to be trusted."""
    data = tmp_path_factory.mktemp("hostile")
    agents = [Path(hostile.__file__)]
    # Two versions, to look at what is other.
    with ServiceProcess(agents, data=data, args=ARGS):
        pass
    env = {"HOSTILE_VERSION": "2"}
    with ServiceProcess(agents, data=data, args=ARGS, env=env) as process:
        yield process
        assert "Traceback" not in process.output()


@pytest.fixture
def victim(visits: Visits, told: ServiceProcess) -> Page:
    """The window of somebody who looks."""
    return visits.open(told, bypass_csp=True)


@pytest.fixture
def attacker(told: ServiceProcess) -> Iterator[Api]:
    """Somebody who may create executions."""
    api = Api(told)
    with closing(api.http):
        yield api


def look(page: Page, path: str) -> None:
    """Open a page, and everything on it, and see that it is no more than text."""
    page.goto(path)
    harmless(page)


def harmless(page: Page) -> None:
    page.locator("details").evaluate_all("folds => folds.forEach(fold => { fold.open = true })")
    assert page.evaluate(SUSPECTS) == []
    assert page.evaluate("window.__xss") is None
    assert str(7777 * 7777) not in page.content()


def attack(api: Api, **more: Any) -> str:
    body = {"text": ALL, ATTACKS[4]: ATTACKS[2], "anything": hostile.tree(ALL), **more}
    return api.create("hostile", body, metadata=LABELS)


def test_what_waits_and_what_was_cancelled(victim: Page, attacker: Api) -> None:
    execution_id = attack(attacker)
    attacker.until(execution_id, "wait.started")
    url = f"/ui/executions/{execution_id}"
    for mode in MODES:
        look(victim, f"{url}?text={mode}")
        expect(victim.locator("form.ask")).to_contain_text("<img src=x onerror")
        expect(victim.locator("#steps")).to_contain_text("<script>window.__xss='script'</script>")
    for query in ("raw=0", "type=custom", "type=log", "steps=2"):
        look(victim, f"{url}?{query}")
    for query in ("from=1", "from=2&raw=1"):
        look(victim, f"{url}/fork?{query}")
    attacker.http.post(
        f"/agent-executions/{execution_id}/cancel", json={"reason": ALL[:900]}
    ).raise_for_status()
    look(victim, url)
    expect(victim.locator("#why")).to_contain_text("<script>window.__xss")


def test_what_failed(victim: Page, attacker: Api) -> None:
    execution_id = attack(attacker, fails=True)
    attacker.finish(execution_id)
    for mode in MODES:
        look(victim, f"/ui/executions/{execution_id}?text={mode}")
        expect(victim.locator("#error")).to_contain_text("<meta http-equiv=refresh")


def test_what_is_answered_and_completed(victim: Page, attacker: Api, visits: Visits) -> None:
    visits.allow("status of 400")
    execution_id = attack(attacker)
    attacker.until(execution_id, "wait.started")
    victim.goto(f"/ui/executions/{execution_id}")
    victim.get_by_label("Reason", exact=False).last.fill(ATTACKS[2])
    victim.get_by_role("button", name="Approve").click()
    attacker.until(execution_id, "wait.started", times=2)
    victim.goto(f"/ui/executions/{execution_id}")
    victim.locator("[name='f/anything']").fill("<img src=x onerror=__xss=1>")
    victim.locator("form.ask").evaluate("form => { form.noValidate = true }")
    victim.get_by_role("button", name="Answer").click()
    harmless(victim)
    victim.goto(f"/ui/executions/{execution_id}")
    victim.get_by_role("button", name="Answer").click()
    id_of(victim)
    attacker.finish(execution_id)
    for mode in MODES:
        look(victim, f"/ui/executions/{execution_id}?text={mode}")
    expect_status(victim, "completed")


def test_what_arrives_while_one_looks(victim: Page, attacker: Api, tmp_path: Path) -> None:
    execution_id = attack(attacker, folder=str(tmp_path))
    victim.goto("/")
    other = victim.context.new_page()
    with other.expect_response("**/events?after=*"):
        other.goto(f"/ui/executions/{execution_id}")
    other.locator("#log-details > summary").click()
    # What is shown but for a moment runs, if it does, when it is put there.
    (tmp_path / "go").touch()
    attacker.until(execution_id, "wait.started")
    expect(other.locator("form.ask")).to_be_visible()
    expect(victim.locator(f"tr[data-key={execution_id}] .status")).to_have_text("paused")
    harmless(other)
    harmless(victim)


def test_tables_and_agents_and_what_is_said_back(
    victim: Page, attacker: Api, visits: Visits
) -> None:
    visits.allow("status of 40")
    execution_id = attack(attacker)
    for _ in range(2):
        attacker.create("keyed", concurrency_key=ATTACKS[1], metadata=LABELS)
    label = next(iter(LABELS.items()))
    paths = [
        "/",
        "/?" + urlencode({f"metadata.{label[0]}": label[1]}),
        "/?" + urlencode({"q": ALL, "agent_id": ATTACKS[2]}),
        "/?" + urlencode({ATTACKS[2]: ATTACKS[1]}),
        "/?" + urlencode({"created_after": ATTACKS[2]}),
        "/ui/agents",
        "/ui/agents/hostile",
        "/ui/agents/hostile?old=1&new=2",
        f"/ui/agents/hostile?like={execution_id}&raw=1",
        "/ui/agents/" + quote(ATTACKS[1], safe=""),
        "/ui/executions/" + quote(ATTACKS[2], safe=""),
        f"/ui/executions/{execution_id}/fork?from=" + quote(ATTACKS[2]),
        f"/ui/executions/{execution_id}?type=" + quote(ATTACKS[2]),
        "/ui/system",
        "/ui/sign-in?next=" + quote(ATTACKS[2]),
        "/ui/sign-in?next=javascript:window.__xss=1",
    ]
    for path in paths:
        look(victim, path)
    for path in ("raw", "raw?events=1"):
        reply = victim.goto(f"/ui/executions/{execution_id}/{path}")
        assert reply is not None
        assert reply.headers["content-type"].startswith("application/json")
