"""Replies, and the problems among them (RFC 9457)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from pydantic_core import to_json

from moderately.domain.errors import (
    CursorReset,
    DomainError,
    ExecutionTerminal,
    Unauthenticated,
    Unavailable,
)
from moderately.http.streams import Stream
from moderately.http.wire import execution_object
from moderately.protocol import routes
from moderately.protocol.problems import PROBLEM_MEDIA_TYPE, Code, Detail

__all__ = ["STATUS_OF", "Reply", "TooLarge", "json_bytes", "json_reply", "problem", "refusal"]

STATUS_OF: Final[Mapping[Code, int]] = {
    Code.INVALID_REQUEST: 400,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.AGENT_NOT_FOUND: 404,
    Code.EXECUTION_NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.NOT_ACCEPTABLE: 406,
    Code.CONFLICT: 409,
    Code.EXECUTION_TERMINAL: 409,
    Code.EXECUTION_NOT_TERMINAL: 409,
    Code.CURSOR_RESET: 410,
    Code.REQUEST_IN_PROGRESS: 409,
    Code.BODY_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.IDEMPOTENCY_KEY_REUSED: 422,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
}


@dataclass(slots=True)
class Reply:
    """A reply: its status, its body, and headers beside the content type.

    Attributes:
        stream: What goes on writing, in place of a body.
    """

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    stream: Stream | None = None


class TooLarge(DomainError):
    """A body is larger than is taken."""

    code = Code.BODY_TOO_LARGE


def json_bytes(value: Any) -> bytes:
    """JSON, for a reply."""
    try:
        return to_json(value)
    except ValueError:
        # An agent's output may hold half a surrogate pair, which only an escape can carry, or nest
        # deeper than the fast encoder goes.
        return json.dumps(value, separators=(",", ":")).encode()


def json_reply(value: Any, status: int = 200) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, json_bytes(value))


def problem(
    code: Code, message: str, request_id: str, details: list[Detail] | None = None
) -> Reply:
    """An error reply (RFC 9457)."""
    return _problem(code, message, request_id, details or [], {})


def _problem(
    code: Code, message: str, request_id: str, details: list[Detail], extra: dict[str, Any]
) -> Reply:
    status = STATUS_OF[code]
    reply = json_reply(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": message,
            "code": code.value,
            "message": message,
            "details": details,
            "request_id": request_id,
            **extra,
        },
        status,
    )
    reply.media_type = PROBLEM_MEDIA_TYPE
    return reply


def refusal(error: DomainError, request_id: str) -> Reply:
    """The reply to what was refused."""
    extra: dict[str, Any] = {}
    if isinstance(error, ExecutionTerminal):
        extra["execution"] = execution_object(error.execution)
    if isinstance(error, CursorReset):
        extra["cursor"] = error.cursor
    reply = _problem(error.code, error.message, request_id, error.details, extra)
    if isinstance(error, Unauthenticated):
        reply.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable):
        reply.headers[routes.RETRY_AFTER] = str(error.retry_after)
    if isinstance(error, TooLarge):
        reply.headers["Connection"] = "close"
    return reply
