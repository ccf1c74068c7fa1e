"""10. An execution's events come as they happen: each once, in order, whatever breaks meanwhile."""

import asyncio
import copy
import gc
import json
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
from tests.support.twins import Twin

from moderately import (
    APIConnectionError,
    APIError,
    AsyncModeratelyAI,
    ExecutionEvent,
    TimeoutError,  # noqa: A004
)
from moderately.client import (
    AgentExecution,
    ExecutionCompletedEvent,
    LogEvent,
    StepStartedEvent,
    TokenEvent,
    reading,
)
from moderately.client.typed_events import EVENT_CLASSES
from moderately.protocol.events import EVENT_DATA
from moderately.protocol.sse import MEDIA_TYPE, encode
from moderately.testing import FakeServer
from moderately.testing.faults import (
    Fault,
    break_off,
    cut,
    dribble,
    drop,
    end_early,
    html,
    mute,
    repeat,
    reply,
    slow,
)
from moderately.testing.states import completed, running

EVENTS = "/events"


def stream_of(*frames: bytes) -> Fault:
    """A stream that says this, and no more."""
    return reply(200, b"".join(frames), headers={"Content-Type": f"{MEDIA_TYPE}; charset=utf-8"})


def event(seq: int, kind: str = "log", **data: Any) -> bytes:
    found = {"execution_id": "exec_1", "seq": seq, "type": kind, "data": data}
    return encode(json.dumps(found), id=str(seq))


