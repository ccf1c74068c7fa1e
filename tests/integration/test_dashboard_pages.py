"""The pages of executions and agents, over real HTTP and without scripts."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.filled_forms import Browser, Page

from moderately.testing import ServiceProcess

AGENTS = Path(__file__).parent.parent / "support/dashboard.py"
ARGS = ["--park-after", "0.2", "--grace", "0"]
EXECUTIONS = "/agent-executions"
TRICK = "</textarea></script><img src=x onerror=\"alert(1)\"><a href='javascript:alert(1)'>"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    data = tmp_path_factory.mktemp("dashboard")
    with ServiceProcess([AGENTS], data=data, args=ARGS) as process:
        yield process
        assert "Traceback" not in process.output()


@pytest.fixture
def api(shown: ServiceProcess) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {shown.api_key}"}
    with httpx2.Client(base_url=shown.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def browser(shown: ServiceProcess) -> Iterator[Browser]:
    with closing(Browser(shown.base_url, shown.api_key)) as found:
        yield found


def create(api: httpx2.Client, agent_id: str, **fields: Any) -> str:
    reply = api.post(EXECUTIONS, json={"agent_id": agent_id, **fields})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


def finish(api: httpx2.Client, execution_id: str) -> dict[str, Any]:
    found = api.get(f"{EXECUTIONS}/{execution_id}?wait=20").json()
    assert found["is_terminal"], found
    return dict(found)


def await_event(api: httpx2.Client, execution_id: str, kind: str) -> None:
    after = 0
    while True:
        query = {"after": after, "wait": 20}
        page = api.get(f"{EXECUTIONS}/{execution_id}/events", params=query).json()
        if any(event["type"] == kind for event in page["items"]):
            return
        assert not page["is_terminal"]
        after = page["next_after"]


def pause(api: httpx2.Client, execution_id: str) -> None:
    await_event(api, execution_id, "execution.paused")


def page_of(execution_id: str) -> str:
    return f"/ui/executions/{execution_id}"


def id_of(page: Page) -> str:
    assert page.status == 200, page.text
    assert page.path.startswith("/ui/executions/exec_")
    return page.path.rpartition("/")[2]


def test_an_execution_is_shown_with_all_that_it_did(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "worker", input_data={"names": ["a", "b"]}, metadata={"team": "x"})
    finish(api, execution_id)
    page = browser.open(page_of(execution_id))
    assert page.status == 200
    for text in ("completed", "together", "in a", "in b", "Attempts", "team"):
        assert text in page.text
    assert "<h3>Done</h3>" in page.html
    raw = browser.get(f"{page_of(execution_id)}/raw").json()
    assert raw == api.get(f"{EXECUTIONS}/{execution_id}").json()
    step = browser.get(f"{page_of(execution_id)}/raw?step=0.1/1").json()
    assert (step["name"], step["result"]) == ("in a", "A")


def test_of_large_events_a_page_holds_the_newest_and_tells_the_cost_of_all(
    api: httpx2.Client, browser: Browser
) -> None:
    count, length = 250, 50_000
    execution_id = create(api, "talker", input_data={"count": count, "length": length})
    last = finish(api, execution_id)["usage"]
    assert last["input_tokens"] == count
    newest = browser.get(f"{page_of(execution_id)}/raw?events=1").json()
    numbers = [event["seq"] for event in newest]
    assert numbers == list(range(numbers[0], count + 4))
    assert 8_000_000 < sum(len(str(event)) for event in newest) < 11_000_000
    page = browser.open(page_of(execution_id))
    assert page.status == 200
    assert f"{count} in, 0 out" in page.text
    assert "attempts before these events" in page.text
    assert len(page.html) < 1_500_000


def test_an_unknown_execution_step_or_agent_is_a_page_that_says_so(browser: Browser) -> None:
    for path in ("/ui/executions/exec_no", "/ui/executions/exec_no/raw", "/ui/agents/no"):
        page = browser.open(path)
        assert page.status == 404
        assert "There is no" in page.text


def test_a_failed_one_shows_its_traceback_and_can_be_retried(
    api: httpx2.Client, browser: Browser
) -> None:
    execution_id = create(api, "breaker")
    finish(api, execution_id)
    page = browser.open(page_of(execution_id))
    assert "OSError: no luck" in page.text
    assert "Traceback (most recent call last)" in page.text
    form = page.form("/fork")
    again = id_of(browser.send(form))
    assert again != execution_id
    assert id_of(browser.send(form)) == again
    steps = api.get(f"{EXECUTIONS}/{again}/steps").json()["items"]
    assert finish(api, again)["forked_from"] == execution_id
    assert steps[0]["name"] == "before"
    assert again[-8:] not in page.text
    assert execution_id[-8:] in browser.open(page_of(again)).text


def test_a_cancelled_one_can_be_retried(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "approver", input_data={"amount": 3})
    pause(api, execution_id)
    page = browser.send(browser.open(page_of(execution_id)).form("/cancel"), reason="enough")
    assert id_of(page) == execution_id
    assert "Enough." in page.text
    again = id_of(browser.send(page.form("/fork")))
    pause(api, again)
    browser.send(browser.open(page_of(again)).form("/cancel"))


def test_a_fork_from_a_step_takes_an_edited_input(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "worker", input_data={"names": ["a"]})
    finish(api, execution_id)
    page = browser.open(f"{page_of(execution_id)}/fork?from=1")
    form = page.form("/fork")
    assert form.fields["f/names"] == "a"
    forked = finish(api, id_of(browser.send(form, f__names="c\r\nd")))
    assert forked["input_data"] == {"names": ["c", "d"]}
    wrong = browser.send(browser.open(f"{page_of(execution_id)}/fork?from=1&raw=1").form("/fork"))
    assert wrong.path.startswith("/ui/executions/exec_")
    again = browser.open(f"{page_of(execution_id)}/fork?from=1&raw=1").form("/fork")
    refused = browser.send(again, json='{"names": 3}')
    assert refused.status == 400
    assert "names: 3 is not of type 'array'" in refused.text
    assert refused.form("/fork").fields["json"] == '{"names": 3}'


def test_a_position_that_is_none_is_refused(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "worker", input_data={"names": ["a"]})
    finish(api, execution_id)
    assert browser.open(f"{page_of(execution_id)}/fork?from=x").status == 400
    form = browser.open(f"{page_of(execution_id)}/fork?from=1").form("/fork")
    form.fields["from"] = "99"
    assert browser.send(form).status == 409


def test_an_approval_is_given_with_edited_arguments(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "approver", input_data={"amount": 3})
    pause(api, execution_id)
    page = browser.open(page_of(execution_id))
    assert "It waits for somebody to approve" in page.text
    form = page.form("/answer")
    assert form.fields["f/amount"] == "3"
    neither = browser.send(form)
    assert neither.status == 400
    assert "choose whether it may be done" in neither.text
    wrong = browser.send(form, approved="yes", f__amount="three")
    assert wrong.status == 400
    assert "must be an integer" in wrong.text
    assert id_of(browser.send(form, approved="yes", f__amount="2", reason="fine")) == execution_id
    done = finish(api, execution_id)
    assert done["output_data"] == {"approved": True, "amount": 2, "reason": "fine"}
    late = browser.send(form, approved="yes")
    assert late.status == 409
    assert "not asked any more" in late.text


def test_an_approval_is_denied(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "approver", input_data={"amount": 3})
    pause(api, execution_id)
    browser.send(browser.open(page_of(execution_id)).form("/answer"), approved="no", reason="no!")
    output = finish(api, execution_id)["output_data"]
    assert output == {"approved": False, "amount": 3, "reason": "no!"}


def test_an_input_is_answered_in_a_form_of_its_schema(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "asker")
    pause(api, execution_id)
    form = browser.open(page_of(execution_id)).form("/answer")
    assert {"f/size", "f/label"} <= form.fields.keys()
    wrong = browser.send(form, f__size="11", f__label="big")
    assert wrong.status == 400
    assert "11 is greater than the maximum of 10" in wrong.text
    assert wrong.form("/answer").fields["f/label"] == "big"
    browser.send(wrong.form("/answer"), f__size="7")
    assert finish(api, execution_id)["output_data"] == {"size": 7, "label": "big"}
    other = create(api, "asker")
    pause(api, other)
    raw = browser.open(f"{page_of(other)}?raw=0/1").form("/answer")
    browser.send(raw, json='{"size": 1, "label": "raw"}')
    assert finish(api, other)["output_data"] == {"size": 1, "label": "raw"}


def test_an_effect_in_doubt_is_settled(tmp_path: Path) -> None:
    with ServiceProcess([AGENTS], data=tmp_path, args=ARGS) as service:
        headers = {"Authorization": f"Bearer {service.api_key}"}
        with httpx2.Client(base_url=service.base_url, headers=headers, timeout=30) as client:
            execution_id = create(client, "payer")
            await_event(client, execution_id, "log")
        service.restart()
        with (
            closing(Browser(service.base_url, service.api_key)) as browser,
            httpx2.Client(base_url=service.base_url, headers=headers, timeout=30) as client,
        ):
            await_event(client, execution_id, "execution.paused")
            page = browser.open(page_of(execution_id))
            assert "What did pay do?" in page.text
            form = page.form("/answer")
            assert browser.send(form).status == 400
            wrong = browser.send(form, outcome="happened", json="{")
            assert wrong.status == 400
            assert "is not JSON" in wrong.text
            browser.send(form, outcome="happened", json='"paid"')
            assert finish(client, execution_id)["output_data"] == "paid"


def test_two_thousand_steps_are_no_burden(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "worker", input_data={"names": ["a"] * 2000})
    finish(api, execution_id)
    page = browser.open(page_of(execution_id))
    assert len(page.html) < 1_000_000
    assert page.tags.count("tr") < 250
    last = browser.open(f"{page_of(execution_id)}?steps=11")
    assert "together" in last.text


def test_one_that_has_ended_can_be_deleted(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "worker", input_data={"names": []})
    finish(api, execution_id)
    page = browser.send(browser.open(page_of(execution_id)).form("/delete"))
    assert (page.status, page.path) == (200, "/")
    assert browser.open(page_of(execution_id)).status == 404


def test_the_log_can_be_narrowed_to_a_type(api: httpx2.Client, browser: Browser) -> None:
    execution_id = create(api, "worker", input_data={"names": ["a"]})
    finish(api, execution_id)
    page = browser.open(f"{page_of(execution_id)}?type=log")
    assert "info: begun" in page.text
    assert "execution.completed {" not in page.text


def test_agents_are_listed_with_how_they_did(api: httpx2.Client, browser: Browser) -> None:
    finish(api, create(api, "worker", input_data={"names": ["a"]}))
    page = browser.open("/ui/agents")
    for text in ("worker", "Work on names.", "available", "success", "p95"):
        assert text in page.text


def test_an_agent_is_run_from_its_form_once(api: httpx2.Client, browser: Browser) -> None:
    page = browser.open("/ui/agents/worker")
    form = page.form("/ui/agents/worker")
    first = id_of(browser.send(form, f__names="x\r\ny"))
    assert id_of(browser.send(form, f__names="x\r\ny")) == first
    assert id_of(browser.send(form, f__names="z")) != first
    assert finish(api, first)["input_data"] == {"names": ["x", "y"]}
    like = browser.open(f"/ui/agents/worker?like={first}").form("/ui/agents/worker")
    assert like.fields["f/names"] == "x\ny"


def test_two_versions_are_compared(tmp_path: Path) -> None:
    for version in ("1", "2"):
        env = {"WRITER_VERSION": version}
        with (
            ServiceProcess([AGENTS], data=tmp_path, args=ARGS, env=env) as service,
            closing(Browser(service.base_url, service.api_key)) as browser,
        ):
            page = browser.open("/ui/agents/writer")
            assert ("Compare" in page.text) is (version == "2")
            if version == "2":
                assert re.search(r'- +"type": "integer"', page.text)
                assert re.search(r'\+ +"type": "number"', page.text)
                back = browser.open("/ui/agents/writer?old=2&new=1")
                assert re.search(r'\+ +"type": "integer"', back.text)
                assert "say the same" in browser.open("/ui/agents/writer?old=2&new=2").text
                assert browser.open("/ui/agents/writer?old=9&new=8").status == 200


def test_an_input_that_does_not_fit_is_told_at_its_field(browser: Browser) -> None:
    form = browser.open("/ui/agents/approver").form("/ui/agents/approver")
    missing = browser.send(form)
    assert missing.status == 400
    assert "is required" in missing.text
    raw = browser.open("/ui/agents/approver?raw=1").form("/ui/agents/approver")
    assert browser.send(raw, json="[1").status == 400
    assert "must be an object" in browser.send(raw, json="[1]").text


@pytest.mark.parametrize("action", ["cancel", "delete", "answer", "fork"])
def test_no_form_is_taken_from_elsewhere(api: httpx2.Client, browser: Browser, action: str) -> None:
    execution_id = create(api, "worker", input_data={"names": ["a"]})
    finish(api, execution_id)
    form = browser.open(page_of(execution_id)).form("/delete")
    form.action = f"{page_of(execution_id)}/{action}"
    form.fields["csrf"] = "0" * 64
    assert browser.send(form).status == 403
    assert browser.open(page_of(execution_id)).status == 200


def test_no_text_of_a_caller_or_an_agent_becomes_markup(
    api: httpx2.Client, browser: Browser
) -> None:
    hostile = create(
        api, "hostile", input_data={"text": TRICK, TRICK: TRICK}, metadata={TRICK[:50]: TRICK}
    )
    pause(api, hostile)
    paths = [
        page_of(hostile),
        f"{page_of(hostile)}/fork?from=1",
        f"/ui/agents/hostile?like={hostile}",
    ]
    pages = [browser.open(path) for path in paths]
    pages.append(browser.open(f"{page_of(hostile)}?text=markdown&type={'log'}"))
    browser.send(pages[0].form("/cancel"), reason=TRICK)
    pages += [browser.open(page_of(hostile)), browser.open("/ui/agents")]
    failed = create(api, "breaker", input_data={"message": TRICK})
    finish(api, failed)
    pages += [browser.open(page_of(failed)), browser.open("/")]
    for page in pages:
        assert page.status == 200
        assert "img" not in page.tags
        assert not [one for one in page.attributes if one[1].startswith("on") or one[1] == "style"]
        assert not [one for one in page.attributes if one[2].lower().startswith("javascript:")]
        assert page.html.count("<script") == page.html.count("<script src=") + page.html.count(
            '<script type="module" src='
        )
        assert "alert(1)" in page.text or page.path in {"/", "/ui/agents"}
