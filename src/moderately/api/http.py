"""Requests and replies: what lies between ASGI and the handlers.

A `Resource` is a path with a handler per method. It authenticates, calls the handler, and answers
whatever is refused as a problem (RFC 9457), so that a handler only reads a `Call` and returns a
`Reply`.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any, Final, TypeVar

from pydantic_core import to_json

from moderately.api.fields import Query, optional_seconds
from moderately.api.wire import execution_object
from moderately.domain.errors import (
    DomainError,
    ExecutionTerminal,
    InvalidRequest,
    Unauthenticated,
    Unavailable,
)
from moderately.protocol import routes
from moderately.protocol.problems import PROBLEM_MEDIA_TYPE, Code, Detail
from moderately.service import Principal, Service

__all__ = [
    "STATUS_OF",
    "ApiOptions",
    "Call",
    "Handler",
    "HungUp",
    "Receive",
    "Reply",
    "Resource",
    "Scope",
    "Send",
    "Wait",
    "json_reply",
    "problem",
]

T = TypeVar("T")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = logging.getLogger("moderately.api")

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
    Code.REQUEST_IN_PROGRESS: 409,
    Code.BODY_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.IDEMPOTENCY_KEY_REUSED: 422,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
}

_NOBODY: Final = Principal("", "")
_PATIENCE_SECONDS: Final = 0.5
_WAIT: Final = re.compile(r"""wait\s*=\s*"?(\d{1,9}(?:\.\d{1,6})?)"?\s*(?:;.*)?""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How the API behaves.

    Attributes:
        body_limit: The largest request body, in bytes.
        max_wait: The longest that a reply is held, in seconds.
        anonymous_team: The team of callers without a key; None where a key is asked for.
        version: The service's version.
    """

    body_limit: int
    max_wait: float
    anonymous_team: str | None
    version: str


@dataclass(slots=True)
class Reply:
    """A reply: its status, its body, and headers beside the content type."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class _TooLarge(DomainError):
    code = Code.BODY_TOO_LARGE


