"""3. Long-poll where the server applies `Prefer: wait`, found out by itself, with fallback."""

import statistics
import time
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from moderately import APIConnectionError
from moderately.client.waiting import Deadline, Look, Wait
from moderately.testing import FakeServer
from moderately.testing.faults import reply
from moderately.testing.states import completed, running


def test_a_held_reply_needs_one_request(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="quick")
    assert executions.wait_for_completion(made.id, timeout=5).output_data == {"answer": 42}
    asked = server.requests[1:]
    assert [one.headers["prefer"][:5] for one in asked] == ["wait="]


def test_a_service_that_holds_nothing_is_polled(executions: Any, server: FakeServer) -> None:
    server.holds = False
    server.script("slow", [running(0.3), completed()])
    made = executions.create(agent_id="slow")
    assert executions.wait_for_completion(made.id, timeout=10).status == "completed"
    assert 3 <= len(server.requests) <= 20


def test_a_service_that_only_claims_to_hold_is_not_asked_without_end(
    executions: Any, server: FakeServer
) -> None:
    going = {"id": "exec_1", "status": "running", "is_terminal": False}
    lie = reply(200, going, headers={"Preference-Applied": "wait=60"})
    server.misbehave(*[lie] * 4, reply(200, {**going, "status": "completed", "is_terminal": True}))
    begun = time.monotonic()
    assert executions.wait_for_completion("exec_1", timeout=10).status == "completed"
    assert time.monotonic() - begun > 0.2


def test_a_hold_that_a_proxy_cuts_off_gets_shorter() -> None:
    wait = Wait("exec_1", timeout=None, now=0.0)
    asked = Look(0.0, wait.hold(0.0))
    wait.failed(APIConnectionError("hung up"), asked, now=30.0, chance=0.5)
    assert (asked.hold, wait.hold(30.0)) == (60.0, 15.0)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_hold_ends_before_the_deadline(timeout: float, now: float) -> None:
    left = max(0.0, timeout - now)
    assert 0 <= Deadline(timeout, 0.0).hold(now) <= min(60.0, left)


def test_the_result_is_back_within_ten_milliseconds(executions: Any, server: FakeServer) -> None:
    def delay() -> float:
        made = executions.create(agent_id="quick")
        done = executions.wait_for_completion(made.id, timeout=10)
        return time.time() - datetime.fromisoformat(done.completed_at).timestamp()

    # Three medians: the machine has other things to do as well.
    assert min(statistics.median(delay() for _ in range(7)) for _ in range(3)) <= 0.010
