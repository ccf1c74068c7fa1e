"""Problem replies: `application/problem+json` (RFC 9457) with stable codes."""

import sys
from enum import StrEnum
from typing import Any, Final, NotRequired

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:
    # Only this one tells Pydantic which fields are required.
    from typing_extensions import TypedDict

__all__ = ["PROBLEM_MEDIA_TYPE", "Code", "Detail", "Problem"]

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


class Code(StrEnum):
    """The machine-readable `code` of a problem. A code never changes its meaning."""

    INVALID_REQUEST = "invalid_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    AGENT_NOT_FOUND = "agent_not_found"
    EXECUTION_NOT_FOUND = "execution_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    CONFLICT = "conflict"
    CURSOR_RESET = "cursor_reset"
    EXECUTION_TERMINAL = "execution_terminal"
    EXECUTION_NOT_TERMINAL = "execution_not_terminal"
    REQUEST_IN_PROGRESS = "request_in_progress"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


class Detail(TypedDict):
    """One wrong field: its path (`input_data.question`) and what to do about it."""

    field: str
    message: str


class Problem(TypedDict):
    """The body of an error reply."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    message: str
    details: list[Detail]
    request_id: str
    execution: NotRequired[dict[str, Any]]
    cursor: NotRequired[str]
