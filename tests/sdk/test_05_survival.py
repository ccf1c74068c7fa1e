"""5. A wait survives 429, 5xx and lost connections until its deadline; 401, 403, 404 end it."""

import time
from typing import Any

import pytest

from moderately import APIError, TimeoutError  # noqa: A004
from moderately.client.errors import APIConnectionError, RateLimitError
from moderately.client.retries import Outage
from moderately.testing import FakeServer
from moderately.testing.faults import cut, drop, html, reply

PASSING = [
    drop(),
    cut(),
    reply(429),
    reply(500),
    reply(502),
    reply(503),
    reply(504),
    html(),
    html(200, "Please log in"),
    reply(200, b'{"id": "exec_'),
    reply(200, b"\xff\xfe"),
    reply(200, ["a list"]),
    reply(503, ["a list"]),
    reply(200, {}),
]


def test_a_wait_outlives_all_that_passes(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="echo")
    # Each after a good reply, so that the pauses stay short.
    for fault in PASSING:
        server.misbehave(fault)
        assert executions.wait_for_completion(made.id, timeout=20).status == "completed"


@pytest.mark.parametrize("fault", PASSING[:1] + PASSING[6:9])
def test_a_wait_outlives_it_to_its_deadline_only(
    executions: Any, server: FakeServer, fault: Any
) -> None:
    server.misbehave(fault, always=True)
    with pytest.raises(TimeoutError) as caught:
        executions.wait_for_completion("exec_1", timeout=0.6)
    assert isinstance(caught.value.__cause__, APIError)
    assert len(server.requests) > 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 307])
def test_what_cannot_pass_ends_a_wait_at_once(
    executions: Any, server: FakeServer, status: int
) -> None:
    server.misbehave(reply(status), always=True)
    begun = time.monotonic()
    with pytest.raises(APIError) as caught:
        executions.wait_for_completion("exec_1", timeout=20)
    assert caught.value.status_code == status
    assert len(server.requests) == 1
    assert time.monotonic() - begun < 5


def test_a_stream_and_a_crowd_outlive_it_too(executions: Any, server: FakeServer) -> None:
    ids = [executions.create(agent_id="quick").id for _ in range(3)]
    server.misbehave(drop(), reply(503), where="GET")
    assert len(executions.wait_many(ids, timeout=20)) == 3
    server.misbehave(drop(), reply(503), where="/events")
    assert [event.seq for event in executions.stream(ids[0], timeout=20)] == [1, 2, 3]


def test_without_a_deadline_an_outage_has_an_end() -> None:
    lost = APIConnectionError("lost")
    outage = Outage(has_deadline=False)
    outage.failed(lost, 0.0, 0.5)
    outage.failed(lost, 59.0, 0.5)
    with pytest.raises(APIConnectionError):
        outage.failed(lost, 60.0, 0.5)
    outage.over()
    outage.failed(lost, 100.0, 0.5)
    outage.failed(lost, 699.0, 0.5)
    with pytest.raises(APIConnectionError):
        outage.failed(lost, 700.0, 0.5)


def test_with_a_deadline_only_that_ends_an_outage() -> None:
    outage = Outage(has_deadline=True)
    limited = RateLimitError("no", status_code=429, retry_after=7.0)
    assert [outage.failed(limited, now, 0.5) for now in (0.0, 1e9)] == [7.0, 7.0]
