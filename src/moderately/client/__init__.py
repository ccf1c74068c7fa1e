"""The client SDK.

Names are loaded on first use: who writes synchronous code does not pay for the asynchronous twin.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moderately.client._async.agents import AsyncAgents
    from moderately.client._async.bound import AsyncBoundExecution
    from moderately.client._async.client import AsyncModeratelyAI
    from moderately.client._async.executions import AsyncAgentExecutions
    from moderately.client._async.paging import AsyncPaginatedResponse
    from moderately.client._async.resource import AsyncBaseResource
    from moderately.client._async.streaming import AsyncEventStream, AsyncTeamEventStream
    from moderately.client._sync.agents import Agents
    from moderately.client._sync.bound import BoundExecution
    from moderately.client._sync.client import ModeratelyAI
    from moderately.client._sync.executions import AgentExecutions
    from moderately.client._sync.paging import PaginatedResponse
    from moderately.client._sync.resource import BaseResource
    from moderately.client._sync.streaming import EventStream, TeamEventStream
    from moderately.client.errors import (
        APIConnectionError,
        APIError,
        APIStatusError,
        AuthenticationError,
        ConflictError,
        ConnectionTimeoutError,
        CursorResetError,
        ExecutionCancelledError,
        ExecutionError,
        ExecutionFailedError,
        ExecutionPausedError,
        InvalidReplyError,
        ModeratelyError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
        TimeoutError,  # noqa: A004
        UnprocessableEntityError,
        ValidationError,
    )
    from moderately.client.models import Agent, AgentExecution, ExecutionEvent, Pagination
    from moderately.client.replies import RawResponse
    from moderately.client.typed_events import (
        CustomEvent,
        ExecutionCancelledEvent,
        ExecutionCompletedEvent,
        ExecutionCreatedEvent,
        ExecutionFailedEvent,
        ExecutionMovedEvent,
        ExecutionParkedEvent,
        ExecutionPausedEvent,
        ExecutionReleasedEvent,
        ExecutionResumedEvent,
        ExecutionRetriedEvent,
        ExecutionStartedEvent,
        LogEvent,
        MessageEvent,
        ProgressEvent,
        StepCompletedEvent,
        StepDroppedEvent,
        StepFailedEvent,
        StepRetriedEvent,
        StepStartedEvent,
        TokenEvent,
        WaitStartedEvent,
    )

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "Agent",
    "AgentExecution",
    "AgentExecutions",
    "Agents",
    "AsyncAgentExecutions",
    "AsyncAgents",
    "AsyncBaseResource",
    "AsyncBoundExecution",
    "AsyncEventStream",
    "AsyncModeratelyAI",
    "AsyncPaginatedResponse",
    "AsyncTeamEventStream",
    "AuthenticationError",
    "BaseResource",
    "BoundExecution",
    "ConflictError",
    "ConnectionTimeoutError",
    "CursorResetError",
    "CustomEvent",
    "EventStream",
    "ExecutionCancelledError",
    "ExecutionCancelledEvent",
    "ExecutionCompletedEvent",
    "ExecutionCreatedEvent",
    "ExecutionError",
    "ExecutionEvent",
    "ExecutionFailedError",
    "ExecutionFailedEvent",
    "ExecutionMovedEvent",
    "ExecutionParkedEvent",
    "ExecutionPausedError",
    "ExecutionPausedEvent",
    "ExecutionReleasedEvent",
    "ExecutionResumedEvent",
    "ExecutionRetriedEvent",
    "ExecutionStartedEvent",
    "InvalidReplyError",
    "LogEvent",
    "MessageEvent",
    "ModeratelyAI",
    "ModeratelyError",
    "NotFoundError",
    "PaginatedResponse",
    "Pagination",
    "PermissionDeniedError",
    "ProgressEvent",
    "RateLimitError",
    "RawResponse",
    "ServerError",
    "StepCompletedEvent",
    "StepDroppedEvent",
    "StepFailedEvent",
    "StepRetriedEvent",
    "StepStartedEvent",
    "TeamEventStream",
    "TimeoutError",
    "TokenEvent",
    "UnprocessableEntityError",
    "ValidationError",
    "WaitStartedEvent",
]

_HOME = {
    "Agent": "models",
    "AgentExecution": "models",
    "AgentExecutions": "_sync.executions",
    "Agents": "_sync.agents",
    "AsyncAgentExecutions": "_async.executions",
    "AsyncAgents": "_async.agents",
    "AsyncBaseResource": "_async.resource",
    "AsyncBoundExecution": "_async.bound",
    "AsyncEventStream": "_async.streaming",
    "AsyncTeamEventStream": "_async.streaming",
    "BoundExecution": "_sync.bound",
    "TeamEventStream": "_sync.streaming",
    "AsyncModeratelyAI": "_async.client",
    "AsyncPaginatedResponse": "_async.paging",
    "BaseResource": "_sync.resource",
    "EventStream": "_sync.streaming",
    "ExecutionEvent": "models",
    "ModeratelyAI": "_sync.client",
    "PaginatedResponse": "_sync.paging",
    "Pagination": "models",
    "RawResponse": "replies",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME.get(name, "typed_events" if name.endswith("Event") else "errors")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
