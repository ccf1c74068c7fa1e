"""Moderately: run AI agents as durable jobs.

The client is imported from here (`ModeratelyAI`, `AsyncModeratelyAI`), and so is what agents are
written with (`agent`, `Context`, `SyncContext`; needs `pip install "moderately[server]"`). Each
name is loaded on first use, so that `import moderately` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from moderately.protocol.version import __version__

if TYPE_CHECKING:
    from moderately.client import (
        Agent,
        AgentExecution,
        APIConnectionError,
        APIError,
        APIStatusError,
        AsyncModeratelyAI,
        AuthenticationError,
        ConflictError,
        ConnectionTimeoutError,
        CursorResetError,
        ExecutionCancelledError,
        ExecutionError,
        ExecutionEvent,
        ExecutionFailedError,
        ExecutionPausedError,
        InvalidReplyError,
        ModeratelyAI,
        ModeratelyError,
        NotFoundError,
        PaginatedResponse,
        PermissionDeniedError,
        RateLimitError,
        RawResponse,
        ServerError,
        TimeoutError,  # noqa: A004
        UnprocessableEntityError,
        ValidationError,
    )
    from moderately.runtime import (
        Approval,
        ChildFailed,
        Context,
        Interrupted,
        NotJson,
        Parked,
        Retry,
        StepFailed,
        SyncContext,
        agent,
    )

_CLIENT: tuple[str, ...] = (
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "Agent",
    "AgentExecution",
    "AsyncModeratelyAI",
    "AuthenticationError",
    "ConflictError",
    "ConnectionTimeoutError",
    "CursorResetError",
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
    "PermissionDeniedError",
    "RateLimitError",
    "RawResponse",
    "ServerError",
    "TimeoutError",
    "UnprocessableEntityError",
    "ValidationError",
)
_RUNTIME: tuple[str, ...] = (
    "Approval",
    "ChildFailed",
    "Context",
    "Interrupted",
    "NotJson",
    "Parked",
    "Retry",
    "StepFailed",
    "SyncContext",
    "agent",
)
_HOME: dict[str, str] = {
    **dict.fromkeys(_CLIENT, "moderately.client"),
    **dict.fromkeys(_RUNTIME, "moderately.runtime"),
}

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "Agent",
    "AgentExecution",
    "Approval",
    "AsyncModeratelyAI",
    "AuthenticationError",
    "ChildFailed",
    "ConflictError",
    "ConnectionTimeoutError",
    "Context",
    "CursorResetError",
    "ExecutionCancelledError",
    "ExecutionError",
    "ExecutionEvent",
    "ExecutionFailedError",
    "ExecutionPausedError",
    "Interrupted",
    "InvalidReplyError",
    "ModeratelyAI",
    "ModeratelyError",
    "NotFoundError",
    "NotJson",
    "PaginatedResponse",
    "Parked",
    "PermissionDeniedError",
    "RateLimitError",
    "RawResponse",
    "Retry",
    "ServerError",
    "StepFailed",
    "SyncContext",
    "TimeoutError",
    "UnprocessableEntityError",
    "ValidationError",
    "__version__",
    "agent",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'moderately' has no attribute {name!r}") from None
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
