"""Turns what a transport raises into the client's own errors. Pure.

By name: the transport may be `httpx2`, `httpx` or `aiohttp`, and none of them is imported for it.
"""

from typing import Final

from moderately.client.errors import APIConnectionError, ConnectionTimeoutError

__all__ = ["connection_error", "late_error"]

_TRANSPORTS: Final = frozenset({"httpx2", "httpx", "httpcore2", "httpcore", "aiohttp", "anyio"})
_TIMEOUTS: Final = frozenset({"TimeoutException", "TimeoutError", "ServerTimeoutError"})
# The request has not left the machine.
_UNSENT: Final = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ClientConnectorError", "UnsupportedProtocol"}
)


def connection_error(
    error: BaseException, base_url: str, seconds: float
) -> APIConnectionError | None:
    """The client's error for one of a transport's.

    Args:
        error: What was raised.
        base_url: Where the service should answer.
        seconds: How long it was given.

    Returns:
        The error; None if it is none of a transport's, but of the caller's own code.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    rooms = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if not rooms & _TRANSPORTS and not isinstance(error, OSError):
        return None
    was_sent = not names & _UNSENT
    if names & _TIMEOUTS:
        return late_error(base_url, seconds, was_sent=was_sent)
    reason = str(error) or type(error).__name__
    return APIConnectionError(
        f"Cannot reach the service at {base_url}: {reason}", was_sent=was_sent
    )


def late_error(base_url: str, seconds: float, *, was_sent: bool = True) -> ConnectionTimeoutError:
    """The error for a reply that did not come in time."""
    return ConnectionTimeoutError(
        f"No reply from {base_url} in {seconds:.3g} s.", was_sent=was_sent
    )
