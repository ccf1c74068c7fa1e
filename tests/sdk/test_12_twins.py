"""12. Sync and async have the same surface; `cancel` is safe to repeat, and can wait."""

import inspect
import re
from typing import Any

import pytest

from moderately import AsyncModeratelyAI, ConflictError, ModeratelyAI, TimeoutError  # noqa: A004
from moderately.client import (
    AgentExecutions,
    Agents,
    AsyncAgentExecutions,
    AsyncAgents,
    AsyncBoundExecution,
    AsyncEventStream,
    AsyncPaginatedResponse,
    AsyncTeamEventStream,
    BaseResource,
    BoundExecution,
    EventStream,
    PaginatedResponse,
    TeamEventStream,
)
from moderately.testing import FakeServer
from moderately.testing.faults import drop, hang, reply
from moderately.testing.states import completed, running

PAIRS = [
    (ModeratelyAI, AsyncModeratelyAI),
    (AgentExecutions, AsyncAgentExecutions),
    (Agents, AsyncAgents),
    (EventStream, AsyncEventStream),
    (TeamEventStream, AsyncTeamEventStream),
    (BoundExecution, AsyncBoundExecution),
    (PaginatedResponse, AsyncPaginatedResponse),
]
NAMES = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
NAMES |= {"__aiter__": "__iter__", "__anext__": "__next__"}


def surface(kind: type) -> dict[str, Any]:
    """Its public methods and properties, with their parameters, in the words of the sync twin."""
    found = {}
    for name, member in inspect.getmembers(kind):
        is_own = member is not getattr(object, name, None)
        if not is_own or (name.startswith("_") and name not in (*NAMES, *NAMES.values())):
            continue
        shown: Any = "property"
        if inspect.isfunction(member):
            parameters = str(inspect.signature(member)).partition(" ->")[0]
            shown = re.sub(r"\bAsync(?=[A-Z])|_async", "", parameters).replace("_sync", "")
        found[NAMES.get(name, name)] = shown
    return found


@pytest.mark.parametrize(("sync", "twin"), PAIRS)
def test_the_twins_have_the_same_surface(sync: type, twin: type) -> None:
    assert surface(sync) == surface(twin)
    assert surface(sync)


@pytest.mark.parametrize("name", ["agent_executions", "agents"])
def test_every_plain_call_can_be_had_raw(client: Any, name: str) -> None:
    resource = getattr(client, name)
    waits = {"wait_for_completion", "run", "wait_many", "as_completed", "stream", "stream_all"}
    kind = type(getattr(resource, "_inner", resource))
    plain = {name for name in surface(kind) if surface(kind)[name] != "property"} - waits
    raw = resource.with_raw_response
    assert vars(getattr(raw, "_inner", raw)).keys() == plain - {"with_raw_response"}


def test_the_contract_s_parameters_are_there() -> None:
    assert issubclass(AgentExecutions, BaseResource)
    contract = {
        "list": "agent_id status page page_size order_by order_direction",
        "retrieve": "execution_id",
        "create": "agent_id input_data properties",
        "cancel": "execution_id",
        "wait_for_completion": "execution_id timeout poll_interval",
    }
    for name, parameters in contract.items():
        found = inspect.signature(getattr(AgentExecutions, name)).parameters
        assert set(parameters.split()) <= set(found), name
    defaults = inspect.signature(AgentExecutions.wait_for_completion).parameters
    assert (defaults["timeout"].default, defaults["poll_interval"].default) == (None, 2.0)


def test_the_contract_s_defaults_are_sent(executions: Any, server: FakeServer) -> None:
    executions.list()
    assert server.requests[0].target == (
        "/agent-executions?page=1&page_size=10&order_by=created_at&order_direction=desc"
    )
    executions.list(agent_id="a", status=["failed", "cancelled"])
    assert "agent_id=a&status=failed&status=cancelled&" in server.requests[1].target


@pytest.mark.parametrize("fault", [drop(done=True), reply(503, done=True), reply(500, done=True)])
def test_a_cancel_that_landed_is_no_conflict(
    executions: Any, server: FakeServer, fault: Any
) -> None:
    made = executions.create(agent_id="sleeper")
    server.misbehave(fault, where="/cancel")
    assert executions.cancel(made.id, reason="enough").status == "cancelled"
    with pytest.raises(ConflictError) as caught:
        executions.cancel(made.id)
    assert caught.value.execution is not None
    assert caught.value.execution.status == "cancelled"


def test_a_cancel_that_landed_is_found_though_the_conflict_does_not_tell(
    executions: Any, server: FakeServer
) -> None:
    made = executions.create(agent_id="sleeper")
    server.misbehave(drop(done=True), reply(409), where="/cancel")
    assert executions.cancel(made.id).status == "cancelled"


def test_a_retry_that_finds_another_end_is_a_conflict(executions: Any, server: FakeServer) -> None:
    made = executions.run(agent_id="echo", timeout=10)
    server.misbehave(drop(), where="/cancel")
    with pytest.raises(ConflictError) as caught:
        executions.cancel(made.id)
    assert caught.value.execution is not None
    assert caught.value.execution.status == "completed"


def test_a_cancel_can_wait(executions: Any, server: FakeServer) -> None:
    server.script("slow", [running(0.2), completed()])
    made = executions.create(agent_id="slow")
    noted = reply(202, {**made, "status": "cancelling", "is_terminal": False})
    server.misbehave(noted, noted, where="/cancel")
    assert executions.cancel(made.id).status == "cancelling"
    assert executions.cancel(made.id, wait=True, timeout=10).status == "completed"


def test_a_cancel_has_a_deadline(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    server.misbehave(hang(), where="/cancel", always=True)
    with pytest.raises(TimeoutError, match=made.id):
        executions.cancel(made.id, timeout=0.2)
