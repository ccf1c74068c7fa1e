"""Replies that go on: events to a reader, as fast as it takes them, until they end."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from moderately.domain.errors import ExecutionNotFound
from moderately.service.told import Push, Told

__all__ = ["OUTLET", "Ending", "Outlet", "Source", "Stream"]

OUTLET: Final = "moderately.outlet"
"""The ASGI extension that gives a reply's connection to write to."""

_PATIENCE_SECONDS: Final = 60.0


class Outlet(Protocol):
    """A reply's connection. What is written to it goes out at once, in chunks (RFC 9112, 7.1)."""

    @property
    def is_full(self) -> bool:
        """Whether the reader is slower than what is written."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether the reader has gone."""
        ...

    def write(self, data: bytes) -> None:
        """Write a chunk, of one byte at least; nothing happens where the reader has gone."""
        ...

    async def drain(self) -> None:
        """Wait until the reader has taken enough."""
        ...

    def notify(self, on_lost: Callable[[], None]) -> None:
        """Call this when the reader goes."""
        ...

    def abort(self) -> None:
        """Break off, so that the reader can tell it from an end."""
        ...


class Source(Protocol):
    """Where events come from: `Following`, `TeamFollowing`."""

    @property
    def is_closed(self) -> bool:
        """Whether the service stops."""
        ...

    async def more(self) -> Sequence[Told] | None:
        """What follows; None where the reader has all there is."""
        ...

    async def rest(self, push: Push, seconds: float) -> None:
        """Push what comes, until it is too much at once, or for so many seconds."""
        ...

    def wake(self) -> None:
        """End a rest."""
        ...

    def close(self) -> None:
        """Follow no longer."""
        ...


Ending = Callable[[Told | None], bytes]
"""What to write behind an event (None: before any), if it is the last; else nothing."""


class Stream:
    """Writes a source's events to an outlet.

    Args:
        source: Where they come from.
        render: Makes a frame of an event.
        opening: What to write first.
        beat: What to write when nothing has come for a while.
        heartbeat: For how long, in seconds.
        ending: Says what ends the stream, and when.
    """

    def __init__(
        self,
        source: Source,
        render: Callable[[Told], bytes],
        *,
        opening: bytes,
        beat: Callable[[], bytes],
        heartbeat: float,
        ending: Ending = lambda _: b"",
    ) -> None:
        self._source = source
        self._render = render
        self._opening = opening
        self._beat = beat
        self._heartbeat = heartbeat
        self._ending = ending
        self._loop = asyncio.get_running_loop()
        self._written_at = 0.0
        self._is_over = False

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()

    async def run(self, outlet: Outlet) -> None:
        """Write until the end, or until the reader goes.

        Raises:
            DomainError: If the source cannot go on: the reader is to come again.
        """
        source = self._source
        outlet.notify(source.wake)
        self._put(outlet, self._opening)
        if end := self._ending(None):
            outlet.write(end)
            return

        def push(told: Sequence[Told]) -> bool:
            self._write(outlet, told)
            return not (outlet.is_full or self._is_over)

        while not (self._is_over or outlet.is_lost or source.is_closed):
            if outlet.is_full and not await _has_drained(outlet):
                return
            if self._silence_left() <= 0:
                self._put(outlet, self._beat())
            try:
                told = await source.more()
            except ExecutionNotFound:
                # It was deleted while it was read: a reader that comes again is told so.
                outlet.abort()
                return
            if told is None:
                await source.rest(push, self._silence_left())
            else:
                self._write(outlet, told)

    def _silence_left(self) -> float:
        """In how many seconds it is to be said that the stream is alive."""
        return self._written_at + self._heartbeat - self._loop.time()

    def _put(self, outlet: Outlet, data: bytes) -> None:
        self._written_at = self._loop.time()
        outlet.write(data)

    def _write(self, outlet: Outlet, told: Sequence[Told]) -> None:
        frames = [one.frame(self._render) for one in told]
        if told and (end := self._ending(told[-1])):
            self._is_over = True
            frames.append(end)
        if frames:
            self._put(outlet, frames[0] if len(frames) == 1 else b"".join(frames))


async def _has_drained(outlet: Outlet) -> bool:
    """Wait for a slow reader. One that takes nothing for long is given up: it can come again."""
    try:
        await asyncio.wait_for(outlet.drain(), _PATIENCE_SECONDS)
    except TimeoutError:
        outlet.abort()
        return False
    return True
