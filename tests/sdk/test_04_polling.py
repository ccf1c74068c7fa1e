"""4. Without long-poll: quick first polls, jittered growth to a cap; `Retry-After` always wins."""

import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.client.replies import RawReply, retry_after
from moderately.client.retries import poll_delay
from moderately.testing import FakeServer
from moderately.testing.faults import reply

GOING = {"id": "exec_1", "status": "running", "is_terminal": False}
DONE = {"id": "exec_1", "status": "completed", "is_terminal": True}


@given(st.integers(1, 10_000), st.floats(0, 1e6), st.floats(0, 1))
def test_no_delay_is_longer_than_the_interval(polls: int, interval: float, chance: float) -> None:
    assert 0 <= poll_delay(polls, interval, chance) <= interval


def test_polls_are_quick_at_first_and_grow_to_the_interval() -> None:
    delays = [poll_delay(polls, 2.0, 0.0) for polls in range(1, 20)]
    assert delays[0] < 0.1
    assert delays == sorted(delays)
    assert delays[-1] == 2.0


def test_polls_are_not_in_step() -> None:
    assert len({poll_delay(5, 2.0, chance / 10) for chance in range(10)}) == 10


def test_poll_interval_is_how_often_a_service_is_asked(executions: Any, server: FakeServer) -> None:
    server.misbehave(*[reply(200, GOING)] * 20, reply(200, DONE))
    begun = time.monotonic()
    executions.wait_for_completion("exec_1", timeout=20, poll_interval=0.01)
    assert time.monotonic() - begun < 5
    assert len(server.requests) == 21


def _reply(**headers: str) -> RawReply:
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return RawReply(503, found, b"", received_at=1_000_000_000.0)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "2"}, 2.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "250"}, 0.25),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after_ms": "soon", "retry_after": "9"}, 9.0),
        ({"retry_after": "Sun, 09 Sep 2001 01:46:45 GMT"}, 5.0),
        (
            {
                "retry_after": "Fri, 31 Dec 1999 23:59:59 GMT",
                "date": "Fri, 31 Dec 1999 23:59:49 GMT",
            },
            10.0,
        ),
        ({"retry_after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "Sun, 99 Xyz 2001 GMT"}, None),
        ({}, None),
    ],
)
def test_each_kind_of_retry_after_is_understood(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(_reply(**headers)) == seconds


@pytest.mark.parametrize(
    ("kind", "status"),
    [("seconds", 200), ("milliseconds", 429), ("date", 503), ("seconds", 503), ("seconds", 429)],
)
def test_retry_after_wins(executions: Any, server: FakeServer, kind: str, status: int) -> None:
    body = GOING if status == 200 else None
    headers = {"Retry-After-Ms": "400"} if kind == "milliseconds" else None
    told = {"seconds": "0.4", "date": formatdate(time.time() + 2, usegmt=True)}.get(kind)
    server.misbehave(reply(status, body, retry_after=told, headers=headers), reply(200, DONE))
    begun = time.monotonic()
    executions.wait_for_completion("exec_1", timeout=20, poll_interval=0.01)
    assert 0.35 < time.monotonic() - begun < 10
    assert len(server.requests) == 2


def test_retry_after_wins_over_a_longer_interval(executions: Any, server: FakeServer) -> None:
    server.misbehave(*[reply(200, GOING, retry_after=0.01)] * 5, reply(200, DONE))
    begun = time.monotonic()
    executions.wait_for_completion("exec_1", timeout=50, poll_interval=30)
    assert time.monotonic() - begun < 5
