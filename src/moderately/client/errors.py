"""What the client raises.

ModeratelyError
├── TimeoutError                    a deadline passed (also the builtin TimeoutError)
├── ExecutionError                  an execution did not go as you asked; `execution` is how it went
│   ├── ExecutionFailedError        it failed (with `raise_on_failure=True`)
│   ├── ExecutionCancelledError     it was cancelled (with `raise_on_failure=True`)
│   └── ExecutionPausedError        it waits for a person (with `on_paused="raise"`)
└── APIError                        a call did not succeed
    ├── APIConnectionError          no reply
    │   └── ConnectionTimeoutError  none in time
    ├── InvalidReplyError           a reply that is not what the service sends: a proxy's page, say
    └── APIStatusError              a reply that says no
        ├── ValidationError             400: the request is wrong; `details` names each field
        ├── AuthenticationError         401: no valid key
        ├── PermissionDeniedError       403
        ├── NotFoundError               404: no such execution or agent
        ├── ConflictError               409: not in a state for that
        ├── CursorResetError            410: a place in the team's events that is gone; `cursor`
        ├── UnprocessableEntityError    422: an idempotency key that was used with another body
        ├── RateLimitError              429: too many; `retry_after`
        └── ServerError                 5xx: not your fault

Calls, waits and streams, synchronous or not, raise these. Each can be pickled.
"""

import builtins
from collections.abc import Mapping
from typing import Any, Final

from moderately.client.models import AgentExecution
from moderately.protocol.problems import Code

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "AuthenticationError",
    "ConflictError",
    "ConnectionTimeoutError",
    "CursorResetError",
    "ExecutionCancelledError",
    "ExecutionError",
    "ExecutionFailedError",
    "ExecutionPausedError",
    "InvalidReplyError",
    "ModeratelyError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "TimeoutError",
    "UnprocessableEntityError",
    "ValidationError",
    "status_error",
]


class ModeratelyError(Exception):
    """The base of all that the client raises.

    Attributes:
        message: One sentence for a person.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is copied by calling it with `args`, which keyword arguments are not in.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[ModeratelyError], args: tuple[Any, ...], state: dict[str, Any]
) -> ModeratelyError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class TimeoutError(ModeratelyError, builtins.TimeoutError):  # noqa: A001 - the contract's name
    """A deadline passed before the execution ended.

    Attributes:
        execution_id: Which one was waited for; of several, the first that had not ended. None if
            it was not created yet.
        execution: The execution as it was seen last; None if it was not seen.
        executions: All that were waited for, by id, as they were seen last.
        elapsed: How long was waited, in seconds.
    """

    def __init__(
        self,
        message: str,
        execution: AgentExecution | None = None,
        *,
        execution_id: str | None = None,
        executions: Mapping[str, AgentExecution | None] | None = None,
        elapsed: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.execution_id = execution_id
        self.execution = execution
        self.executions: dict[str, AgentExecution | None] = dict(executions or {})
        self.elapsed = elapsed


class ExecutionError(ModeratelyError):
    """An execution did not go as the caller asked.

    Attributes:
        execution: The execution, as it stands.
    """

    def __init__(self, message: str, execution: AgentExecution) -> None:
        super().__init__(message)
        self.execution = execution


class ExecutionFailedError(ExecutionError):
    """The execution failed; `execution.error` says why."""


class ExecutionCancelledError(ExecutionError):
    """The execution was cancelled; `execution.status_reason` says why."""


class ExecutionPausedError(ExecutionError):
    """The execution waits for a person; `execution.blocked_on` says for what."""


class APIError(ModeratelyError):
    """A call did not succeed.

    Attributes:
        status_code: The reply's HTTP status; None if there was no reply.
        code: The problem's stable code, such as `execution_terminal`; empty if there is none.
        body: The whole reply: as read from JSON, or as text; None if there was none.
        request_id: What to name in a report; empty if there is none.
        retry_after: When to try again, in seconds; None where the service does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        body: Any = None,
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        found = body if isinstance(body, Mapping) else {}
        self.status_code = status_code
        self.body = body
        self.code = str(found.get("code") or "")
        self.request_id = str(found.get("request_id") or request_id)
        self.retry_after = retry_after


