"""Requests: what a handler reads, and how it waits."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from moderately.domain.errors import DomainError, InvalidRequest, Unauthenticated
from moderately.http.browsers import check_name, check_site
from moderately.http.fields import Query, optional_seconds, read_form
from moderately.http.replies import Reply, TooLarge
from moderately.protocol import routes
from moderately.protocol.problems import Code
from moderately.service import Principal, Service

__all__ = ["ApiOptions", "Call", "HungUp", "Receive", "Scope", "Send", "Wait"]

T = TypeVar("T")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_NOBODY: Final = Principal("", "")
_PATIENCE_SECONDS: Final = 0.5
_WAIT: Final = re.compile(r"""wait\s*=\s*"?(\d{1,9}(?:\.\d{1,6})?)"?\s*(?:;.*)?""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How the API behaves.

    Attributes:
        body_limit: The largest request body, in bytes.
        max_wait: The longest that a reply is held, in seconds.
        heartbeat: After how much silence a stream says that it is alive, in seconds.
        anonymous_team: The team of callers without a key; None where a key is asked for.
        version: The service's version.
    """

    body_limit: int
    max_wait: float
    heartbeat: float
    anonymous_team: str | None
    version: str


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
        "_form",
        "_headers",
        "_query",
        "_receive",
        "_scope",
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
        self._scope = scope
        self._form: dict[str, list[str]] | None = None
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

    @property
    def target(self) -> str:
        """The path with its query, as they came."""
        path: bytes = self._scope.get("raw_path") or b"/"
        query: bytes = self._scope["query_string"]
        return (path + b"?" + query if query else path).decode("latin-1")

    @property
    def is_secure(self) -> bool:
        """Whether it came by TLS to this process; what a proxy says is not trusted."""
        return self._scope.get("scheme") == "https"

    def header(self, name: str) -> str | None:
        """A header's first value."""
        value = self._headers.get(_wire_name(name))
        return None if value is None else value.decode("latin-1")

    async def authenticate(self) -> None:
        """Find out who asks.

        Raises:
            Unauthenticated: If there is no key, or not a good one.
            Forbidden: If no key is asked for, and another site may ask through somebody's browser.
        """
        if self.options.anonymous_team is not None:
            check_name(self.header)
            # What only reads, another site's page can send, but not read the answer.
            if self.method not in ("GET", "HEAD"):
                check_site(self.header)
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
        media_type = self._media_type()
        if media_type not in ("", "application/json") and not media_type.endswith("+json"):
            raise _MediaType(f"The body must be application/json, not {media_type[:80]!r}.")
        return await self._read_body()

    async def form(self) -> dict[str, list[str]]:
        """The fields of a form that was sent, with all their values; read once, and kept.

        Raises:
            DomainError: If it is too large, or no form.
        """
        if self._form is None:
            if self._media_type() != "application/x-www-form-urlencoded":
                raise _MediaType("The body must be a form: application/x-www-form-urlencoded.")
            self._form = read_form(await self._read_body())
        return self._form

    def _media_type(self) -> str:
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    async def _read_body(self) -> bytes:
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
        return TooLarge(f"The body is larger than {self.options.body_limit} bytes.")

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
