"""Sends requests, again where that is safe and useful, within a deadline."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

from moderately.client._sync import io
from moderately.client.decisions import (
    RawReply,
    Request,
    retry_after,
    retry_delay,
    should_retry,
)
from moderately.client.errors import APIConnectionError, ConnectionTimeoutError, ModeratelyError
from moderately.protocol.version import __version__

if TYPE_CHECKING:
    from moderately.client.config import Config

__all__ = ["Transport"]

_AGENT: Final = f"moderately-python/{__version__}"


class Transport:
    """Sends requests to one service.

    Args:
        config: Where it answers, and the key.
        timeout: How long one request may take, in seconds.
        max_retries: How often a request is sent again.
        http_client: The HTTP client to use; one of its own by default.
    """

    def __init__(
        self,
        config: Config,
        *,
        timeout: float,
        max_retries: int,
        http_client: io.HttpClient | None = None,
    ) -> None:
        self._config = config
        self._timeout = timeout
        self._max_retries = max_retries
        self._client = http_client
        self._is_own = http_client is None
        self._is_closed = False
        self._headers = {"Accept": "application/json", "User-Agent": _AGENT}
        if config.api_key is not None:
            self._headers["Authorization"] = f"Bearer {config.api_key}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._config!r})"

    def send(
        self, request: Request, *, hold: float = 0.0, deadline: float | None = None
    ) -> tuple[RawReply, int]:
        """Send a request, and again if that may help.

        Args:
            request: The request.
            hold: How long the service is asked to hold the reply, in seconds.
            deadline: When to give up, on `time.monotonic()`.

        Returns:
            The reply, and how often the request was sent.

        Raises:
            APIConnectionError: If there was no reply.
            ModeratelyError: If the client is closed.
        """
        tries = 0
        while True:
            tries += 1
            status: int | None = None
            told: float | None = None
            seconds = self._timeout + hold
            if deadline is not None:
                seconds = min(seconds, deadline - time.monotonic())
            found = self._try(request, seconds)
            if isinstance(found, RawReply):
                status, told = found.status, retry_after(found)
            delay = retry_delay(tries, told, random.random())  # noqa: S311 - for spreading only
            is_late = deadline is not None and time.monotonic() + delay >= deadline
            if is_late or not should_retry(status, tries, self._max_retries):
                if isinstance(found, APIConnectionError):
                    raise found
                return found, tries
            io.sleep(delay)

    def _try(self, request: Request, seconds: float) -> RawReply | APIConnectionError:
        try:
            return self._exchange(request, seconds)
        except APIConnectionError as error:
            return error

    def _exchange(self, request: Request, seconds: float) -> RawReply:
        if self._is_closed:
            raise ModeratelyError("the client is closed; make a new one")
        if seconds <= 0:
            raise ConnectionTimeoutError("There was no time left to send the request.")
        if self._client is None:
            self._client = io.make_client()
        return io.exchange(self._client, self._config.base_url, request, self._headers, seconds)

    def close(self) -> None:
        """Close the connections, unless the HTTP client is the caller's own."""
        self._is_closed = True
        if self._client is not None and self._is_own:
            self._client.close()
            self._client = None
