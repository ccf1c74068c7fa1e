"""What the client raises.

ModeratelyError
├── TimeoutError                    a deadline passed (also the builtin TimeoutError)
└── APIError                        a call did not succeed
    ├── APIConnectionError          no reply
    │   └── ConnectionTimeoutError  none in time
    └── APIStatusError              a reply that says no
        ├── ValidationError             400: the request is wrong; `details` names each field
        ├── AuthenticationError         401: no valid key
        ├── PermissionDeniedError       403
        ├── NotFoundError               404: no such execution or agent
        ├── ConflictError               409: not in a state for that
        ├── UnprocessableEntityError    422: an idempotency key that was used with another body
        ├── RateLimitError              429: too many; `retry_after`
        └── ServerError                 5xx: not your fault
"""

import builtins
from collections.abc import Mapping
from typing import Any, Final

from moderately.client.models import AgentExecution

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "AuthenticationError",
    "ConflictError",
    "ConnectionTimeoutError",
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


class TimeoutError(ModeratelyError, builtins.TimeoutError):  # noqa: A001 - the contract's name
    """A deadline passed before the execution ended. The execution itself goes on.

    Attributes:
        execution: The execution as it was seen last; None if it was not seen.
    """

    def __init__(self, message: str, execution: AgentExecution | None = None) -> None:
        super().__init__(message)
        self.execution = execution


class APIError(ModeratelyError):
    """A call did not succeed."""


class APIConnectionError(APIError):
    """There was no reply: the service is not reachable, or hung up."""


class ConnectionTimeoutError(APIConnectionError):
    """There was no reply in time."""


class APIStatusError(APIError):
    """The service replied that it does not do it.

    Attributes:
        status_code: The HTTP status.
        code: The problem's stable code, such as `execution_terminal`; empty if there is none.
        details: One `{"field", "message"}` for each wrong field.
        request_id: What to name in a report; empty if there is none.
        body: The whole reply, as read from JSON.
        retry_after: When to try again, in seconds; None where the service does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        body: Mapping[str, Any],
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        details = body.get("details")
        self.status_code = status_code
        self.body = body
        self.code = str(body.get("code", ""))
        self.details: list[dict[str, str]] = details if isinstance(details, list) else []
        self.request_id = str(body.get("request_id", ""))
        self.retry_after = retry_after


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
        found = self.body.get("execution")
        return AgentExecution(found) if isinstance(found, dict) else None


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
_FIRST_SERVER_ERROR: Final = 500


def status_error(
    status: int, body: Mapping[str, Any], retry_after: float | None = None
) -> APIStatusError:
    """The error for a reply.

    Args:
        status: Its HTTP status.
        body: What it says, as read from JSON; empty if it is not JSON.
        retry_after: What its `Retry-After` says, in seconds.
    """
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = ServerError if status >= _FIRST_SERVER_ERROR else APIStatusError
    message = body.get("message") or body.get("detail") or f"The service replied {status}."
    return kind(str(message), status_code=status, body=body, retry_after=retry_after)
