"""A network backend that knows the deadline, for the synchronous client.

A time-out of the transport is for one read: a reply that dribbles can take for ever, and so can a
header. Here each operation gets what is left until the deadline of the request that it is for.
Name resolution is not interrupted. (`asyncio` interrupts everything by itself.)
"""

from __future__ import annotations

import contextlib
import socket
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import httpcore2

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

    import httpx2

__all__ = ["fit_deadlines", "until"]

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
_CHUNK: Final = 64 * 1024


@contextlib.contextmanager
def until(deadline: float | None) -> Iterator[None]:
    """Everything within ends at `deadline`, on `time.monotonic()`."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("the deadline has passed")
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces: the time-out of a write is for each of its parts that the system takes.
        for start in range(0, len(buffer), _CHUNK):
            left = _left(timeout, httpcore2.WriteTimeout)
            self._stream.write(buffer[start : start + _CHUNK], left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self) -> None:
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        # One address after the other: the time-out of a connect is for each of a name's addresses.
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        options = list(socket_options or [])
        failure: Exception | None = None
        for address in dict.fromkeys(str(one[4][0]) for one in found):
            try:
                left = _left(timeout, httpcore2.ConnectTimeout)
                stream = self._backend.connect_tcp(address, port, left, local_address, options)
                return _Stream(stream)
            except httpcore2.ConnectError as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._backend.connect_unix_socket(path, left, socket_options))


def fit_deadlines(client: httpx2.Client) -> None:
    """Let a new client's connections, through proxies too, keep the deadlines of `until`.

    `httpx2` takes no network backend; its pools do. A release that moves this seam is caught by
    the tests of the deadline.
    """
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Backend()  # noqa: SLF001
