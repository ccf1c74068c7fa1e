"""The objects of the wire, as the service sends them.

`TypedDict`s, because a reply is JSON: the service builds them, the client reads them, and neither
pays for a copy. Timestamps are UTC, ISO 8601 with `Z` and microseconds.
"""

import sys
from typing import Any, NotRequired

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:
    # Only this one tells Pydantic which fields are required.
    from typing_extensions import TypedDict

__all__ = [
    "AgentObject",
    "AgentVersionObject",
    "CurrentStep",
    "ErrorObject",
    "EventObject",
    "EventPage",
    "ExecutionObject",
    "ExecutionPage",
    "PageInfo",
    "StepObject",
    "StreamEndObject",
    "TeamEventObject",
    "TeamEventPage",
    "Usage",
]


class ErrorObject(TypedDict):
    """Why an execution or a step failed."""

    code: str
    message: str
    type: NotRequired[str]
    details: NotRequired[list[dict[str, Any]]]


class CurrentStep(TypedDict):
    """The step that an execution entered last."""

    id: str
    name: str


class Usage(TypedDict):
    """What an execution has used so far; of models, once its messages told. Cost in US dollars."""

    steps: int
    input_tokens: NotRequired[int]
    output_tokens: NotRequired[int]
    cost: NotRequired[float]


class ExecutionObject(TypedDict):
    """One run of an agent on one input."""

    id: str
    agent_id: str
    agent_version: str
    status: str
    is_terminal: bool
    status_reason: str | None
    blocked_on: dict[str, Any] | None
    input_data: dict[str, Any] | None
    output_data: Any
    error: ErrorObject | None
    metadata: dict[str, Any]
    usage: Usage
    current_step: CurrentStep | None
    attempt: int
    priority: int
    timeout_seconds: float | None
    max_steps: int | None
    retry: dict[str, Any] | None
    retries: int
    concurrency_key: str | None
    parent_id: str | None
    forked_from: str | None
    run_at: str | None
    created_at: str
    updated_at: str
    started_at: str | None
    paused_at: str | None
    completed_at: str | None
    failed_at: str | None
    cancelled_at: str | None


class PageInfo(TypedDict):
    """Where a page stands among all of them."""

    page: int
    page_size: int
    total_items: int
    total_pages: int
    has_next_page: bool
    has_previous_page: bool


class ExecutionPage(TypedDict):
    """One page of executions. `next_cursor` goes on from here, whatever is inserted meanwhile."""

    items: list[ExecutionObject]
    pagination: PageInfo
    next_cursor: str | None


class StepObject(TypedDict):
    """An entry of an execution's journal: a step, a wait, or a value on record."""

    id: str
    kind: str
    name: str
    status: str
    position: int | None
    fingerprint: str
    effects: str
    result: Any
    error: dict[str, Any] | None
    attempt: int
    tries: int
    wait: dict[str, Any] | None
    started_at: str
    ended_at: str | None
    duration_ms: float | None


class EventObject(TypedDict):
    """Something that happened to an execution; `seq` counts from 1 without a gap.

    One that is live only (`is_live`) is not on record: its `seq` is null, and `after` is the number
    of the newest recorded event before it.
    """

    execution_id: str
    seq: int | None
    type: str
    data: dict[str, Any]
    created_at: str
    after: NotRequired[int]
    is_live: NotRequired[bool]


class TeamEventObject(EventObject):
    """An event on the team's stream; `status` is the execution's after the commit it belongs to."""

    agent_id: str
    status: str


class EventPage(TypedDict):
    """Events in order. `next_after` is what to send as `after` for the ones that follow."""

    items: list[EventObject]
    next_after: int
    is_terminal: bool


class TeamEventPage(TypedDict):
    """Events of all executions in the order of commits. `next_after` is the cursor behind them."""

    items: list[TeamEventObject]
    next_after: str


class StreamEndObject(TypedDict):
    """What ends an execution's stream."""

    execution_id: str
    status: str
    last_seq: int


class AgentVersionObject(TypedDict):
    """An immutable version of an agent."""

    agent_id: str
    version: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    timeout_seconds: float | None
    max_concurrency: int | None
    fingerprint: str
    created_at: str


class AgentObject(TypedDict):
    """An agent, with its newest version's properties."""

    id: str
    name: str
    source: str
    version: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    timeout_seconds: float | None
    max_concurrency: int | None
    is_available: bool
    created_at: str
    updated_at: str
