"""What the synchronous client does to the world: send, sleep. `_async/io.py` is its twin."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from moderately.client._sync.paging import PaginatedResponse
from moderately.client.certificates import certificates
from moderately.client.failures import connection_error, late_error
from moderately.client.forks import generation
from moderately.client.models import WireObject
from moderately.client.replies import RawReply

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    import httpx2

    from moderately.client.requests import Outgoing

    HttpClient = httpx2.Client | httpx.Client

__all__ = [
    "HttpClient",
    "Lock",
    "PaginatedResponse",
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

Lock = threading.Lock


def sleep(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)


def home() -> object:
    """Where connections belong: to this process."""
    return generation()


def make_client(kind: str, base_url: str) -> HttpClient:
    """Make an HTTP client for a service, whose connections keep deadlines."""
    del kind
    import httpx2  # noqa: PLC0415 - slow to import: only when something is sent

    from moderately.client.network import fit_deadlines  # noqa: PLC0415

    # A connection is given up before uvicorn, whose patience is 5 s, hangs up on it.
    limits = httpx2.Limits(
        max_connections=_MAX_CONNECTIONS,
        max_keepalive_connections=_KEPT_CONNECTIONS,
        keepalive_expiry=_KEPT_SECONDS,
    )
    client = httpx2.Client(limits=limits, verify=certificates(base_url))
    fit_deadlines(client)
    return client


def check_client(given: object) -> None:
    """Refuse what cannot send synchronously.

    Raises:
        TypeError: If it cannot.
        ValueError: If it is a name, of no kind that is known.
    """
    if isinstance(given, str):
        if given != "httpx2":
            raise ValueError(f"http_client is a client, or 'httpx2'; not {given!r}")
    elif (given is not None and not hasattr(given, "stream")) or hasattr(given, "aclose"):
        raise TypeError(f"http_client must be synchronous; {type(given).__name__} is not")


def own_headers(client: HttpClient) -> set[str]:
    """The headers that a client has been given, in lower case; `authorization` for its `auth`."""
    found = {name.lower() for name in client.headers}
    return found | ({"authorization"} if client.auth is not None else set())


def is_closed(client: HttpClient) -> bool:
    """Whether it can send no more."""
    return client.is_closed


def close(client: HttpClient) -> None:
    """Close its connections."""
    client.close()


def exchange(
    client: HttpClient, message: Outgoing, seconds: float | None, *, is_own: bool
) -> RawReply:
    """Send a request and read the whole reply, within so many seconds.

    Args:
        client: What sends it.
        message: The request.
        seconds: How long it may take; None for as long as it likes.
        is_own: Whether the client was made by `make_client`. Any other one does not know the
            deadline: each of its reads may take `seconds`.

    Raises:
        ConnectionTimeoutError: If the reply is not whole in time.
        APIConnectionError: If there is none.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    send = _send_within if is_own else _send_stepwise
    try:
        return send(client, message, seconds, deadline)
    except Exception as error:
        if deadline is not None and time.monotonic() >= deadline:
            raise late_error(message.base_url, seconds or 0.0) from error
        failure = connection_error(error, message.base_url, seconds or 0.0)
        if failure is None:
            raise
        raise failure from error


def _send_within(
    client: Any, message: Outgoing, seconds: float | None, deadline: float | None
) -> RawReply:
    from moderately.client.network import until  # noqa: PLC0415

    with until(deadline):
        reply = client.request(
            message.method,
            message.url,
            content=message.body,
            headers=message.headers,
            timeout=seconds,
        )
    found = {name.lower(): value for name, value in reply.headers.items()}
    return RawReply(reply.status_code, found, reply.content, time.time())


def _send_stepwise(
    client: Any, message: Outgoing, seconds: float | None, deadline: float | None
) -> RawReply:
    with client.stream(
        message.method,
        message.url,
        content=message.body,
        headers=message.headers,
        timeout=seconds,
    ) as reply:
        chunks = []
        for chunk in reply.iter_bytes():
            chunks.append(chunk)
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError
        found = {name.lower(): value for name, value in reply.headers.items()}
        return RawReply(reply.status_code, found, b"".join(chunks), time.time())


def shielded(work: Callable[[], T], seconds: float) -> T | None:
    """Do something to its end, though the program is being interrupted.

    Returns:
        What it returned; None if the user interrupts that, too.
    """
    del seconds
    try:
        return work()
    except KeyboardInterrupt:
        return None


def listing(fetch: Callable[[], PaginatedResponse[Item]]) -> PaginatedResponse[Item]:
    """Ask for a list."""
    return fetch()