class _MediaType(DomainError):
    code = Code.UNSUPPORTED_MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a reply is held, in seconds, and whether the caller is told so."""

    seconds: float | None

    def tell(self, reply: Reply) -> Reply:
        """Say in a reply how long it was held at most (RFC 7240, section 3)."""
        if self.seconds is not None:
            reply.headers[routes.PREFERENCE_APPLIED] = f"wait={self.seconds:g}"
        return reply


@cache
def _wire_name(name: str) -> bytes:
    return name.lower().encode("ascii")


class Call:
    """A request: who asks, for what.

    Attributes:
        method: The HTTP method.
        identifier: The id in the path; empty where it has none.
        service: The use cases.
        options: How the API behaves.
        principal: Who asks, once that is known.
        request_id: The request's id.
    """

    __slots__ = (
        "_headers",
        "_query",
        "_receive",
        "identifier",
        "method",
        "options",
        "principal",
        "request_id",
        "service",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        service: Service,
        options: ApiOptions,
        identifier: str,
    ) -> None:
        self.method: str = scope["method"]
        self.identifier = identifier
        self.service = service
        self.options = options
        self.principal = _NOBODY
        self.request_id = ""
        self._receive = receive
        # Backwards, since of several with the same name the first one counts.
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        self._query: bytes | Query = scope["query_string"]

    @property
    def query(self) -> Query:
        """The query.

        Raises:
            InvalidRequest: If it cannot be read.
        """
        if isinstance(self._query, bytes):
            self._query = Query(self._query)
        return self._query

    def header(self, name: str) -> str | None:
        """A header's first value."""
        value = self._headers.get(_wire_name(name))
        return None if value is None else value.decode("latin-1")

    async def authenticate(self) -> None:
        """Find out who asks.

        Raises:
            Unauthenticated: If there is no key, or not a good one.
        """
        if self.options.anonymous_team is not None:
            self.principal = Principal(self.options.anonymous_team, "")
            return
        scheme, _, key = (self.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Unauthenticated("An API key is missing. Send one as 'Authorization: Bearer KEY'.")
        self.principal = await self.service.authenticate(key.strip())

    async def body(self) -> bytes:
        """The body, read no further than its limit.

        Raises:
            DomainError: If it is too large, or of a type that is not taken.
        """
        media_type = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if media_type not in ("", "application/json") and not media_type.endswith("+json"):
            raise _MediaType(f"The body must be application/json, not {media_type[:80]!r}.")
        if (self.header("content-encoding") or "identity").lower() != "identity":
            raise _MediaType("The body must not be compressed.")
        limit = self.options.body_limit
        declared = self.header("content-length") or "0"
        if declared.isdigit() and int(declared[:18]) > limit:
            raise self._too_large()
        chunks, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest.field("body", "ended early")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body"):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> DomainError:
        return _TooLarge(f"The body is larger than {self.options.body_limit} bytes.")

    def wait(self) -> Wait:
        """How long to hold the reply: `?wait=N`, or `Prefer: wait=N`, capped."""
        seconds = optional_seconds(self.query.one("wait"), "wait")
        if seconds is None and (prefer := self.header(routes.PREFER)) is not None:
            for preference in prefer.split(","):
                if match := _WAIT.fullmatch(preference.strip()):
                    seconds = float(match[1])
                    break
        return Wait(None if seconds is None else min(seconds, self.options.max_wait))

    async def held(
        self, work: Callable[[float | None], Awaitable[T]], wait: Wait, is_over: Callable[[T], bool]
    ) -> T:
        """Do something that may wait, unless the caller hangs up meanwhile.

        Most waits are short: only a caller who is kept waiting is listened to.

        Args:
            work: What to do, given how long it may wait, in seconds.
            wait: How long it may wait in all.
            is_over: Whether a result is worth no further waiting.
        """
        seconds, begun = wait.seconds, time.monotonic()
        found = await work(seconds and min(seconds, _PATIENCE_SECONDS))
        left = (seconds or 0) - (time.monotonic() - begun)
        if left <= 0 or is_over(found):
            return found
        listener = _Listener(self._receive)
        try:
            return await work(left)
        except asyncio.CancelledError:
            if listener.has_hung_up:
                raise HungUp from None
            raise
        finally:
            listener.stop()


class _Listener:
    """Cancels the task that made it when the caller hangs up."""

    def __init__(self, receive: Receive) -> None:
        self.has_hung_up = False
        self._receive = receive
        self._owner = asyncio.current_task()
        self._task = asyncio.get_running_loop().create_task(self._listen())

    def stop(self) -> None:
        self._task.cancel()

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.has_hung_up = True
        if self._owner is not None:
            self._owner.cancel()


class HungUp(Exception):
    """The caller is gone; there is nobody to answer."""


def json_reply(value: Any, status: int = 200) -> Reply:
    """A reply with a JSON body."""
    try:
        return Reply(status, to_json(value))
    except ValueError:
        # An agent's output may hold half a surrogate pair, which only an escape can carry, or nest
        # deeper than the fast encoder goes.
        return Reply(status, json.dumps(value, separators=(",", ":")).encode())


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


def _refusal(error: DomainError, request_id: str) -> Reply:
    extra = {}
    if isinstance(error, ExecutionTerminal):
        extra["execution"] = execution_object(error.execution)
    reply = _problem(error.code, error.message, request_id, error.details, extra)
    if isinstance(error, Unauthenticated):
        reply.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable):
        reply.headers[routes.RETRY_AFTER] = str(error.retry_after)
    if isinstance(error, _TooLarge):
        reply.headers["Connection"] = "close"
    return reply


Handler = Callable[[Call], Awaitable[Reply]]


class Resource:
    """What is at a path: a handler for each of its methods.

    Args:
        is_open: Whether no key is asked for.
        handlers: By method, in lower case.
    """

    def __init__(self, *, is_open: bool = False, **handlers: Handler) -> None:
        self._is_open = is_open
        self._handlers = {method.upper(): handler for method, handler in handlers.items()}
        if "GET" in self._handlers:
            self._handlers["HEAD"] = self._handlers["GET"]
        self._allow = ", ".join(sorted(self._handlers))

    async def answer(self, call: Call) -> Reply:
        """Answer a request.

        Raises:
            HungUp: If the caller did.
        """
        handler = self._handlers.get(call.method)
        if handler is None:
            return self._wrong_method(call)
        try:
            if not self._is_open:
                await call.authenticate()
            return await handler(call)
        except DomainError as error:
            return _refusal(error, call.request_id)
        except HungUp:
            raise
        except Exception:  # noqa: BLE001 - it is in the log, under the request's id
            name = call.request_id
            _log.exception("request %s failed", name)
            message = f"Something went wrong on our side. Report it with request id {name}."
            return problem(Code.INTERNAL, message, name)

    def _wrong_method(self, call: Call) -> Reply:
        message = f"{call.method} does not apply here; {self._allow} do."
        reply = problem(Code.METHOD_NOT_ALLOWED, message, call.request_id)
        reply.headers["Allow"] = self._allow
        return reply
