"""What a user writes with the synchronous client. Checked by mypy and pyright, never run."""

from collections.abc import Iterator
from typing import Any, assert_type

import httpx
import httpx2

import moderately
from moderately import (
    Agent,
    AgentExecution,
    ConflictError,
    ExecutionEvent,
    ExecutionFailedError,
    ModeratelyAI,
    PaginatedResponse,
    RawResponse,
)
from moderately.client import (
    AgentExecutions,
    Agents,
    BoundExecution,
    EventStream,
    StepCompletedEvent,
    TeamEventStream,
    TokenEvent,
)
from moderately.protocol.events import StepCompletedData
from moderately.testing import FakeServer
from moderately.testing.faults import drop, reply
from moderately.testing.states import completed, running

client = ModeratelyAI(api_key="k", base_url="http://x", timeout=None, headers={"X-A": "1"})
ModeratelyAI(http_client=httpx2.Client())
ModeratelyAI(http_client=httpx.Client())

assert_type(client.agent_executions, AgentExecutions)
assert_type(client.agents, Agents)
assert_type(client.with_options(timeout=2, max_retries=0), ModeratelyAI)

executions = client.agent_executions
made = executions.create(agent_id="a", input_data={"q": 1}, priority=3, metadata={"a": "b"})
assert_type(made, BoundExecution)
assert_type(made.status, str)
assert_type(made.is_terminal, bool)
assert_type(made.output_data, Any)
assert_type(made.error, dict[str, Any] | None)
assert_type(made.completed_at, str | None)
assert_type(made["status"], Any)

assert_type(executions.retrieve("e"), BoundExecution)
assert_type(executions.cancel("e", reason="no", wait=True, timeout=5), BoundExecution)
assert_type(executions.resume("e", wait="review", value=1), BoundExecution)
assert_type(executions.fork("e", from_step=2), BoundExecution)
assert_type(executions.move("e", to="2"), BoundExecution)
assert_type(executions.steps("e"), list[dict[str, Any]])
assert_type(executions.events("e", wait=1.5), dict[str, Any])
assert_type(
    executions.wait_for_completion(
        "e",
        timeout=60,
        poll_interval=1,
        on_paused="return",
        on_timeout="cancel",
        on_interrupt="cancel",
        raise_on_failure=True,
    ),
    BoundExecution,
)
assert_type(executions.run(agent_id="a", input_data={}, timeout=60), BoundExecution)
assert_type(executions.wait_many(["e", "f"], timeout=60), list[BoundExecution])
assert_type(executions.as_completed(iter(["e"])), Iterator[BoundExecution])
executions.wait_for_completion("e", on_paused="hope")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

page = executions.list(status=["failed"], page_size=50)
assert_type(page, PaginatedResponse[BoundExecution])
assert_type(page.items, list[BoundExecution])
assert_type(page.pagination.total_items, int)
assert_type(page.next_page(), PaginatedResponse[BoundExecution] | None)
for execution in executions.list(status="failed"):
    assert_type(execution, BoundExecution)
for agent in client.agents.list():
    assert_type(agent, Agent)

with executions.stream("e", after=3, timeout=60) as events:
    assert_type(events, EventStream)
    for event in events:
        assert_type(event, ExecutionEvent)
        assert_type(event.seq, int | None)
        if isinstance(event, StepCompletedEvent):
            assert_type(event.data, StepCompletedData)
            assert_type(event.data["name"], str)
        elif isinstance(event, TokenEvent):
            assert_type(event.data["text"], str)

assert_type(made.events(after=3, live=True), EventStream)
made_plain: AgentExecution = made
with executions.stream_all(
    agent_id="a", status=["failed"], execution_ids=["e"], metadata={"a": "b"}, after="start"
) as everything:
    assert_type(everything, TeamEventStream)
    assert_type(everything.cursor, str | None)
    for event in everything:
        assert_type(event, ExecutionEvent)
        assert_type(event.cursor, str)

raw = executions.with_raw_response.create(agent_id="a", priority=1)
assert_type(raw, RawResponse[BoundExecution])
assert_type(raw.parse(), BoundExecution)
assert_type(raw.headers, dict[str, str])
assert_type(
    executions.with_raw_response.list(page=2), RawResponse[PaginatedResponse[BoundExecution]]
)
executions.with_raw_response.retrieve(7)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
assert_type(client.request("GET", "/agents", query={"page": 1}), RawResponse[Any])

try:
    executions.cancel("e")
except moderately.CursorResetError as error:
    assert_type(error.cursor, str)
except ConflictError as error:
    assert_type(error.execution, AgentExecution | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.status_code, int)
except ExecutionFailedError as error:
    assert_type(error.execution, AgentExecution)
except moderately.TimeoutError as error:
    assert_type(error.execution_id, str | None)
    assert_type(error.elapsed, float)

with FakeServer({"a": [running(0.2), completed({"n": 42})]}) as server:
    server.misbehave(drop(), reply(503, retry_after=0.1))
    assert_type(server.base_url, str)
