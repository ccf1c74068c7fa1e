"""uvicorn's HTTP/1.1, but that a reply's head and body leave together, and streams are pushed."""

import asyncio
from collections.abc import Callable
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from moderately.http.streams import OUTLET

__all__ = ["HttpProtocol", "WholeReplies"]


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with one call of the system for each reply, and an outlet for streams.

    uvicorn writes a head and a body on their own; and what it writes must be awaited, which costs
    more than the writing where hundreds of readers get the same.
    """

    _on_lost: Callable[[], None] | None = None
    _extensions: dict[str, dict[object, object]]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller has connected."""
        self._extensions = {OUTLET: {"self": self}}
        super().connection_made(cast("asyncio.Transport", WholeReplies(transport, self.loop)))

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has gone."""
        super().connection_lost(exc)
        self.notify(None)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    # The outlet: see `moderately.http.streams.Outlet`.

    @property
    def is_full(self) -> bool:
        """Whether the reader is slower than what is written."""
        return self.flow.write_paused

    @property
    def is_lost(self) -> bool:
        """Whether the reader has gone."""
        return self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write a chunk, to a reader that is there."""
        if not self.transport.is_closing():
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def drain(self) -> None:
        """Wait until the reader has taken enough."""
        await self.flow.drain()

    def notify(self, on_lost: Callable[[], None] | None) -> None:
        """Call this when the reader goes; at once if it has gone."""
        before, self._on_lost = self._on_lost, on_lost
        if before is not None and on_lost is None:
            before()

    def abort(self) -> None:
        """Break off."""
        self.transport.abort()


class WholeReplies:
    """A transport that holds a head back until its body comes, or until the loop's next turn.

    Args:
        transport: Where it all goes.
        loop: Its event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._head = b""
        self.abort = transport.abort
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Write, or keep for a moment."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close once all is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")
