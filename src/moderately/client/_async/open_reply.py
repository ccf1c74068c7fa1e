"""Replies whose bodies are read as they come. `_sync/open_reply.py` is its twin."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from moderately.client.failures import connection_error, late_error
from moderately.client.replies import RawReply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from moderately.client._async.io import HttpClient
    from moderately.client.requests import Outgoing

__all__ = ["OpenReply", "open_reply"]

T = TypeVar("T")

_SHARE_OF_CONNECTING: Final = 0.95


async def open_reply(
    client: HttpClient, message: Outgoing, seconds: float | None, *, is_own: bool
) -> OpenReply:
    """Send a request, and read the reply up to its body.

    Args:
        client: What sends it.
        message: The request.
        seconds: How long it may take; None for as long as it likes.
        is_own: Whether the client was made by `io.make_client`.

    Raises:
        ConnectionTimeoutError: If no reply begins in time.
        APIConnectionError: If there is none.
    """
    del is_own
    send = _open_aiohttp if type(client).__module__.startswith("aiohttp.") else _open_httpx
    # A handshake that is interrupted from outside stays open: it ends by itself, just before.
    connect = None if seconds is None else seconds * _SHARE_OF_CONNECTING
    return await _within(seconds, message.base_url, partial(send, client, message, connect))


async def _within(seconds: float | None, base_url: str, work: Callable[[], Awaitable[T]]) -> T:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work()
    except Exception as error:
        if limit.expired():
            raise late_error(base_url, seconds or 0.0) from error
        failure = connection_error(error, base_url, seconds or 0.0)
        if failure is None:
            raise
        raise failure from error


class OpenReply(ABC):
    """A reply whose body is still on its way.

    Attributes:
        status: The HTTP status.
        headers: By name, in lower case.
    """

    def __init__(self, base_url: str, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self._base_url = base_url

    async def read(self, seconds: float | None) -> bytes:
        """Read what comes next; nothing at the end.

        Args:
            seconds: How long to wait for it; None for as long as it likes.

        Raises:
            ConnectionTimeoutError: If nothing comes in time. The rest cannot be read any more.
            APIConnectionError: If the connection breaks.
        """
        return await _within(seconds, self._base_url, self._next)

    async def whole(self, deadline: float | None) -> RawReply:
        """Read the whole body, and be done.

        Args:
            deadline: Until when, on `time.monotonic()`; None for as long as it likes.

        Raises:
            APIConnectionError: If it does not come, or not in time.
        """
        chunks = []
        try:
            while chunk := await self.read(deadline and deadline - time.monotonic()):
                chunks.append(chunk)
        finally:
            await self.aclose()
        return RawReply(self.status, self.headers, b"".join(chunks), time.time())

    @abstractmethod
    async def _next(self) -> bytes:
        """The next bytes; none at the end."""

    @abstractmethod
    async def aclose(self) -> None:
        """Hang up, unless all was read: then the connection is used again."""


class _HttpxReply(OpenReply):
    def __init__(self, base_url: str, reply: Any) -> None:
        super().__init__(base_url, reply.status_code, reply.headers)
        self._reply = reply
        self._chunks = reply.aiter_bytes()

    async def _next(self) -> bytes:
        return bytes(await anext(self._chunks, b""))

    async def aclose(self) -> None:
        await self._chunks.aclose()
        await self._reply.aclose()


class _AiohttpReply(OpenReply):
    def __init__(self, base_url: str, reply: Any) -> None:
        super().__init__(base_url, reply.status, reply.headers)
        self._reply = reply

    async def _next(self) -> bytes:
        return bytes(await self._reply.content.readany())

    async def aclose(self) -> None:
        self._reply.close()

    def __del__(self) -> None:
        # Who leaves a loop with `break` has nothing to close.
        self._reply.close()


async def _open_httpx(client: Any, message: Outgoing, connect: float | None) -> OpenReply:
    request = client.build_request(
        message.method,
        message.url,
        content=message.body,
        headers=message.headers,
        timeout=(connect, None, None, None),
    )
    return _HttpxReply(message.base_url, await client.send(request, stream=True))


async def _open_aiohttp(client: Any, message: Outgoing, connect: float | None) -> OpenReply:
    import aiohttp  # noqa: PLC0415 - an extra
    import yarl  # noqa: PLC0415

    reply = await client.request(
        message.method,
        yarl.URL(message.url, encoded=True),
        data=message.body,
        headers=message.headers,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(sock_connect=connect),
    )
    return _AiohttpReply(message.base_url, reply)
