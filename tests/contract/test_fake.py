"""What the fake service promises, the real one keeps: the same tests for both."""

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from moderately import (
    AuthenticationError,
    ConflictError,
    CursorResetError,
    ModeratelyAI,
    NotFoundError,
    UnprocessableEntityError,
    ValidationError,
)
from moderately.client import AgentExecutions
from moderately.protocol.sse import Parser, ServerSentEvent
from moderately.testing import FakeServer
from moderately.testing.states import completed, failed, running

SCRIPTS = {
    "echo": [running(), completed(lambda given: given)],
    "sleeper": [running()],
    "plain": [running(0.1), completed("plain")],
    "failing": [running(), failed("no luck", "agent_error")],
}


@pytest.fixture(params=["fake", "real"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Where a service answers, and a key for it."""
    if request.param == "real":
        service = request.getfixturevalue("service")
        yield service.base_url, service.api_key
        return
    with FakeServer(SCRIPTS) as server:
        yield server.base_url, server.api_key


@pytest.fixture
def client(place: tuple[str, str]) -> Iterator[ModeratelyAI]:
    with ModeratelyAI(base_url=place[0], api_key=place[1]) as found:
        yield found


@pytest.fixture
def executions(client: ModeratelyAI) -> AgentExecutions:
    return client.agent_executions


@pytest.fixture
def http(place: tuple[str, str]) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {place[1]}"}
    with httpx2.Client(base_url=place[0], headers=headers, timeout=30) as found:
        yield found


def kinds(value: Any) -> Any:
    """The shape of a value: the names of its fields."""
    return sorted(value) if isinstance(value, dict) else type(value).__name__


FIELDS = [
    "agent_id",
    "agent_version",
    "attempt",
    "blocked_on",
    "cancelled_at",
    "completed_at",
    "concurrency_key",
    "created_at",
    "current_step",
    "error",
    "failed_at",
    "forked_from",
    "id",
    "input_data",
    "is_terminal",
    "max_steps",
    "metadata",
    "output_data",
    "parent_id",
    "paused_at",
    "priority",
    "retries",
    "retry",
    "run_at",
    "started_at",
    "status",
    "status_reason",
    "timeout_seconds",
    "updated_at",
    "usage",
]


def test_an_execution_has_all_fields_and_goes_its_way(executions: AgentExecutions) -> None:
    made = executions.create(
        agent_id="echo", input_data={"q": 1}, metadata={"a": "b"}, priority=3, timeout_seconds=60
    )
    assert sorted(made) == FIELDS
    assert (made.status, made.is_terminal, made.attempt) == ("pending", False, 0)
    done = executions.wait_for_completion(made.id, timeout=20)
    assert sorted(done) == FIELDS
    assert (done.status, done.is_terminal, done.attempt) == ("completed", True, 1)
    assert (done.output_data, done.metadata, done.priority) == ({"q": 1}, {"a": "b"}, 3)
    times = [done.created_at, done.started_at, done.completed_at]
    assert times == sorted(times)
    assert all(time.endswith("Z") and len(time) == 27 for time in times)


def test_a_failure_tells_why(executions: AgentExecutions) -> None:
    done = executions.run(agent_id="failing", timeout=20)
    assert done.status == "failed"
    assert done.error is not None
    assert "no luck" in done.error["message"]
    assert done.failed_at is not None


def test_a_key_makes_a_repeated_create_the_same(executions: AgentExecutions) -> None:
    one, two = (
        executions.with_raw_response.create(
            agent_id="echo", input_data={"n": 1}, idempotency_key=f"contract-{id(executions)}"
        )
        for _ in range(2)
    )
    assert one.json() == two.json()
    assert "idempotent-replayed" not in one.headers
    assert two.headers["idempotent-replayed"] == "true"
    with pytest.raises(UnprocessableEntityError):
        executions.create(
            agent_id="echo", input_data={"n": 2}, idempotency_key=f"contract-{id(executions)}"
        )


def test_a_hold_is_told(http: httpx2.Client, executions: AgentExecutions) -> None:
    made = executions.create(agent_id="sleeper")
    path = f"/agent-executions/{made.id}"
    held = http.get(path, headers={"Prefer": "wait=0.05"})
    assert held.headers["preference-applied"] == "wait=0.05"
    assert "preference-applied" not in http.get(path).headers
    assert http.get(f"{path}?wait=0.05").headers["preference-applied"] == "wait=0.05"
    executions.cancel(made.id)


def test_a_cancel_is_final_and_a_second_one_a_conflict(executions: AgentExecutions) -> None:
    made = executions.create(agent_id="sleeper")
    done = executions.cancel(made.id, reason="enough")
    assert (done.status, done.status_reason) == ("cancelled", "enough")
    with pytest.raises(ConflictError) as caught:
        executions.cancel(made.id)
    assert caught.value.code == "execution_terminal"
    assert caught.value.execution == done
    executions.delete(made.id)
    with pytest.raises(NotFoundError) as gone:
        executions.retrieve(made.id)
    assert gone.value.code == "execution_not_found"


def test_what_has_not_ended_is_not_deleted(executions: AgentExecutions) -> None:
    made = executions.create(agent_id="sleeper")
    with pytest.raises(ConflictError) as caught:
        executions.delete(made.id)
    assert caught.value.code == "execution_not_terminal"
    with pytest.raises(ConflictError):
        executions.resume(made.id, value=1)
    executions.cancel(made.id)


def test_events_are_numbered_and_end(executions: AgentExecutions) -> None:
    done = executions.run(agent_id="echo", timeout=20)
    page = executions.events(done.id)
    assert [event.seq for event in page["items"]] == [1, 2, 3]
    assert [event.type for event in page["items"]] == [
        "execution.created",
        "execution.started",
        "execution.completed",
    ]
    assert sorted(page["items"][0]) == ["created_at", "data", "execution_id", "seq", "type"]
    assert (page["next_after"], page["is_terminal"]) == (3, True)
    part = executions.events(done.id, after=1, limit=1)
    assert (part["next_after"], part["is_terminal"]) == (2, False)
    assert executions.events(done.id, after=3)["items"] == []
    assert [event.seq for event in executions.stream(done.id)] == [1, 2, 3]
    assert executions.steps(done.id) == []


def test_lists_have_filters_and_pages_and_cursors(executions: AgentExecutions) -> None:
    label = {"contract": str(id(executions))}
    ids = [executions.create(agent_id="echo", metadata=label).id for _ in range(5)]
    executions.wait_many(ids, timeout=20)
    chosen: dict[str, Any] = {"metadata.contract": label["contract"]}
    page = executions.list(page_size=2, **chosen)
    assert [one.id for one in page.items] == ids[:2:-1]
    assert page.pagination == {
        "page": 1,
        "page_size": 2,
        "total_items": 5,
        "total_pages": 3,
        "has_next_page": True,
        "has_previous_page": False,
    }
    assert page.next_cursor
    assert [one.id for one in page] == ids[::-1]
    assert [one.id for one in executions.list(page_size=2, order_direction="asc", **chosen)] == ids
    assert executions.list(status="failed", **chosen).items == []
    assert executions.list(status=["failed", "completed"], **chosen).pagination.total_items == 5
    assert executions.list(agent_id="sleeper", **chosen).items == []
    last = executions.list(page=3, page_size=2, **chosen)
    assert (len(last), last.next_cursor, last.has_next_page) == (1, None, False)


def test_a_crowd_is_waited_for(executions: AgentExecutions) -> None:
    made = [executions.create(agent_id="plain", input_data={"seconds": 0.1}).id for _ in range(30)]
    done = executions.wait_many(made, timeout=60, poll_interval=0.2)
    assert [one.id for one in done] == made
    assert {one.output_data for one in done} == {"plain"}
    seen = {one.id for one in executions.as_completed(made, timeout=60)}
    assert seen == set(made)


def test_agents_are_there(client: ModeratelyAI) -> None:
    found = client.agents.retrieve("echo")
    assert (found.id, found.is_available) == ("echo", True)
    assert {"echo", "sleeper", "failing"} <= {one.id for one in client.agents.list(page_size=2)}
    assert kinds(found) == kinds(client.agents.list(page_size=1).items[0])


def test_what_is_refused_has_a_problem(client: ModeratelyAI, place: tuple[str, str]) -> None:
    executions = client.agent_executions
    for call, kind, code in (
        (lambda: executions.create(agent_id="nobody"), NotFoundError, "agent_not_found"),
        (lambda: executions.retrieve("exec_none"), NotFoundError, "execution_not_found"),
        (lambda: executions.cancel("exec_none"), NotFoundError, "execution_not_found"),
        (lambda: executions.events("exec_none"), NotFoundError, "execution_not_found"),
        (lambda: client.agents.retrieve("nobody"), NotFoundError, "agent_not_found"),
        (lambda: client.request("GET", "/nothing"), NotFoundError, "not_found"),
        (lambda: executions.create(agent_id=None), ValidationError, "invalid_request"),  # type: ignore[arg-type]
    ):
        with pytest.raises(kind) as caught:
            call()
        error: Any = caught.value
        assert error.code == code
        assert error.request_id
        assert {"type", "status", "code", "message", "details", "request_id"} <= error.body.keys()
    with contextlib.closing(ModeratelyAI(base_url=place[0], api_key="wrong")) as other:
        with pytest.raises(AuthenticationError) as refused:
            other.agent_executions.list()
        assert refused.value.code == "unauthenticated"


SSE = {"Accept": "text/event-stream"}
CURSOR = re.compile(r"[0-9]{1,18}\.[0-9]{1,9}\.[0-9a-z]{1,13}")


def frames(http: httpx2.Client, target: str, count: int, **headers: str) -> list[ServerSentEvent]:
    """The first frames of a stream; all of them, if there are fewer."""
    parser, found = Parser(), []
    with http.stream("GET", target, headers=SSE | headers) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-accel-buffering"] == "no"
        assert reply.headers["events-version"] == "1"
        for chunk in reply.iter_bytes():
            found += parser.feed(chunk)
            if len(found) >= count:
                break
    assert parser.retry == 1000
    return found[:count]


def test_a_stream_of_an_execution_ends_with_its_end(
    executions: AgentExecutions, http: httpx2.Client
) -> None:
    made = executions.create(agent_id="echo")
    target = f"/agent-executions/{made.id}/events"
    *events, end = frames(http, target, 99)
    assert [one.event for one in events] == ["message"] * 3
    assert [one.id for one in events] == ["1", "2", "3"]
    assert [json.loads(one.data)["seq"] for one in events] == [1, 2, 3]
    assert end.event == "end"
    told = {"execution_id": made.id, "status": "completed", "last_seq": 3}
    assert json.loads(end.data) == told
    (again,) = frames(http, f"{target}?after=3", 99)
    assert json.loads(again.data) == told
    rest = frames(http, f"{target}?after=0", 99, **{"Last-Event-ID": "2"})
    assert [one.event for one in rest] == ["message", "end"]


def test_a_stream_that_cannot_be_is_refused_before_it_begins(http: httpx2.Client) -> None:
    made = http.post("/agent-executions", json={"agent_id": "echo"}).json()["id"]
    for target, headers, status in (
        ("/agent-executions/exec_none/events", {}, 404),
        (f"/agent-executions/{made}/events?after=x", {}, 400),
        (f"/agent-executions/{made}/events", {"Last-Event-ID": "x"}, 400),
        ("/events?after=yesterday", {}, 400),
        ("/events", {"Last-Event-ID": "yesterday"}, 400),
    ):
        reply = http.get(target, headers=SSE | headers)
        assert reply.status_code == status, target
        assert reply.headers["content-type"].startswith("application/problem+json")


def test_a_stream_of_all_tells_its_place_first(
    executions: AgentExecutions, http: httpx2.Client
) -> None:
    (opened,) = frames(http, "/events", 1)
    assert opened.event == "open"
    assert json.loads(opened.data) == {"cursor": opened.id}
    assert CURSOR.fullmatch(opened.id)
    done = executions.run(agent_id="echo", metadata={"stream": "of-all"}, timeout=20)
    target = f"/events?after={opened.id}&metadata.stream=of-all"
    _, *events = frames(http, target, 4)
    found = [json.loads(one.data) for one in events]
    assert [(one["execution_id"], one["seq"]) for one in found] == [(done.id, n) for n in (1, 2, 3)]
    # The status after the commit: an execution may start in the one that creates it.
    assert found[0]["status"] in ("pending", "running")
    assert [one["status"] for one in found[1:]] == ["running", "completed"]
    assert {one["agent_id"] for one in found} == {"echo"}
    assert sorted(found[0]) == [
        "agent_id",
        "created_at",
        "data",
        "execution_id",
        "seq",
        "status",
        "type",
    ]
    _, *rest = frames(http, f"/events?after=start&execution_id={done.id}", 3)
    assert [json.loads(one.data)["seq"] for one in rest] == [1, 2]
    _, last = frames(http, target, 2, **{"Last-Event-ID": events[1].id})
    assert json.loads(last.data)["seq"] == 3


def test_a_page_of_all_goes_on(executions: AgentExecutions, http: httpx2.Client) -> None:
    begun = http.get("/events").json()
    assert begun["items"] == []
    done = executions.run(agent_id="echo", timeout=20)
    after, seqs = begun["next_after"], []
    for _ in range(10):
        query = {"after": after, "execution_id": done.id, "limit": 2, "wait": 0.2}
        page = http.get("/events", params=query).json()
        assert len(page["items"]) <= 2
        after = page["next_after"]
        seqs += [one["seq"] for one in page["items"]]
    assert seqs == [1, 2, 3]


def test_a_place_that_is_not_known_is_gone(http: httpx2.Client) -> None:
    reply = http.get("/events", params={"after": "999999999999.0.zzz"})
    problem = reply.json()
    assert (reply.status_code, problem["code"]) == (410, "cursor_reset")
    assert CURSOR.fullmatch(problem["cursor"])
    assert http.get("/events", params={"after": problem["cursor"]}).status_code == 200


def test_a_client_follows_streams(executions: AgentExecutions) -> None:
    with executions.stream_all(agent_id="plain", timeout=20) as everything:
        first = executions.create(agent_id="plain", input_data={"seconds": 0.3})
        seqs = [event.seq for event in first.events(timeout=20, live=True) if not event.is_live]
        assert seqs == list(range(1, len(seqs) + 1))
        cursor = everything.cursor
    ids = [executions.create(agent_id="echo").id for _ in range(3)]
    assert {one.id for one in executions.as_completed(ids, timeout=20)} == set(ids)
    found = executions.stream_all(after=cursor or "start", status="completed", timeout=20)
    ended = {event.execution_id for event, _ in zip(found, range(3), strict=False)}
    found.close()
    assert len(ended) == 3
    with pytest.raises(CursorResetError):
        next(executions.stream_all(after="999999999999.0.zzz", timeout=20))
