"""What the synchronous client does to the world: send, and sleep. `_async/io.py` is its twin."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moderately.client.decisions import RawReply, Request
from moderately.client.errors import APIConnectionError, ConnectionTimeoutError

if TYPE_CHECKING:
    import httpx2

__all__ = ["HttpClient", "exchange", "make_client", "sleep"]

if TYPE_CHECKING:
    HttpClient = httpx2.Client


def sleep(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)


def make_client() -> HttpClient:
    """Make an HTTP client."""
    import httpx2  # noqa: PLC0415 - slow to import: only when something is sent

    return httpx2.Client(follow_redirects=False)


def exchange(
    client: HttpClient, base_url: str, request: Request, headers: dict[str, str], seconds: float
) -> RawReply:
    """Send a request and read the whole reply, within so many seconds.

    Raises:
        ConnectionTimeoutError: If the reply is not whole in time.
        APIConnectionError: If there is none.
    """
    import httpx2  # noqa: PLC0415

    deadline = time.monotonic() + seconds
    late = f"No reply from {base_url} in {seconds:g} s."
    try:
        with client.stream(
            request.method,
            base_url + request.path,
            params=list(request.query) or None,
            content=request.body,
            headers={**headers, **request.headers},
            timeout=max(seconds, 0.001),
        ) as reply:
            chunks = []
            # Each read has the whole time-out again: a body that trickles is stopped here.
            for chunk in reply.iter_bytes():
                chunks.append(chunk)
                if time.monotonic() > deadline:
                    raise ConnectionTimeoutError(late)
            found = {name.lower(): value for name, value in reply.headers.items()}
            return RawReply(reply.status_code, found, b"".join(chunks))
    except httpx2.TimeoutException as error:
        raise ConnectionTimeoutError(late) from error
    except httpx2.TransportError as error:
        reason = str(error) or type(error).__name__
        raise APIConnectionError(f"Cannot reach the service at {base_url}: {reason}") from error
