"""10. One stream tells of the ends of any number of executions, at once, and none is missed."""

import statistics
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest

from moderately import AgentExecution, NotFoundError, TimeoutError  # noqa: A004
from moderately.client import team_events
from moderately.client.crowd import Crowd
from moderately.testing import FakeServer
from moderately.testing.faults import (
    Fault,
    break_off,
    drop,
    end_early,
    html,
    mute,
    repeat,
    reply,
)
from moderately.testing.states import completed, running


def delays(ended: Iterable[AgentExecution]) -> list[float]:
    """How long after its end each was told of, in seconds."""
    found = []
    for execution in ended:
        now = time.time()
        assert execution.completed_at
        found.append(now - datetime.fromisoformat(execution.completed_at).timestamp())
    return found


@pytest.mark.parametrize("count", [3, 60, 300])
def test_an_end_is_told_at_once_whatever_the_number(
    executions: Any, server: FakeServer, count: int
) -> None:
    server.script("slow", [running(60), completed()])
    slow = [executions.create(agent_id="slow").id for _ in range(count)]
    quick = []
    for number in range(20):
        server.script(f"q{number}", [running(1.0 + number / 20), completed()])
        quick.append(executions.create(agent_id=f"q{number}").id)
    ended: Any = iter(executions.as_completed([*slow, *quick], timeout=30, poll_interval=10))
    found = delays(next(ended) for _ in quick)
    ended.close()
    assert statistics.median(found) < 1.0, found  # a look would come after 10 s


def test_a_crowd_needs_one_stream_and_few_requests(executions: Any, server: FakeServer) -> None:
    server.script("slow", [running(1.0), completed()])
    ids = [executions.create(agent_id="slow").id for _ in range(150)]
    late = executions.create(agent_id="quick").id
    asked = len(server.requests)
    done = executions.wait_many([*ids, late], timeout=30)
    assert {one.status for one in done} == {"completed"}
    requests = server.requests[asked:]
    assert len([one for one in requests if one.path == "/events"]) == 1
    assert len(requests) < len(ids) + 10
    # The stream's, and one to look with.
    assert server.connections == 2


def test_many_that_end_at_once_are_told_of_together(executions: Any, server: FakeServer) -> None:
    until, ids = time.time() + 2.0, []
    for _ in range(150):
        server.script("burst", [running(until - time.time()), completed()])
        ids.append(executions.create(agent_id="burst").id)
    asked = len(server.requests)
    found = delays(executions.as_completed(ids, timeout=30))
    assert len(found) == len(ids)
    assert max(found) < 1.0
    assert len(server.requests) - asked < 50


def test_a_few_are_all_that_is_asked_for(executions: Any, server: FakeServer) -> None:
    ids = [executions.create(agent_id="quick").id for _ in range(3)]
    executions.wait_many(ids, timeout=10)
    query = server.await_requests(1, "GET /events")[0].query
    assert query["execution_id"] == ids
    assert query["status"] == ["cancelled", "completed", "failed"]


def test_a_crowd_of_one_needs_no_stream(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="quick")
    executions.wait_many([made.id], timeout=10)
    assert [one.path for one in server.requests[1:]] == [f"/agent-executions/{made.id}"]


@pytest.mark.parametrize("count", [5, 40])
def test_what_ended_before_is_told_of(executions: Any, server: FakeServer, count: int) -> None:
    ids = [executions.run(agent_id="echo", timeout=10).id for _ in range(count)]
    for _ in range(30):
        executions.create(agent_id="sleeper")
    done = executions.wait_many(ids, timeout=10)
    assert [one.id for one in done] == ids


@pytest.mark.parametrize(
    "faults",
    [
        [break_off(2), drop(), reply(503)],
        [end_early(1), end_early(2), end_early(0)],
        [break_off(0), html(502)],
        [repeat()],
    ],
)
def test_no_end_is_missed_though_the_stream_breaks(
    executions: Any, server: FakeServer, faults: list[Fault]
) -> None:
    ids = []
    for number in range(8):
        server.script(f"a{number}", [running(0.3 * number), completed()])
        ids.append(executions.create(agent_id=f"a{number}").id)
    server.misbehave(*faults, where="GET /events")
    found = [one.id for one in executions.as_completed(ids, timeout=20, poll_interval=60)]
    assert found == ids


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("count", [4, 60])
def test_a_service_without_the_stream_is_polled(
    executions: Any, server: FakeServer, holds: bool, count: int
) -> None:
    server.has_team_events = False
    server.holds = holds
    server.script("slow", [running(0.6), completed()])
    ids = [executions.create(agent_id="slow").id for _ in range(count)]
    late = executions.create(agent_id="quick").id
    asked = len(server.requests)
    done = executions.wait_many([*ids, late], timeout=30, poll_interval=0.2)
    assert {one.status for one in done} == {"completed"}
    assert len(server.requests) - asked < 2 * len(ids) + 50
    assert server.connections == 1


