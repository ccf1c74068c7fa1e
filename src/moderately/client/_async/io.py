"""What the asynchronous client does to the world: send, sleep. `_sync/io.py` is its twin."""

from __future__ import annotations

import asyncio
import contextlib
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from moderately.client.certificates import certificates
from moderately.client.errors import ModeratelyError
from moderately.client.failures import connection_error, late_error
from moderately.client.forks import generation
from moderately.client.models import WireObject
from moderately.client.replies import RawReply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator

    import aiohttp
    import httpx
    import httpx2

    from moderately.client._async.paging import AsyncPaginatedResponse
    from moderately.client.requests import Outgoing

    HttpClient = httpx2.AsyncClient | httpx.AsyncClient | aiohttp.ClientSession

__all__ = [
    "AsyncListing",
    "HttpClient",
    "Lock",
    "check_client",
    "close",
    "exchange",
    "home",
    "is_closed",
    "listing",
    "make_client",
    "own_headers",
    "shielded",
    "sleep",
]

T = TypeVar("T")
Item = TypeVar("Item", bound=WireObject)

_MAX_CONNECTIONS: Final = 1000
_KEPT_CONNECTIONS: Final = 100
_KEPT_SECONDS: Final = 4.0
_SHARE_OF_CONNECTING: Final = 0.95


class Lock(contextlib.nullcontext[None]):
    """No lock: between two awaits nobody else runs."""


async def sleep(seconds: float) -> None:
    """Sleep."""
    await asyncio.sleep(seconds)


def home() -> object:
    """Where connections belong: to this event loop, in this process."""
    return asyncio.get_running_loop(), generation()


def make_client(kind: str, base_url: str) -> HttpClient:
    """Make an HTTP client for a service: `httpx2`, or `aiohttp` where that is asked for."""
    if kind == "aiohttp":
        import aiohttp  # noqa: PLC0415 - an extra

        connector = aiohttp.TCPConnector(limit=_MAX_CONNECTIONS)
        return aiohttp.ClientSession(connector=connector, trust_env=True)
    import httpx2  # noqa: PLC0415 - slow to import: only when something is sent

    # A connection is given up before uvicorn, whose patience is 5 s, hangs up on it.
    limits = httpx2.Limits(
        max_connections=_MAX_CONNECTIONS,
        max_keepalive_connections=_KEPT_CONNECTIONS,
        keepalive_expiry=_KEPT_SECONDS,
    )
    return httpx2.AsyncClient(limits=limits, verify=certificates(base_url))


def check_client(given: object) -> None:
    """Refuse what cannot send asynchronously.

    Raises:
        TypeError: If it cannot.
        ValueError: If it is a name, of no kind that is known.
        ModeratelyError: If it is a name, of a library that is not installed.
    """
    if isinstance(given, str):
        if given not in ("httpx2", "aiohttp"):
            raise ValueError(f"http_client is a client, 'httpx2' or 'aiohttp'; not {given!r}")
        if find_spec(given) is None:
            raise ModeratelyError(f"{given} is not installed: pip install 'moderately[{given}]'")
    elif given is not None and not (hasattr(given, "aclose") or _is_aiohttp(given)):
        raise TypeError(f"http_client must be asynchronous; {type(given).__name__} is not")


def own_headers(client: HttpClient) -> set[str]:
    """The headers that a client has been given, in lower case; `authorization` for its `auth`."""
    found = {name.lower() for name in client.headers}
    return found | ({"authorization"} if client.auth is not None else set())


def is_closed(client: HttpClient) -> bool:
    """Whether it can send no more."""
    return bool(client.closed if _is_aiohttp(client) else client.is_closed)  # type: ignore[union-attr]


async def close(client: HttpClient) -> None:
    """Close its connections."""
    await (client.close() if _is_aiohttp(client) else client.aclose())  # type: ignore[union-attr]


def _is_aiohttp(client: object) -> bool:
    return type(client).__module__.startswith("aiohttp.")


async def exchange(
    client: HttpClient, message: Outgoing, seconds: float | None, *, is_own: bool
) -> RawReply:
    """Send a request and read the whole reply, within so many seconds.

    Args:
        client: What sends it.
        message: The request.
        seconds: How long it may take; None for as long as it likes.
        is_own: Whether the client was made by `make_client`.

    Raises:
        ConnectionTimeoutError: If the reply is not whole in time.
        APIConnectionError: If there is none.
    """
    del is_own
    send = _send_aiohttp if _is_aiohttp(client) else _send_httpx
    limit = asyncio.timeout(seconds)
    # A handshake that is interrupted from outside stays open: it ends by itself, just before.
    connect = None if seconds is None else seconds * _SHARE_OF_CONNECTING
    try:
        async with limit:
            return await send(client, message, connect)
    except Exception as error:
        if limit.expired():
            raise late_error(message.base_url, seconds or 0.0) from error
        failure = connection_error(error, message.base_url, seconds or 0.0)
        if failure is None:
            raise
        raise failure from error


async def _send_httpx(client: Any, message: Outgoing, connect: float | None) -> RawReply:
    reply = await client.request(
        message.method,
        message.url,
        content=message.body,
        headers=message.headers,
        timeout=(connect, None, None, None),
    )
    found = {name.lower(): value for name, value in reply.headers.items()}
    return RawReply(reply.status_code, found, reply.content, time.time())


async def _send_aiohttp(client: Any, message: Outgoing, connect: float | None) -> RawReply:
    import aiohttp  # noqa: PLC0415
    import yarl  # noqa: PLC0415

    async with client.request(
        message.method,
        yarl.URL(message.url, encoded=True),
        data=message.body,
        headers=message.headers,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(sock_connect=connect),
    ) as reply:
        found = {name.lower(): value for name, value in reply.headers.items()}
        return RawReply(reply.status, found, await reply.read(), time.time())


async def shielded(work: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T | None:
    """Do something to its end, though the task is being cancelled, within so many seconds.

    Returns:
        What it returned; None if it took too long.
    """
    task = asyncio.ensure_future(work())
    end = time.monotonic() + seconds
    while not task.done() and (left := end - time.monotonic()) > 0:
        # Whoever cancels again is answered by the error that is on its way already.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=left)
    if not task.done():
        task.cancel()
        return None
    return task.result()


class AsyncListing(Generic[Item]):
    """A list that is being asked for: await it for its first page, iterate for all items.

    Example:
        >>> page = await client.agent_executions.list(status="failed")
        >>> async for execution in client.agent_executions.list(status="failed"):
        ...     print(execution.id)
    """

    def __init__(self, fetch: Callable[[], Awaitable[AsyncPaginatedResponse[Item]]]) -> None:
        self._fetch = fetch

    def __await__(self) -> Generator[Any, None, AsyncPaginatedResponse[Item]]:
        return self._fetch().__await__()

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for item in await self._fetch():
            yield item


def listing(fetch: Callable[[], Awaitable[AsyncPaginatedResponse[Item]]]) -> AsyncListing[Item]:
    """Ask for a list, once somebody wants it."""
    return AsyncListing(fetch)
