"""10. The events of all executions come in one stream, which goes on wherever it is taken up."""

import itertools
import pickle
import threading
import time
from typing import Any

import pytest

from moderately import (
    CursorResetError,
    NotFoundError,
    TimeoutError,  # noqa: A004
    ValidationError,
)
from moderately.client import ExecutionCompletedEvent
from moderately.protocol.sse import MEDIA_TYPE
from moderately.testing import FakeServer
from moderately.testing.faults import Fault, break_off, cut, drop, end_early, html, repeat, reply

EVENTS = "GET /events"


def take(stream: Any, count: int) -> list[Any]:
    """The next events of a stream."""
    return list(itertools.islice(iter(stream), count))


def places(events: list[Any]) -> list[tuple[str, int]]:
    return [(event.execution_id, event.seq) for event in events]


def test_a_stream_of_all_begins_with_the_first_event_on_record(executions: Any) -> None:
    ids = [executions.run(agent_id="echo", timeout=10).id for _ in range(3)]
    found = take(executions.stream_all(after="start", timeout=10), 9)
    assert sorted(places(found)) == sorted((one, seq) for one in ids for seq in (1, 2, 3))
    for one in ids:
        own = [event for event in found if event.execution_id == one]
        assert [event.seq for event in own] == [1, 2, 3]
        assert [event.status for event in own] == ["pending", "running", "completed"]
        assert {event.agent_id for event in own} == {"echo"}
        assert isinstance(own[-1], ExecutionCompletedEvent)


def test_a_stream_of_all_begins_now(executions: Any, server: FakeServer) -> None:
    made = executions.run(agent_id="echo", timeout=10)
    stream = executions.stream_all(timeout=10)

    def tell() -> None:
        server.await_requests(1, EVENTS)
        # Asked is not answered: only what follows the answer is sure to come.
        for _ in range(20):
            time.sleep(0.05)
            server.emit(made.id, "log", {"message": "later"})

    thread = threading.Thread(target=tell)
    thread.start()
    assert take(stream, 1)[0].type == "log"
    stream.close()
    thread.join()


def test_a_stream_of_all_goes_on_behind_any_event(executions: Any) -> None:
    for _ in range(3):
        executions.run(agent_id="echo", timeout=10)
    stream = executions.stream_all(after="start", timeout=10)
    found = take(stream, 4)
    assert stream.cursor == found[-1].cursor
    stream.close()
    assert stream.cursor == found[-1].cursor
    rest = take(executions.stream_all(after=found[3].cursor, timeout=10), 5)
    assert len({*places(found), *places(rest)}) == 9


@pytest.mark.parametrize("is_paged", [False, True])
def test_only_what_is_asked_for_comes(executions: Any, server: FakeServer, is_paged: bool) -> None:
    server.streams = not is_paged
    one = executions.run(agent_id="echo", metadata={"a": "1"}, timeout=10)
    two = executions.run(agent_id="failing", metadata={"a": "2"}, timeout=10)
    for query, expected in (
        ({"agent_id": "failing"}, [(two.id, seq) for seq in (1, 2, 3)]),
        ({"status": ["completed", "failed"]}, [(one.id, 3), (two.id, 3)]),
        ({"status": "completed"}, [(one.id, 3)]),
        ({"execution_ids": [two.id, "exec_none"]}, [(two.id, seq) for seq in (1, 2, 3)]),
        ({"metadata": {"a": "1"}}, [(one.id, seq) for seq in (1, 2, 3)]),
    ):
        stream = executions.stream_all(after="start", timeout=10, **query)
        assert places(take(stream, len(expected))) == expected
        stream.close()


@pytest.mark.parametrize(
    "faults",
    [
        [break_off(2), break_off(0), break_off(1)],
        [end_early(2), end_early(0)],
        [cut(), drop(), reply(503, retry_after=0.05), html(200)],
        [repeat(), repeat()],
    ],
)
def test_none_is_missing_and_none_comes_twice(
    executions: Any, server: FakeServer, faults: list[Fault]
) -> None:
    ids = [executions.run(agent_id="echo", timeout=10).id for _ in range(4)]
    server.misbehave(*faults, where=EVENTS)
    found = places(take(executions.stream_all(after="start", timeout=30), 12))
    assert sorted(found) == sorted((one, seq) for one in ids for seq in (1, 2, 3))


def test_the_place_moves_on_though_nothing_matches(executions: Any, server: FakeServer) -> None:
    server.heartbeat = 0.1
    executions.run(agent_id="echo", timeout=10)
    stream = executions.stream_all(after="start", agent_id="nobody", timeout=0.6)
    with pytest.raises(TimeoutError, match="go on behind 3"):
        next(iter(stream))
    assert stream.cursor is not None
    assert stream.cursor.startswith("3.")


def test_a_place_that_is_gone_is_told_with_the_newest_one(
    executions: Any, server: FakeServer
) -> None:
    executions.run(agent_id="echo", timeout=10)
    cursor = take(executions.stream_all(after="start", timeout=10), 1)[0].cursor
    server.reset_cursors()
    with pytest.raises(CursorResetError) as caught:
        take(executions.stream_all(after=cursor, timeout=10), 1)
    error = caught.value
    assert (error.status_code, error.code) == (410, "cursor_reset")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert again.cursor == error.cursor
    executions.run(agent_id="echo", timeout=10)
    assert take(executions.stream_all(after=error.cursor, timeout=10), 1)[0].seq == 1


def test_pages_do_where_there_are_no_streams(executions: Any, server: FakeServer) -> None:
    server.streams = False
    ids = [executions.run(agent_id="echo", timeout=10).id for _ in range(2)]
    stream = executions.stream_all(after="start", timeout=10)
    found = take(stream, 6)
    assert sorted(places(found)) == sorted((one, seq) for one in ids for seq in (1, 2, 3))
    threading.Timer(0.2, lambda: server.emit(ids[0], "log", {})).start()
    assert take(stream, 1)[0].type == "log"
    asked = server.await_requests(2, EVENTS)
    assert [MEDIA_TYPE in one.headers["accept"] for one in asked[:2]] == [True, False]


def test_a_service_without_it_is_told_of(executions: Any, server: FakeServer) -> None:
    server.has_team_events = False
    with pytest.raises(NotFoundError):
        take(executions.stream_all(timeout=10), 1)


def test_what_cannot_be_asked_for_is_refused(executions: Any) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        executions.stream_all(execution_ids=[f"exec_{n}" for n in range(101)])
    with pytest.raises(ValueError, match="1 to 100"):
        executions.stream_all(execution_ids=[])
    with pytest.raises(TypeError, match="several"):
        executions.stream_all(execution_ids="exec_1")
    with pytest.raises(ValidationError):
        take(executions.stream_all(after="yesterday", timeout=10), 1)


def test_the_deadline_of_a_stream_of_all_is_hard(executions: Any) -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="is up after"):
        take(executions.stream_all(timeout=0.4), 1)
    assert 0.35 < time.monotonic() - begun < 1.5
