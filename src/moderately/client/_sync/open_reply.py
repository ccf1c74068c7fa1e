"""Replies whose bodies are read as they come. `_async/open_reply.py` is its twin."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from moderately.client.failures import connection_error, late_error
from moderately.client.network import until
from moderately.client.replies import RawReply

if TYPE_CHECKING:
    from collections.abc import Callable

    from moderately.client._sync.io import HttpClient
    from moderately.client.requests import Outgoing

__all__ = ["OpenReply", "open_reply"]

T = TypeVar("T")


def open_reply(
    client: HttpClient, message: Outgoing, seconds: float | None, *, is_own: bool
) -> OpenReply:
    """Send a request, and read the reply up to its body.

    Args:
        client: What sends it.
        message: The request.
        seconds: How long it may take; None for as long as it likes.
        is_own: Whether the client was made by `io.make_client`. Any other one does not know the
            deadline: each of its reads, of the body too, may take `seconds`.

    Raises:
        ConnectionTimeoutError: If no reply begins in time.
        APIConnectionError: If there is none.
    """
    # What a read may take is told anew for each, where the connections know of deadlines.
    timeout = (seconds, None if is_own else seconds, seconds, seconds)
    return _within(seconds, message.base_url, partial(_open, client, message, timeout))


def _within(seconds: float | None, base_url: str, work: Callable[[], T]) -> T:
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        with until(deadline):
            return work()
    except Exception as error:
        if deadline is not None and time.monotonic() >= deadline:
            raise late_error(base_url, seconds or 0.0) from error
        failure = connection_error(error, base_url, seconds or 0.0)
        if failure is None:
            raise
        raise failure from error


class OpenReply:
    """A reply whose body is still on its way.

    Attributes:
        status: The HTTP status.
        headers: By name, in lower case.
    """

    def __init__(self, base_url: str, reply: Any) -> None:
        self.status = int(reply.status_code)
        self.headers = {name.lower(): value for name, value in reply.headers.items()}
        self._base_url = base_url
        self._reply = reply
        self._chunks = reply.iter_bytes()

    def read(self, seconds: float | None) -> bytes:
        """Read what comes next; nothing at the end.

        Args:
            seconds: How long to wait for it; None for as long as it likes.

        Raises:
            ConnectionTimeoutError: If nothing comes in time. The rest cannot be read any more.
            APIConnectionError: If the connection breaks.
        """
        return _within(seconds, self._base_url, lambda: bytes(next(self._chunks, b"")))

    def whole(self, deadline: float | None) -> RawReply:
        """Read the whole body, and be done.

        Args:
            deadline: Until when, on `time.monotonic()`; None for as long as it likes.

        Raises:
            APIConnectionError: If it does not come, or not in time.
        """
        chunks = []
        try:
            while chunk := self.read(deadline and deadline - time.monotonic()):
                chunks.append(chunk)
        finally:
            self.close()
        return RawReply(self.status, self.headers, b"".join(chunks), time.time())

    def close(self) -> None:
        """Hang up, unless all was read: then the connection is used again."""
        self._chunks.close()
        self._reply.close()


def _open(client: Any, message: Outgoing, timeout: tuple[float | None, ...]) -> OpenReply:
    request = client.build_request(
        message.method,
        message.url,
        content=message.body,
        headers=message.headers,
        timeout=timeout,
    )
    return OpenReply(message.base_url, client.send(request, stream=True))
