"""The client SDK.

Names are loaded on first use: who writes synchronous code does not pay for the asynchronous twin.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moderately.client._async.agents import AsyncAgents
    from moderately.client._async.client import AsyncModeratelyAI
    from moderately.client._async.executions import AsyncAgentExecutions
    from moderately.client._async.paging import AsyncPaginatedResponse
    from moderately.client._async.resource import AsyncBaseResource
    from moderately.client._async.streaming import AsyncEventStream
    from moderately.client._sync.agents import Agents
    from moderately.client._sync.client import ModeratelyAI
    from moderately.client._sync.executions import AgentExecutions
    from moderately.client._sync.paging import PaginatedResponse
    from moderately.client._sync.resource import BaseResource
    from moderately.client._sync.streaming import EventStream
    from moderately.client.errors import (
        APIConnectionError,
        APIError,
        APIStatusError,
        AuthenticationError,
        ConflictError,
        ConnectionTimeoutError,
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
    "AsyncEventStream",
    "AsyncModeratelyAI",
    "AsyncPaginatedResponse",
    "AuthenticationError",
    "BaseResource",
    "ConflictError",
    "ConnectionTimeoutError",
    "EventStream",
    "ExecutionCancelledError",
    "ExecutionError",
    "ExecutionEvent",
    "ExecutionFailedError",
    "ExecutionPausedError",
    "InvalidReplyError",
    "ModeratelyAI",
    "ModeratelyError",
    "NotFoundError",
    "PaginatedResponse",
    "Pagination",
    "PermissionDeniedError",
    "RateLimitError",
    "RawResponse",
    "ServerError",
    "TimeoutError",
    "UnprocessableEntityError",
    "ValidationError",
]

_HOME = {
    "Agent": "models",
    "AgentExecution": "models",
    "AgentExecutions": "_sync.executions",
    "Agents": "_sync.agents",
    "AsyncAgentExecutions": "_async.executions",
    "AsyncAgents": "_async.agents",
    "AsyncBaseResource": "_async.resource",
    "AsyncEventStream": "_async.streaming",
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
    value = getattr(import_module(f"{__name__}.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
