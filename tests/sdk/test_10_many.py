"""10. `run`, `wait_many` and `as_completed` over one connection, `stream` without gap or repeat."""

import asyncio
import itertools
import time
from typing import Any

import pytest

from moderately import (
    AsyncModeratelyAI,
    ExecutionEvent,
    NotFoundError,
    TimeoutError,  # noqa: A004
)
from moderately.client.events import EventCursor
from moderately.testing import FakeServer
from moderately.testing.faults import cut, drop, html, reply
from moderately.testing.states import completed, running


def test_run_creates_and_waits(executions: Any, server: FakeServer) -> None:
    done = executions.run(
        agent_id="echo", input_data={"q": 1}, metadata={"ticket": "4711"}, timeout=10
    )
    assert (done.status, done.output_data, done.metadata) == (
        "completed",
        {"q": 1},
        {"ticket": "4711"},
    )
    assert [one.method for one in server.requests] == ["POST", "GET"]


def test_wait_many_keeps_the_order(executions: Any, server: FakeServer) -> None:
    server.script("slow", [running(0.3), completed()])
    slow = executions.create(agent_id="slow").id
    quick = [executions.create(agent_id="echo").id for _ in range(3)]
    found = executions.wait_many([slow, *quick, slow], timeout=20)
    assert [one.id for one in found] == [slow, *quick, slow]
    assert executions.wait_many([]) == []


def test_as_completed_yields_in_the_order_of_the_ends(executions: Any, server: FakeServer) -> None:
    ids = {}
    for number, seconds in enumerate((0.6, 0.3, 0.0)):
        server.script(f"a{number}", [running(seconds), completed(number)])
        ids[executions.create(agent_id=f"a{number}").id] = seconds
    found = list(executions.as_completed(ids, timeout=20, poll_interval=0.05))
    assert [one.output_data for one in found] == [2, 1, 0]


def test_a_crowd_of_one_hears_at_once(executions: Any) -> None:
    made = executions.create(agent_id="quick")
    assert executions.wait_many([made.id], timeout=60, poll_interval=60)[0].status == "completed"


def test_an_unknown_id_ends_it(executions: Any) -> None:
    made = executions.create(agent_id="sleeper")
    with pytest.raises(NotFoundError):
        executions.wait_many([made.id, "exec_none"], timeout=10)
    with pytest.raises(TypeError, match="several"):
        executions.wait_many("exec_1") if False else list(executions.as_completed("exec_1"))


def test_a_stream_yields_typed_events_to_the_end(executions: Any) -> None:
    made = executions.create(agent_id="quick")
    events = list(executions.stream(made.id, timeout=10))
    assert all(isinstance(event, ExecutionEvent) for event in events)
    assert [(event.seq, event.type) for event in events] == [
        (1, "execution.created"),
        (2, "execution.started"),
        (3, "execution.completed"),
    ]
    assert [event.is_terminal for event in events] == [False, False, True]
    assert [event.seq for event in executions.stream(made.id, after=2)] == [3]
    assert list(executions.stream(made.id, after=3)) == []


@pytest.mark.parametrize("holds", [True, False])
def test_a_stream_goes_on_where_it_broke_off(
    executions: Any, server: FakeServer, holds: bool
) -> None:
    server.holds = holds
    server.script("steps", [*(running(0.1) for _ in range(4)), completed()])
    made = executions.create(agent_id="steps")
    server.misbehave(cut(), drop(), drop(done=True), reply(503), html(200), where="/events")
    seqs = [event.seq for event in executions.stream(made.id, timeout=20)]
    assert seqs == [1, 2, 3, 4, 5, 6]


def test_a_stream_drops_what_it_has_seen(executions: Any, server: FakeServer) -> None:
    made = executions.run(agent_id="echo", timeout=10)
    first = executions.events(made.id, limit=2)
    server.misbehave(reply(200, {**first, "is_terminal": False}), where="/events")
    server.misbehave(reply(200, {**first, "is_terminal": False}), where="/events")
    seqs = [event.seq for event in executions.stream(made.id, timeout=10)]
    assert seqs == [1, 2, 3]


def test_an_end_without_a_terminal_event_is_a_drop() -> None:
    cursor = EventCursor("exec_1", after=0, timeout=None, now=0.0)
    events = [{"seq": 1, "type": "execution.created"}, {"seq": 2, "type": "log"}]
    assert len(cursor.take({"items": events, "is_terminal": True})) == 2
    assert not cursor.is_over
    request, _ = cursor.request(0.0)
    assert dict(request.query)["after"] == "2"
    end = {"seq": 3, "type": "execution.failed"}
    assert len(cursor.take({"items": [*events, end, {"seq": 4}], "is_terminal": True})) == 1
    assert cursor.is_over


def test_a_stream_has_a_deadline_and_can_be_left(executions: Any) -> None:
    made = executions.create(agent_id="sleeper")
    stream = executions.stream(made.id, timeout=0.4)
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="behind 2"):
        list(stream)
    assert time.monotonic() - begun < 2
    assert stream.last_seq == 2
    left = executions.stream(made.id)
    assert [event.seq for event in itertools.islice(left, 2)] == [1, 2]
    left.close()
    assert list(left) == []


def test_a_stream_is_a_context_manager(server: FakeServer) -> None:
    async def work() -> list[int]:
        async with AsyncModeratelyAI(base_url=server.base_url, api_key=server.api_key) as client:
            made = await client.agent_executions.create(agent_id="echo")
            async with client.agent_executions.stream(made.id) as events:
                return [event.seq async for event in events]

    assert asyncio.run(work()) == [1, 2, 3]
