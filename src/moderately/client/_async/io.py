"""What the asynchronous client does to the world: send, and sleep. `_sync/io.py` is its twin."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from moderately.client.decisions import RawReply, Request
from moderately.client.errors import APIConnectionError, ConnectionTimeoutError

if TYPE_CHECKING:
    import httpx2

__all__ = ["HttpClient", "exchange", "make_client", "sleep"]

if TYPE_CHECKING:
    HttpClient = httpx2.AsyncClient


async def sleep(seconds: float) -> None:
    """Sleep."""
    await asyncio.sleep(seconds)


def make_client() -> HttpClient:
    """Make an HTTP client."""
    import httpx2  # noqa: PLC0415 - slow to import: only when something is sent

    return httpx2.AsyncClient(follow_redirects=False)


async def exchange(
    client: HttpClient, base_url: str, request: Request, headers: dict[str, str], seconds: float
) -> RawReply:
    """Send a request and read the whole reply, within so many seconds.

    Raises:
        ConnectionTimeoutError: If the reply is not whole in time.
        APIConnectionError: If there is none.
    """
    import httpx2  # noqa: PLC0415

    try:
        async with asyncio.timeout(seconds):
            reply = await client.request(
                request.method,
                base_url + request.path,
                params=list(request.query) or None,
                content=request.body,
                headers={**headers, **request.headers},
                timeout=None,
            )
            found = {name.lower(): value for name, value in reply.headers.items()}
            return RawReply(reply.status_code, found, reply.content)
    except TimeoutError as error:
        raise ConnectionTimeoutError(f"No reply from {base_url} in {seconds:g} s.") from error
    except httpx2.TransportError as error:
        reason = str(error) or type(error).__name__
        raise APIConnectionError(f"Cannot reach the service at {base_url}: {reason}") from error
