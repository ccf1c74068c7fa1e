"""2. `timeout` is one hard monotonic deadline: over requests, retries, pauses, slow replies."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from tests.support.twins import Twin

from moderately import ConnectionTimeoutError, TimeoutError  # noqa: A004
from moderately.testing import FakeServer
from moderately.testing.faults import Fault, cut, dribble, drop, hang, html, reply, slow

OVERSHOOT = 0.05


def overshoots(wait: Callable[[], Any], timeout: float) -> Iterator[float]:
    """By how much a wait overshoots, some times: the machine has other things to do as well."""
    for _ in range(4):
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            wait()
        yield time.monotonic() - begun - timeout


@pytest.mark.parametrize(
    "fault",
    [None, hang(), dribble(), dribble(0.02), drop(), cut(), reply(503), html(), slow(0.1)],
    ids=["held", "hang", "dribble", "fast dribble", "drop", "cut", "503", "html", "slow"],
)
def test_a_wait_ends_on_time(executions: Any, server: FakeServer, fault: Fault | None) -> None:
    made = executions.create(agent_id="sleeper")
    if fault:
        server.misbehave(fault, always=True)
    found = overshoots(lambda: executions.wait_for_completion(made.id, timeout=0.3), 0.3)
    assert any(-0.01 < late < OVERSHOOT for late in found)


@pytest.mark.parametrize("told", [3, "Fri, 31 Dec 2099 23:59:59 GMT"])
def test_a_wait_ends_on_time_whatever_retry_after_says(
    executions: Any, server: FakeServer, told: Any
) -> None:
    server.misbehave(reply(429, retry_after=told), always=True)
    found = overshoots(lambda: executions.wait_for_completion("exec_1", timeout=0.3), 0.3)
    assert any(late < OVERSHOOT for late in found)


@pytest.mark.parametrize("name", ["run", "wait_many", "stream", "cancel"])
def test_every_timeout_is_a_deadline(executions: Any, server: FakeServer, name: str) -> None:
    made = executions.create(agent_id="sleeper")
    calls = {
        "run": lambda: executions.run(agent_id="sleeper", timeout=0.3),
        "wait_many": lambda: executions.wait_many([made.id, made.id], timeout=0.3),
        "stream": lambda: list(executions.stream(made.id, timeout=0.3)),
        "cancel": lambda: executions.cancel(made.id, wait=True, timeout=0.3),
    }
    if name == "cancel":
        server.misbehave(reply(200, {**made, "status": "cancelling"}), where="/cancel", always=True)
    server.misbehave(dribble(), where="GET", always=True)
    assert any(late < OVERSHOOT for late in overshoots(calls[name], 0.3))


def test_a_create_that_dribbles_ends_on_time(executions: Any, server: FakeServer) -> None:
    server.misbehave(dribble(), always=True)
    found = overshoots(lambda: executions.run(agent_id="echo", timeout=0.3), 0.3)
    assert any(late < OVERSHOOT for late in found)


def test_a_service_that_is_not_there_ends_on_time(twin: Twin) -> None:
    twin.base_url = "http://127.0.0.1:9"
    executions = twin.client().agent_executions
    found = overshoots(lambda: executions.wait_for_completion("exec_1", timeout=0.3), 0.3)
    assert any(late < OVERSHOOT for late in found)


def test_a_handshake_that_hangs_ends_on_time(twin: Twin) -> None:
    # The first connection waits in the backlog: nobody ever says hello.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        twin.base_url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        executions = twin.client().agent_executions
        found = overshoots(lambda: executions.wait_for_completion("exec_1", timeout=0.3), 0.3)
        assert any(late < OVERSHOOT for late in found)


def test_a_request_s_timeout_is_for_all_of_it(twin: Twin, server: FakeServer) -> None:
    server.misbehave(dribble(0.02), always=True)
    begun = time.monotonic()
    with pytest.raises(ConnectionTimeoutError):
        twin.client(timeout=0.3, max_retries=0).agent_executions.retrieve("exec_1")
    assert time.monotonic() - begun < 2.0


def test_a_client_that_was_handed_in_ends_at_its_next_read(server: FakeServer) -> None:
    server.misbehave(dribble(0.02), always=True)
    with httpx2.Client() as handed:
        twin = Twin(server.base_url, server.api_key, is_async=False)
        executions = twin.client(http_client=handed).agent_executions
        found = overshoots(lambda: executions.wait_for_completion("exec_1", timeout=0.3), 0.3)
        assert any(late < 0.3 for late in found)


def test_a_wait_of_no_time_looks_once(executions: Any, server: FakeServer) -> None:
    made = executions.run(agent_id="echo", timeout=10)
    asked = len(server.requests)
    assert executions.wait_for_completion(made.id, timeout=0).status == "completed"
    assert len(server.requests) == asked + 1
    sleeper = executions.create(agent_id="sleeper")
    with pytest.raises(TimeoutError):
        executions.wait_for_completion(sleeper.id, timeout=0)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
@pytest.mark.parametrize("name", ["timeout", "poll_interval"])
def test_an_impossible_time_is_refused(executions: Any, name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=name):
        executions.wait_for_completion("exec_1", **{name: seconds})
    with pytest.raises(ValueError, match=name):
        executions.run(agent_id="echo", **{name: seconds})