class APIConnectionError(APIError):
    """There was no reply: the service is not reachable, or hung up.

    Attributes:
        was_sent: Whether the service may have got the request all the same.
    """

    def __init__(self, message: str, *, was_sent: bool = True) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class ConnectionTimeoutError(APIConnectionError):
    """There was no reply in time."""


class InvalidReplyError(APIError):
    """The reply says yes, but is not what the service sends. There is a proxy's page, perhaps."""


class APIStatusError(APIError):
    """The service replied that it does not do it.

    Attributes:
        details: One `{"field", "message"}` for each wrong field.
    """

    status_code: int

    @property
    def details(self) -> list[dict[str, str]]:
        """One `{"field", "message"}` for each wrong field."""
        found = self.body.get("details") if isinstance(self.body, Mapping) else None
        return found if isinstance(found, list) else []


class ValidationError(APIStatusError):
    """400: the request is wrong; `details` names each field."""


class AuthenticationError(APIStatusError):
    """401: there is no valid key."""


class PermissionDeniedError(APIStatusError):
    """403: the key may not do that."""


class NotFoundError(APIStatusError):
    """404: there is no such thing in the key's team."""


class ConflictError(APIStatusError):
    """409: the thing is not in a state for that.

    Attributes:
        execution: The execution as it stands, where the reply carries it.
    """

    @property
    def execution(self) -> AgentExecution | None:
        """The execution as it stands, where the reply carries it."""
        found = self.body.get("execution") if isinstance(self.body, Mapping) else None
        return AgentExecution(found) if isinstance(found, dict) else None


class CursorResetError(APIStatusError):
    """410: the place in the team's events is gone: the database was restored, or pruned.

    Attributes:
        cursor: The newest place. What happened up to it has to be found by looking.
    """

    @property
    def cursor(self) -> str:
        """The newest place; empty where the reply does not tell it: then go on from now."""
        found = self.body.get("cursor") if isinstance(self.body, Mapping) else None
        return found if isinstance(found, str) else ""


class UnprocessableEntityError(APIStatusError):
    """422: an idempotency key was used with another body."""


class RateLimitError(APIStatusError):
    """429: too many requests."""


class ServerError(APIStatusError):
    """5xx: the service could not."""


_BY_STATUS: Final[dict[int, type[APIStatusError]]] = {
    400: ValidationError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}
# What the service says goes before the status, which a gateway may have replaced by its own.
_BY_CODE: Final[dict[str, type[APIStatusError]]] = {
    Code.INVALID_REQUEST: ValidationError,
    Code.UNAUTHENTICATED: AuthenticationError,
    Code.FORBIDDEN: PermissionDeniedError,
    Code.NOT_FOUND: NotFoundError,
    Code.AGENT_NOT_FOUND: NotFoundError,
    Code.EXECUTION_NOT_FOUND: NotFoundError,
    Code.CONFLICT: ConflictError,
    Code.EXECUTION_TERMINAL: ConflictError,
    Code.EXECUTION_NOT_TERMINAL: ConflictError,
    Code.REQUEST_IN_PROGRESS: ConflictError,
    Code.CURSOR_RESET: CursorResetError,
    Code.IDEMPOTENCY_KEY_REUSED: UnprocessableEntityError,
    Code.RATE_LIMITED: RateLimitError,
}
_FIRST_SERVER_ERROR: Final = 500


def status_error(
    status: int,
    body: Any,
    message: str,
    *,
    request_id: str = "",
    retry_after: float | None = None,
) -> APIStatusError:
    """The error for a reply.

    Args:
        status: Its HTTP status.
        body: What it says: as read from JSON, or as text.
        message: The same in a sentence.
        request_id: Its `X-Request-Id`; the body's own goes before.
        retry_after: What its `Retry-After` says, in seconds.
    """
    code = body.get("code") if isinstance(body, Mapping) else None
    kind = _BY_CODE.get(code) if isinstance(code, str) else None
    kind = kind or _BY_STATUS.get(status)
    if kind is None:
        kind = ServerError if status >= _FIRST_SERVER_ERROR else APIStatusError
    return kind(
        message, status_code=status, body=body, request_id=request_id, retry_after=retry_after
    )