@pytest.mark.parametrize("fault", [reply(406), reply(405), html(200), drop(), reply(503)])
def test_a_stream_that_does_not_work_is_no_reason_to_wait(
    executions: Any, server: FakeServer, fault: Fault
) -> None:
    ids = [executions.create(agent_id="quick").id for _ in range(3)]
    server.misbehave(fault, where="GET /events", always=True)
    begun = time.monotonic()
    assert len(executions.wait_many(ids, timeout=30, poll_interval=0.1)) == 3
    assert time.monotonic() - begun < 5


def test_a_stream_that_something_keeps_back_is_given_up(
    executions: Any, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_events, "_OPENING_SECONDS", 0.2)
    ids = [executions.create(agent_id="quick").id for _ in range(3)]
    server.misbehave(Fault(delay=0.0, pace=1.0), where="GET /events", always=True)
    assert len(executions.wait_many(ids, timeout=30, poll_interval=0.1)) == 3


def test_pages_of_the_team_s_events_do_as_well(executions: Any, server: FakeServer) -> None:
    server.streams = False
    server.script("slow", [running(0.6), completed()])
    ids = [executions.create(agent_id="slow").id for _ in range(30)]
    assert len(executions.wait_many(ids, timeout=30, poll_interval=60)) == 30
    assert len(server.await_requests(2, "GET /events")) <= 30


def test_a_cursor_that_is_reset_misses_none(executions: Any, server: FakeServer) -> None:
    server.script("slow", [running(0.8), completed()])
    ids = [executions.create(agent_id="slow").id for _ in range(3)]
    server.misbehave(end_early(0), where="GET /events")
    server.reset_cursors()
    ended = executions.as_completed(ids, timeout=20, poll_interval=60)
    server.misbehave(
        reply(410, {"code": "cursor_reset", "message": "gone", "cursor": "3.0.2"}),
        where="after=",
    )
    assert {one.id for one in ended} == set(ids)


def test_a_crowd_without_lists_goes_on(executions: Any, server: FakeServer) -> None:
    ids = [executions.create(agent_id="quick").id for _ in range(30)]
    server.misbehave(reply(400), where="order_by=", always=True)
    assert len(executions.wait_many(ids, timeout=30, poll_interval=0.05)) == 30


def test_what_was_told_is_believed_before_what_was_read(
    executions: Any, server: FakeServer
) -> None:
    made = [executions.create(agent_id="quick") for _ in range(2)]
    stale = [reply(200, dict(one)) for one in made]
    for one, fault in zip(made, stale, strict=True):
        # A look of the first round, and the first one after the end.
        server.misbehave(fault, fault, where=f"GET /agent-executions/{one.id}")
    done = executions.wait_many([one.id for one in made], timeout=10, poll_interval=60)
    assert [one.status for one in done] == ["completed", "completed"]


def test_a_crowd_has_a_deadline(executions: Any, server: FakeServer) -> None:
    ids = [executions.create(agent_id="sleeper").id for _ in range(30)]
    for fault in ([], [mute(0)], [drop()]):
        server.behave()
        if fault:
            server.misbehave(*fault, where="GET /events", always=True)
        begun = time.monotonic()
        with pytest.raises(TimeoutError, match="30 of 30") as caught:
            executions.wait_many(ids, timeout=0.5)
        assert 0.4 < time.monotonic() - begun < 1.5
        assert {one.status for one in caught.value.executions.values() if one} <= {"running"}


def test_an_unknown_id_among_many_ends_it(executions: Any) -> None:
    ids = [executions.create(agent_id="sleeper").id for _ in range(30)]
    with pytest.raises(NotFoundError):
        executions.wait_many([*ids, "exec_none"], timeout=10)


def _execution(number: int, status: str) -> AgentExecution:
    return AgentExecution({"id": f"exec_{number}", "status": status})


def test_pages_are_turned_for_as_long_as_that_is_worth_while() -> None:
    crowd = Crowd((f"exec_{n}" for n in range(90)), timeout=None, poll_interval=2.0, now=0.0)
    first = crowd.look(0.0)
    assert first is not None
    assert first.query is not None
    following = {**first.query, "page": 2}
    crowd.saw(first, [_execution(n, "running") for n in range(50)], following)
    second = crowd.look(0.0)
    assert second is not None
    assert second.query == following
    # Strangers only: from here on, each is looked at by itself.
    crowd.saw(second, [_execution(1000 + n, "running") for n in range(50)], following)
    looks = []
    while (look := crowd.look(0.0)) is not None:
        looks.append(look.execution_id)
        crowd.saw(look, [])
    assert sorted(looks, key=str) == sorted((f"exec_{n}" for n in range(50, 90)), key=str)
