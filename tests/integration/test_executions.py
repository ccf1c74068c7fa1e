"""Executions over real HTTP: create, run, wait, list, cancel, delete, follow."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pytest

EXECUTIONS = "/agent-executions"


def create(http: httpx2.Client, agent_id: str, **fields: Any) -> dict[str, Any]:
    reply = http.post(EXECUTIONS, json={"agent_id": agent_id, **fields})
    assert reply.status_code == 201, reply.text
    assert reply.headers["location"] == f"{EXECUTIONS}/{reply.json()['id']}"
    return reply.json()


def finish(http: httpx2.Client, execution: dict[str, Any]) -> dict[str, Any]:
    reply = http.get(f"{EXECUTIONS}/{execution['id']}", headers={"Prefer": "wait=20"})
    assert reply.headers["preference-applied"] == "wait=20"
    assert reply.json()["is_terminal"], reply.text
    return reply.json()


def events(http: httpx2.Client, execution: dict[str, Any], after: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        query = {"after": after, "wait": 20, "limit": 2}
        page = http.get(f"{EXECUTIONS}/{execution['id']}/events", params=query).json()
        found += page["items"]
        after = page["next_after"]
        if page["is_terminal"]:
            return found


def await_event(http: httpx2.Client, execution: dict[str, Any], kind: str) -> None:
    after = 0
    while True:
        query = {"after": after, "wait": 20}
        page = http.get(f"{EXECUTIONS}/{execution['id']}/events", params=query).json()
        if any(event["type"] == kind for event in page["items"]):
            return
        assert not page["is_terminal"]
        after = page["next_after"]


def test_an_execution_runs_to_its_result(http: httpx2.Client) -> None:
    created = create(http, "echo", input_data={"q": "ü"}, metadata={"team": "a"}, priority=3)
    assert (created["status"], created["is_terminal"], created["attempt"]) == ("pending", False, 0)
    done = finish(http, created)
    assert done["status"] == "completed"
    assert done["output_data"] == {"q": "ü"}
    assert done["metadata"] == {"team": "a"}
    assert done["priority"] == 3
    assert done["created_at"] <= done["started_at"] <= done["completed_at"] == done["updated_at"]


def test_typed_input_and_output(http: httpx2.Client) -> None:
    done = finish(http, create(http, "typed", input_data={"point": {"x": 1}, "times": 2}))
    assert done["output_data"] == [{"x": 1, "label": "p"}] * 2


def test_input_that_does_not_fit_is_refused_with_its_path(http: httpx2.Client) -> None:
    body = {"agent_id": "typed", "input_data": {"point": {"x": "one"}, "time": 3}}
    reply = http.post(EXECUTIONS, json=body)
    assert reply.status_code == 400
    fields = {detail["field"] for detail in reply.json()["details"]}
    assert fields == {"input_data", "input_data.point.x"}
    missing = http.post(EXECUTIONS, json={"agent_id": "typed"}).json()
    assert missing["details"] == [{"field": "input_data.point", "message": "is required"}]


@pytest.mark.parametrize(
    ("agent_id", "code", "kind"),
    [
        ("failing", "agent_error", "LookupError"),
        ("bad-output", "invalid_output", None),
        ("not-json", "invalid_output", None),
        ("hasty", "timeout", None),
    ],
)
def test_what_fails_says_why(
    http: httpx2.Client, agent_id: str, code: str, kind: str | None
) -> None:
    done = finish(http, create(http, agent_id))
    assert done["status"] == "failed"
    assert done["error"]["code"] == code
    assert done["error"].get("type") == kind
    assert done["failed_at"]


def test_an_execution_has_a_timeout_of_its_own(http: httpx2.Client) -> None:
    done = finish(http, create(http, "sleeper", timeout_seconds=0.1))
    assert done["error"]["code"] == "timeout"


def test_steps_are_recorded_and_counted(http: httpx2.Client) -> None:
    done = finish(http, create(http, "stepper"))
    assert (done["output_data"], done["usage"]["steps"]) == (6, 3)
    steps = http.get(f"{EXECUTIONS}/{done['id']}/steps").json()["items"]
    assert [(s["id"], s["name"], s["result"]) for s in steps] == [
        ("0/1", "step 1", 1),
        ("0/2", "step 2", 2),
        ("0/3", "step 3", 3),
    ]


def test_steps_in_tasks_are_numbered_in_spawn_order(http: httpx2.Client) -> None:
    done = finish(http, create(http, "fork"))
    steps = http.get(f"{EXECUTIONS}/{done['id']}/steps").json()["items"]
    assert {s["id"]: s["name"] for s in steps} == {"0.1/1": "in a", "0.2/1": "in b"}


def test_a_step_that_failed_is_on_record_with_its_traceback(http: httpx2.Client) -> None:
    done = finish(http, create(http, "failing-step"))
    assert done["output_data"] == "no such luck"
    [step] = http.get(f"{EXECUTIONS}/{done['id']}/steps").json()["items"]
    assert (step["status"], step["error"]["type"]) == ("failed", "OSError")
    assert "Traceback" in step["error"]["traceback"]


def test_too_many_steps_end_the_execution(http: httpx2.Client) -> None:
    done = finish(http, create(http, "stepper", max_steps=2))
    assert done["error"]["code"] == "step_limit"
    assert done["usage"]["steps"] == 2


def test_events_have_no_gaps_and_resume_anywhere(http: httpx2.Client) -> None:
    execution = create(http, "stepper")
    found = events(http, execution)
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
    kinds = [event["type"] for event in found]
    assert kinds[:2] == ["execution.created", "execution.started"]
    assert kinds[-1] == "execution.completed"
    assert kinds.count("step.completed") == kinds.count("progress") == 3
    assert kinds.count("log") == 1
    for after in range(len(found)):
        assert events(http, execution, after) == found[after:]


def test_a_wait_ends_when_its_time_is_up(http: httpx2.Client) -> None:
    execution = create(http, "sleeper")
    started = time.monotonic()
    reply = http.get(f"{EXECUTIONS}/{execution['id']}?wait=0.3")
    assert time.monotonic() - started >= 0.3
    assert reply.headers["preference-applied"] == "wait=0.3"
    assert not reply.json()["is_terminal"]
    http.post(f"{EXECUTIONS}/{execution['id']}/cancel")


def test_a_wait_returns_when_the_execution_is_cancelled(http: httpx2.Client) -> None:
    execution = create(http, "sleeper")
    await_event(http, execution, "log")
    waited: list[dict[str, Any]] = []
    waiter = threading.Thread(target=lambda: waited.append(finish(http, execution)))
    waiter.start()
    cancelled = http.post(f"{EXECUTIONS}/{execution['id']}/cancel", json={"reason": "enough"})
    waiter.join(10)
    assert cancelled.json()["status"] == "cancelled"
    assert cancelled.json()["status_reason"] == "enough"
    assert waited == [cancelled.json()]


@pytest.mark.parametrize("agent_id", ["sleeper", "plain", "stubborn"])
def test_nothing_is_recorded_after_a_cancel(http: httpx2.Client, agent_id: str) -> None:
    inputs = {"seconds": 30} if agent_id == "plain" else None
    execution = create(http, agent_id, input_data=inputs)
    await_event(http, execution, "log")
    reply = http.patch(f"{EXECUTIONS}/{execution['id']}/cancel")
    assert reply.status_code == 200
    seen = events(http, execution)
    assert seen[-1]["type"] == "execution.cancelled"
    # Another run of the same agent ends later than the rest of the cancelled one.
    follower = finish(http, create(http, "noop"))
    assert follower["status"] == "completed"
    assert events(http, execution) == seen
    assert finish(http, execution) == reply.json()


def test_a_cancel_of_a_finished_execution_is_refused_with_it(http: httpx2.Client) -> None:
    done = finish(http, create(http, "noop"))
    reply = http.post(f"{EXECUTIONS}/{done['id']}/cancel")
    assert reply.status_code == 409
    assert reply.json()["code"] == "execution_terminal"
    assert reply.json()["execution"] == done


def test_a_finished_execution_can_be_deleted_with_all_of_it(http: httpx2.Client) -> None:
    done = finish(http, create(http, "stepper", metadata={"a": "b"}))
    path = f"{EXECUTIONS}/{done['id']}"
    assert http.delete(path).status_code == 204
    for gone in (path, f"{path}/events", f"{path}/steps"):
        assert http.get(gone).status_code == 404
    assert http.delete(path).status_code == 404


def test_a_running_execution_cannot_be_deleted(http: httpx2.Client) -> None:
    execution = create(http, "sleeper")
    reply = http.delete(f"{EXECUTIONS}/{execution['id']}")
    assert (reply.status_code, reply.json()["code"]) == (409, "execution_not_terminal")
    http.post(f"{EXECUTIONS}/{execution['id']}/cancel")


def test_a_repeated_create_is_the_same_execution_as_it_was_created(http: httpx2.Client) -> None:
    key = uuid4().hex
    body = {"agent_id": "echo", "input_data": {"n": 1}}
    first = http.post(EXECUTIONS, json=body, headers={"Idempotency-Key": key})
    finish(http, first.json())
    again = http.post(EXECUTIONS, json={**body, "idempotency_key": key})
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    other = http.post(EXECUTIONS, json={"agent_id": "echo"}, headers={"Idempotency-Key": key})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_creates_with_one_key_at_once_make_one_execution(http: httpx2.Client) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    body = {"agent_id": "noop"}
    with ThreadPoolExecutor(20) as pool:
        replies = list(
            pool.map(lambda _: http.post(EXECUTIONS, json=body, headers=headers), range(20))
        )
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert sum("idempotent-replayed" not in reply.headers for reply in replies) == 1


def test_an_agent_with_a_limit_runs_one_at_a_time(http: httpx2.Client) -> None:
    first = create(http, "one-at-a-time", input_data={"seconds": 60})
    await_event(http, first, "log")
    second = create(http, "one-at-a-time")
    waiting = http.get(f"{EXECUTIONS}/{second['id']}").json()
    assert waiting["status"] == "pending"
    assert waiting["blocked_on"]["kind"] == "agent_concurrency"
    http.post(f"{EXECUTIONS}/{first['id']}/cancel")
    assert finish(http, second)["status"] == "completed"


def test_a_blocking_agent_delays_no_reply(http: httpx2.Client) -> None:
    execution = create(http, "blocking", input_data={"seconds": 3})
    await_event(http, execution, "execution.started")
    for _ in range(20):
        assert http.get("/health").status_code == 200
    assert http.get(f"{EXECUTIONS}/{execution['id']}").json()["status"] == "running"
    assert finish(http, execution)["output_data"] == "blocked"
