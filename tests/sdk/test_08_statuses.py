"""8. Unknown statuses never crash or hang; `paused` is reported to whoever waits."""

import logging
import time
from typing import Any

import pytest

from moderately import AgentExecution, ExecutionPausedError
from moderately.testing import FakeServer
from moderately.testing.states import completed, paused, running, state


def test_the_service_s_word_on_an_unknown_status_decides(
    executions: Any, server: FakeServer
) -> None:
    server.script(
        "new", [state("warming", 0.05), running(0.05), state("archived", is_terminal=True)]
    )
    assert executions.run(agent_id="new", timeout=10).status == "archived"


@pytest.mark.parametrize(
    ("fields", "is_terminal"),
    [
        ({"status": "archived", "is_terminal": True}, True),
        ({"status": "completed", "is_terminal": False}, False),
        ({"status": "completed"}, True),
        ({"status": "failed"}, True),
        ({"status": "cancelled"}, True),
        ({"status": "paused"}, False),
        ({"status": "archived"}, False),
        ({"status": "archived", "completed_at": "2026-01-01T00:00:00Z"}, True),
        ({"status": "archived", "failed_at": None, "cancelled_at": None}, False),
        ({}, False),
    ],
)
def test_without_its_word_what_is_known_decides(fields: dict[str, Any], is_terminal: bool) -> None:
    assert AgentExecution(fields).is_terminal is is_terminal


def test_a_wait_goes_on_over_a_pause_and_says_so(
    executions: Any, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("asks", [running(), paused("review", 0.2), completed("answered")])
    server.holds = False
    with caplog.at_level(logging.WARNING, "moderately.client"):
        done = executions.run(agent_id="asks", timeout=20, poll_interval=0.02)
    assert done.output_data == "answered"
    assert [one.message for one in caplog.records if "paused" in one.message] == [
        f"Execution {done.id} is paused: waits for an answer to 'review'."
    ]


def test_a_pause_is_returned_where_that_is_asked(executions: Any) -> None:
    begun = time.monotonic()
    found = executions.run(agent_id="asker", timeout=20, on_paused="return")
    assert found.status == "paused"
    assert found.blocked_on["waits"][0]["name"] == "review"
    # It comes without the end of a long hold being waited for.
    assert time.monotonic() - begun < 5
    executions.resume(found.id, value="go on")
    assert executions.wait_for_completion(found.id, timeout=10).output_data == "answered"


def test_a_pause_is_raised_where_that_is_asked(executions: Any) -> None:
    with pytest.raises(ExecutionPausedError, match="review") as caught:
        executions.run(agent_id="asker", timeout=20, on_paused="raise")
    assert caught.value.execution.status == "paused"


def test_a_pause_that_comes_later_is_reported_within_the_interval(
    executions: Any, server: FakeServer
) -> None:
    server.script("later", [running(0.4), paused()])
    begun = time.monotonic()
    found = executions.run(agent_id="later", timeout=30, on_paused="return", poll_interval=0.3)
    assert found.status == "paused"
    assert time.monotonic() - begun < 5
