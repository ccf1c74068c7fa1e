"""9. `raise_on_failure=True` raises with the execution on the error; the default returns it."""

from typing import Any

import pytest

from moderately import ExecutionCancelledError, ExecutionError, ExecutionFailedError
from moderately.testing import FakeServer
from moderately.testing.states import cancelled, running, state


def test_by_default_it_is_returned(executions: Any) -> None:
    done = executions.run(agent_id="failing", timeout=10)
    assert (done.status, done.error["message"]) == ("failed", "no luck")


def test_a_failure_is_raised_where_that_is_asked(executions: Any) -> None:
    with pytest.raises(ExecutionFailedError, match="no luck") as caught:
        executions.run(agent_id="failing", timeout=10, raise_on_failure=True)
    execution = caught.value.execution
    assert execution.status == "failed"
    with pytest.raises(ExecutionError):
        executions.wait_for_completion(execution.id, raise_on_failure=True)
    with pytest.raises(ExecutionError):
        executions.wait_many([execution.id], raise_on_failure=True)
    with pytest.raises(ExecutionError):
        list(executions.as_completed([execution.id], raise_on_failure=True))


def test_a_cancellation_is_raised_where_that_is_asked(executions: Any, server: FakeServer) -> None:
    server.script("stopped", [running(0.05), cancelled("no longer needed")])
    with pytest.raises(ExecutionCancelledError, match="no longer needed") as caught:
        executions.run(agent_id="stopped", timeout=10, raise_on_failure=True)
    assert caught.value.execution.status == "cancelled"


def test_an_unknown_end_with_an_error_is_a_failure(executions: Any, server: FakeServer) -> None:
    server.script("lost", [state("evicted", is_terminal=True, error={"message": "no room"})])
    with pytest.raises(ExecutionFailedError, match="no room"):
        executions.run(agent_id="lost", timeout=10, raise_on_failure=True)
    server.script("kept", [state("archived", is_terminal=True)])
    assert executions.run(agent_id="kept", timeout=10, raise_on_failure=True).status == "archived"


def test_success_is_returned_either_way(executions: Any) -> None:
    done = executions.run(agent_id="echo", input_data={"q": 1}, timeout=10, raise_on_failure=True)
    assert done.output_data == {"q": 1}
