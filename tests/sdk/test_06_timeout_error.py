"""6. The timeout error is ours and the builtin one, and tells what is known."""

import builtins
import pickle
from typing import Any

import pytest

from moderately import ModeratelyError, TimeoutError  # noqa: A004
from moderately.testing import FakeServer
from moderately.testing.faults import drop, hang


def test_it_is_both_and_carries_what_is_known(executions: Any) -> None:
    made = executions.create(agent_id="sleeper")
    with pytest.raises(builtins.TimeoutError) as caught:
        executions.wait_for_completion(made.id, timeout=0.2)
    error = caught.value
    assert isinstance(error, TimeoutError)
    assert isinstance(error, ModeratelyError)
    assert error.execution_id == made.id
    assert error.execution is not None
    assert error.execution.status == "running"
    assert 0.2 <= error.elapsed < 2
    assert made.id in str(error)
    assert "running" in str(error)


def test_it_tells_why_nothing_was_seen(executions: Any, server: FakeServer) -> None:
    server.misbehave(drop(), always=True)
    with pytest.raises(TimeoutError, match="not seen: Cannot reach") as caught:
        executions.wait_for_completion("exec_1", timeout=0.2)
    assert caught.value.execution is None
    assert caught.value.execution_id == "exec_1"


def test_it_tells_that_the_execution_waits_for_a_person(executions: Any) -> None:
    made = executions.create(agent_id="asker")
    with pytest.raises(TimeoutError, match=r"paused.*review"):
        executions.wait_for_completion(made.id, timeout=0.2)


def test_of_many_it_tells_which(executions: Any) -> None:
    ended = executions.run(agent_id="echo", timeout=10)
    sleeper = executions.create(agent_id="sleeper")
    with pytest.raises(TimeoutError, match="1 of 2") as caught:
        executions.wait_many([ended.id, sleeper.id], timeout=0.3)
    assert caught.value.execution_id == sleeper.id
    found = {name: one and one.status for name, one in caught.value.executions.items()}
    assert found == {ended.id: "completed", sleeper.id: "running"}


def test_of_a_run_it_tells_that_nothing_was_confirmed(executions: Any, server: FakeServer) -> None:
    server.misbehave(hang(), always=True)
    with pytest.raises(TimeoutError, match="not confirmed") as caught:
        executions.run(agent_id="echo", timeout=0.05)
    assert caught.value.execution_id is None


def test_it_can_be_pickled(executions: Any) -> None:
    made = executions.create(agent_id="sleeper")
    with pytest.raises(TimeoutError) as caught:
        executions.wait_for_completion(made.id, timeout=0.1)
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert str(copy) == str(caught.value)
    assert copy.execution == caught.value.execution
    assert (copy.execution_id, copy.elapsed) == (made.id, caught.value.elapsed)
