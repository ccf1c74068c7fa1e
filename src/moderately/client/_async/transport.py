"""Sends requests, again where that is safe and useful, within a deadline."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from moderately.client._async import io
from moderately.client._async.raw import capture
from moderately.client.errors import APIConnectionError, ModeratelyError
from moderately.client.failures import late_error
from moderately.client.log import log_failure, log_opened, log_reply, log_retry
from moderately.client.replies import is_stream
from moderately.client.requests import Outgoing, Request
from moderately.client.retries import retry_delay, should_retry, told_delay
from moderately.protocol.version import __version__

if TYPE_CHECKING:
    from moderately.client._async.open_reply import OpenReply
    from moderately.client.config import Config
    from moderately.client.options import Options
    from moderately.client.replies import RawReply

__all__ = ["AsyncConnections", "AsyncTransport"]

_AGENT: Final = f"moderately-python/{__version__}"
_LIBRARY_AGENTS: Final = ("python-httpx", "Python/")


class AsyncConnections:
    """The connections to a service, made on first use.

    They belong to where they were made: after a fork, and in another event loop, there are new
    ones. A client that was handed in is used as it is, and stays open.

    Args:
        given: The HTTP client to use, or the name of the kind to make.
        base_url: Where the service answers.
    """

    def __init__(self, given: io.HttpClient | str | None, base_url: str) -> None:
        self._base_url = base_url
        self._kind = given if isinstance(given, str) else "httpx2"
        self.is_own = given is None or isinstance(given, str)
        self._client = None if given is None or isinstance(given, str) else given
        self._home: object = None
        self._lock = io.Lock()
        self._is_closed = False

    def open(self) -> io.HttpClient:
        """The HTTP client.

        Raises:
            ModeratelyError: If it is closed.
        """
        client, home = self._client, io.home() if self.is_own else None
        if client is None or home != self._home:
            if self._home is not None and home != self._home:
                # Another process or thread may have held the old lock.
                self._lock = io.Lock()
            with self._lock:
                if not self._is_closed and (self._client is None or home != self._home):
                    self._client = io.make_client(self._kind, self._base_url)
                    self._home = home
                client = self._client
        if self._is_closed or client is None:
            raise ModeratelyError("the client is closed; make a new one")
        if not self.is_own and io.is_closed(client):
            raise ModeratelyError("the HTTP client that was handed in is closed")
        return client

    def headers(self) -> set[str]:
        """The names of the headers, in lower case, that a client handed in sends by itself."""
        if self._client is None or self.is_own:
            return set()
        return io.own_headers(self._client)

    def agent(self) -> str | None:
        """The `User-Agent` of a client handed in, where it is not just its library's."""
        if self._client is None or self.is_own:
            return None
        found = str(self._client.headers.get("user-agent") or "")
        return None if not found or found.startswith(_LIBRARY_AGENTS) else found

    async def aclose(self) -> None:
        """Close them, unless the HTTP client is the caller's own."""
        self._is_closed = True
        client, self._client = self._client, None
        if client is not None and self.is_own and self._home == io.home():
            await io.close(client)


class AsyncTransport:
    """Sends requests to one service.

    Args:
        config: Where it answers, and the key.
        options: How calls are made.
        connections: What they go over.
    """

    def __init__(self, config: Config, options: Options, connections: AsyncConnections) -> None:
        self.config = config
        self.options = options
        self.connections = connections
        self._headers = {"accept": "application/json", "user-agent": connections.agent() or _AGENT}
        # A client that was handed in keeps its own authentication.
        if config.api_key is not None and "authorization" not in connections.headers():
            self._headers["authorization"] = f"Bearer {config.api_key}"
        self._headers |= options.headers
        self._headers_with_body = {"content-type": "application/json", **self._headers}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config!r})"

    def with_options(self, options: Options) -> AsyncTransport:
        """The same connections, other options."""
        return AsyncTransport(self.config, options, self.connections)

    async def send(
        self,
        request: Request,
        *,
        hold: float = 0.0,
        deadline: float | None = None,
        max_retries: int | None = None,
    ) -> RawReply:
        """Send a request, and again if that may help.

        Args:
            request: The request.
            hold: How long the service is asked to hold the reply, in seconds.
            deadline: When to give up, on `time.monotonic()`.
            max_retries: How often to send it again; as the options say by default.

        Raises:
            APIConnectionError: If there was no reply.
            ModeratelyError: If the client is closed.
        """
        again = self.options.max_retries if max_retries is None else max_retries
        tries = 0
        while True:
            tries += 1
            found = await self._try(request, self._seconds(hold, deadline), tries)
            delay = retry_delay(tries, told_delay(found), random.random())  # noqa: S311
            is_late = deadline is not None and time.monotonic() + delay >= deadline
            if is_late or not should_retry(request, found, tries, again):
                break
            log_retry(request, delay, tries)
            await io.sleep(delay)
        if isinstance(found, APIConnectionError):
            raise found
        capture(found)
        return found

    def _seconds(self, hold: float, deadline: float | None) -> float | None:
        """How long one try may take."""
        seconds = None if self.options.timeout is None else self.options.timeout + hold
        if deadline is None:
            return seconds
        left = deadline - time.monotonic()
        return left if seconds is None else min(seconds, left)

    async def _try(
        self, request: Request, seconds: float | None, tries: int
    ) -> RawReply | APIConnectionError:
        client = self.connections.open()
        begun = time.monotonic()
        if seconds is not None and seconds <= 0:
            return late_error(self.config.base_url, 0.0, was_sent=False)
        message = self._outgoing(request)
        try:
            reply = await io.exchange(client, message, seconds, is_own=self.connections.is_own)
        except APIConnectionError as error:
            took = time.monotonic() - begun
            log_failure(request, type(error).__name__, took, self.config.api_key)
            return error
        reply = replace(reply, tries=tries)
        log_reply(request, reply, time.monotonic() - begun, self.config.api_key)
        return reply

    def _outgoing(self, request: Request) -> Outgoing:
        headers = self._headers if request.body is None else self._headers_with_body
        return Outgoing(
            self.config.base_url,
            request.method,
            request.target,
            request.body,
            {**headers, **request.headers} if request.headers else headers,
        )

    async def open(
        self, request: Request, *, hold: float, deadline: float | None
    ) -> OpenReply | RawReply:
        """Send a request for a stream, once.

        Args:
            request: The request.
            hold: How long the service is asked to hold a reply that is no stream, in seconds.
            deadline: When to give up, on `time.monotonic()`.

        Returns:
            The stream; or the reply, where it is something else.

        Raises:
            APIConnectionError: If there was no reply.
            ModeratelyError: If the client is closed.
        """
        from moderately.client._async.open_reply import open_reply  # noqa: PLC0415 - for streams

        client, begun = self.connections.open(), time.monotonic()
        seconds = self._seconds(hold, deadline)
        if seconds is not None and seconds <= 0:
            raise late_error(self.config.base_url, 0.0, was_sent=False)
        message, is_own = self._outgoing(request), self.connections.is_own
        try:
            reply = await open_reply(client, message, seconds, is_own=is_own)
            if is_stream(reply.status, reply.headers):
                log_opened(request, reply.status, time.monotonic() - begun, self.config.api_key)
                return reply
            found = await reply.whole(None if seconds is None else begun + seconds)
        except APIConnectionError as error:
            took = time.monotonic() - begun
            log_failure(request, type(error).__name__, took, self.config.api_key)
            raise
        log_reply(request, found, time.monotonic() - begun, self.config.api_key)
        return found