def until(check: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 10
    while not check():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_events_come_as_they_happen_over_one_request(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    stream = iter(executions.stream(made.id, timeout=20))
    assert [next(stream).type, next(stream).type] == ["execution.created", "execution.started"]
    emitted: list[float] = []

    def emit() -> None:
        emitted.append(time.monotonic())
        server.emit(made.id, "log", {"level": "info", "message": "hello", "fields": {}})

    for number in range(5):
        threading.Timer(0.1, emit).start()
        found = next(stream)
        assert (found.seq, found.type) == (3 + number, "log")
        assert time.monotonic() - emitted[-1] < 1.0
    executions.cancel(made.id)
    assert next(stream).is_terminal
    assert next(stream, None) is None
    assert len(server.await_requests(1, EVENTS)) == 1


def test_what_is_live_only_comes_to_whoever_asks(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    with_live = iter(executions.stream(made.id, timeout=20, live=True))
    without = iter(executions.stream(made.id, timeout=20))
    for one in (with_live, without):
        next(one), next(one)
    server.emit(made.id, "step.started", {"id": "0.1", "name": "ask"}, live=True)
    server.emit(made.id, "token", {"text": "Hel"}, live=True)
    server.emit(made.id, "message", {"role": "assistant", "content": "Hello"})
    started, token, message = next(with_live), next(with_live), next(with_live)
    assert isinstance(started, StepStartedEvent)
    assert isinstance(token, TokenEvent)
    assert (token.is_live, token.seq, token.after, token.data) == (True, None, 2, {"text": "Hel"})
    assert (message.is_live, message.seq) == (False, 3)
    assert next(without).seq == 3
    executions.cancel(made.id)
    asked = [one.query.get("live") for one in server.await_requests(2, EVENTS)]
    assert asked == [["true"], None]


def test_a_live_event_does_not_move_the_place(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    stream = executions.stream(made.id, timeout=20, live=True)
    found = iter(stream)
    next(found), next(found)
    server.emit(made.id, "token", {"text": "Hel"}, live=True)
    assert next(found).is_live
    assert stream.last_seq == 2
    stream.close()


@pytest.mark.parametrize(
    "faults",
    [
        [break_off(0), break_off(1), break_off(2)],
        [end_early(0), end_early(3), end_early(1)],
        [cut(), drop(), drop(done=True), reply(503, retry_after=0.05), html(200)],
        [repeat(), repeat()],
        [dribble(0.0002)],
    ],
)
def test_each_comes_once_whatever_breaks(
    executions: Any, server: FakeServer, faults: list[Fault]
) -> None:
    server.script("steps", [*(running(0.1) for _ in range(4)), completed()])
    made = executions.create(agent_id="steps")
    server.misbehave(*faults, where=EVENTS)
    found = [one.seq for one in executions.stream(made.id, timeout=30)]
    assert found == [1, 2, 3, 4, 5, 6]


def test_a_stream_goes_on_behind_what_came_last(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    server.misbehave(end_early(2), where=EVENTS)
    stream = iter(executions.stream(made.id, timeout=20))
    next(stream), next(stream)
    threading.Timer(0.1, lambda: server.emit(made.id, "log", {})).start()
    assert next(stream).seq == 3
    first, second = server.await_requests(2, EVENTS)
    assert (first.one("after"), second.one("after")) == ("0", "2")
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "2"
    assert first.headers["accept"].startswith(MEDIA_TYPE)


def test_an_end_that_comes_too_early_is_none(executions: Any, server: FakeServer) -> None:
    end = encode('{"execution_id": "exec_1", "status": "completed", "last_seq": 3}', event="end")
    server.misbehave(stream_of(event(1), end), stream_of(event(2), event(3), end), where=EVENTS)
    assert [one.seq for one in executions.stream("exec_1", timeout=10)] == [1, 2, 3]


def test_an_end_again_is_all_that_a_reader_of_everything_gets(
    executions: Any, server: FakeServer
) -> None:
    made = executions.run(agent_id="echo", timeout=10)
    assert list(executions.stream(made.id, after=3, timeout=10)) == []
    assert len(server.await_requests(1, EVENTS)) == 1


def test_what_is_no_event_is_read_again(executions: Any, server: FakeServer) -> None:
    made = executions.run(agent_id="echo", timeout=10)
    garbage = stream_of(event(1), encode("{no json"), event(2))
    server.misbehave(garbage, stream_of(encode("[]")), where=EVENTS)
    assert [one.seq for one in executions.stream(made.id, timeout=10)] == [1, 2, 3]


def test_an_event_that_is_too_large_is_a_clear_error(executions: Any, server: FakeServer) -> None:
    server.misbehave(stream_of(b"data: " + b"x" * (17 * 1024 * 1024)), where=EVENTS, always=True)
    with pytest.raises(APIError, match="over 16777216 bytes"):
        list(executions.stream("exec_1", timeout=30))


def test_silence_is_a_drop(
    executions: Any, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SILENCE_SECONDS", 0.3)
    made = executions.run(agent_id="echo", timeout=10)
    server.misbehave(mute(1), mute(0), where=EVENTS)
    assert [one.seq for one in executions.stream(made.id, timeout=20)] == [1, 2, 3]


def test_heartbeats_are_no_silence(
    executions: Any, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SILENCE_SECONDS", 0.4)
    server.heartbeat = 0.1
    server.script("slow", [running(1.2), completed()])
    made = executions.create(agent_id="slow")
    assert [one.seq for one in executions.stream(made.id, timeout=20)] == [1, 2, 3]
    assert len(server.await_requests(1, EVENTS)) == 1


def test_a_stream_that_breaks_comes_back_when_it_was_told_to(
    executions: Any, server: FakeServer
) -> None:
    made = executions.run(agent_id="echo", timeout=10)
    server.misbehave(stream_of(b"retry: 400\n\n", event(1)), where=EVENTS)
    times = [time.monotonic() for _ in executions.stream(made.id, timeout=20)]
    assert 0.35 < times[1] - times[0] < 1.5


@pytest.mark.parametrize("fault", [mute(0), dribble(0.05), drop(), slow(5), reply(503)])
def test_the_deadline_of_a_stream_is_hard(
    executions: Any, server: FakeServer, fault: Fault
) -> None:
    made = executions.create(agent_id="sleeper")
    server.misbehave(fault, where=EVENTS, always=True)
    begun = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        list(executions.stream(made.id, timeout=0.5))
    assert 0.45 < time.monotonic() - begun < 1.5
    assert caught.value.execution_id == made.id


def test_no_time_at_all_is_one_look(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    stream = iter(executions.stream(made.id, timeout=0))
    assert [next(stream).seq, next(stream).seq] == [1, 2]
    with pytest.raises(TimeoutError):
        next(stream)
    done = executions.run(agent_id="echo", timeout=10)
    assert len(list(executions.stream(done.id, timeout=0))) == 3
    assert all(MEDIA_TYPE not in one.headers["accept"] for one in server.requests)


def test_a_stream_that_is_left_hangs_up(executions: Any, server: FakeServer) -> None:
    server.heartbeat = 0.05
    made = executions.create(agent_id="sleeper")
    stream = executions.stream(made.id)
    next(iter(stream))
    opened = len(server._http._open)
    stream.close()
    stream.close()
    until(lambda: len(server._http._open) < opened)
    assert list(stream) == []


@pytest.mark.parametrize("kind", ["httpx2", "aiohttp"])
def test_who_breaks_out_of_a_loop_hangs_up(server: FakeServer, kind: str) -> None:
    server.heartbeat = 0.05

    async def work() -> None:
        async with AsyncModeratelyAI(
            base_url=server.base_url, api_key=server.api_key, http_client=kind
        ) as client:
            made = await client.agent_executions.create(agent_id="sleeper")
            opened = len(server._http._open)
            async for _ in client.agent_executions.stream(made.id):
                break
            gc.collect()
            await asyncio.to_thread(until, lambda: len(server._http._open) <= opened)

    asyncio.run(work())


def test_a_connection_is_used_again_after_the_end(executions: Any, server: FakeServer) -> None:
    for _ in range(5):
        made = executions.create(agent_id="quick")
        assert len(list(executions.stream(made.id, timeout=10))) == 3
    assert server.connections == 1


def make_http_clients(twin: Twin) -> list[Any]:
    """Every kind of HTTP client that a twin takes."""

    async def make() -> list[Any]:
        return [httpx2.AsyncClient(), httpx.AsyncClient(), aiohttp.ClientSession(), "aiohttp"]

    return twin.runner.run(make()) if twin.is_async else [httpx2.Client(), httpx.Client()]


def test_every_http_client_streams(twin: Twin, server: FakeServer) -> None:
    server.script("steps", [*(running(0.1) for _ in range(3)), completed()])
    for given in make_http_clients(twin):
        executions = twin.client(http_client=given).agent_executions
        made = executions.create(agent_id="steps")
        server.misbehave(break_off(1), html(502), end_early(1), where=EVENTS)
        assert [one.seq for one in executions.stream(made.id, timeout=20)] == [1, 2, 3, 4, 5]
        server.misbehave(mute(1), where=EVENTS)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            list(executions.stream(made.id, timeout=0.4))
        assert time.monotonic() - begun < 1.5
        if twin.is_async and not isinstance(given, str):
            twin.runner.run(given.aclose() if hasattr(given, "aclose") else given.close())
        elif not twin.is_async:
            given.close()


def test_a_service_without_streams_is_followed_by_pages(
    executions: Any, server: FakeServer
) -> None:
    server.streams = False
    server.script("steps", [*(running(0.1) for _ in range(4)), completed()])
    made = executions.create(agent_id="steps")
    server.misbehave(cut(), drop(), reply(503), where=EVENTS)
    assert [one.seq for one in executions.stream(made.id, timeout=20)] == [1, 2, 3, 4, 5, 6]


def test_a_client_that_cannot_reach_the_service_says_so(twin: Twin, server: FakeServer) -> None:
    client = twin.client(base_url="http://127.0.0.1:9")
    with pytest.raises(TimeoutError) as caught:
        list(client.agent_executions.stream("exec_1", timeout=0.3))
    assert isinstance(caught.value.__cause__, APIConnectionError)


def test_every_type_of_event_has_a_class(executions: Any, server: FakeServer) -> None:
    assert EVENT_CLASSES.keys() == EVENT_DATA.keys()
    made = executions.create(agent_id="sleeper")
    server.emit(made.id, "log", {"level": "info", "message": "hello", "fields": {}})
    server.emit(made.id, "dream", {"of": "electric sheep"})
    stream = iter(executions.stream(made.id, timeout=10))
    found = [next(stream) for _ in range(4)]
    assert isinstance(found[2], LogEvent)
    assert type(found[3]) is ExecutionEvent
    assert found[3].data == {"of": "electric sheep"}
    executions.cancel(made.id)
    assert isinstance(executions.events(made.id)["items"][2], LogEvent)
    assert copy.deepcopy(found[2]) == found[2]
    assert issubclass(ExecutionCompletedEvent, ExecutionEvent)


def test_an_execution_that_a_client_returned_streams_its_events(
    executions: Any, twin: Twin
) -> None:
    made = executions.create(agent_id="quick")
    found = [one.seq for one in twin.drive(made.events(timeout=10))]
    assert found == [1, 2, 3]
    listed = next(iter(executions.list()))
    done = executions.wait_for_completion(made.id, timeout=10)
    many = executions.wait_many([made.id, made.id], timeout=10)
    for one in (listed, done, *many):
        assert [e.seq for e in twin.drive(one.events(after=2, timeout=10))] == [3]
    assert repr(done).startswith("AgentExecution(id=")


def test_an_execution_that_came_from_no_client_says_so(executions: Any) -> None:
    made = executions.create(agent_id="quick")
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own bytes
    assert again == made
    for one in (again, AgentExecution(made)):
        assert isinstance(one, AgentExecution)
        with pytest.raises(RuntimeError, match="came from no client"):
            one.events()
