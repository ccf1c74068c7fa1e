"""Brings a reader what it asks for: over a stream, or in pages where a service has no streams."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

from moderately.client._async import io
from moderately.client.errors import APIError
from moderately.client.reading import dropped
from moderately.client.replies import RawReply, is_held, read_object

if TYPE_CHECKING:
    from moderately.client._async.open_reply import OpenReply
    from moderately.client._async.transport import AsyncTransport
    from moderately.client.models import ExecutionEvent
    from moderately.client.reading import Reader

__all__ = ["AsyncFeed"]

_LAST_READS: Final = 3
_LAST_READ_SECONDS: Final = 0.2


class AsyncFeed:
    """Brings a reader what it asks for. What breaks is taken up again where the reader stands.

    Args:
        transport: Sends the requests.
        reader: What to ask for.
    """

    def __init__(self, transport: AsyncTransport, reader: Reader) -> None:
        self._transport = transport
        self._reader = reader
        self._reply: OpenReply | None = None
        self._pause = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether the reader has a place, which it goes on from."""
        return self._reader.has_begun

    async def bring(self) -> list[ExecutionEvent]:
        """Connect, or read once: what is new, if anything is.

        Raises:
            APIError: If to try again is of no use.
        """
        reader = self._reader
        pause, self._pause = self._pause, 0.0
        if pause:
            await io.sleep(min(pause, reader.deadline.left(time.monotonic())))
        chance = random.random()  # noqa: S311 - for spreading only
        try:
            if self._reply is None:
                self._pause = await self._open(chance)
            else:
                await self._read(self._reply)
        except APIError as error:
            await self._hang_up()
            self._pause = reader.failed(error, time.monotonic(), chance)
        return reader.collect()

    async def _open(self, chance: float) -> float:
        """Ask for what follows; says how long to sleep then, in seconds."""
        reader, begun = self._reader, time.monotonic()
        request, hold = reader.request(begun)
        found = await self._transport.open(
            request, hold=hold, deadline=reader.deadline.for_requests
        )
        if not isinstance(found, RawReply):
            self._reply = found
            reader.opened(time.monotonic())
            return 0.0
        page = read_object(found, "items")
        reader.read_page(page)
        took = time.monotonic() - begun
        if page["items"] or (is_held(found) and took >= hold / 2):
            return 0.0
        return reader.pause(took, chance)

    async def _read(self, reply: OpenReply) -> None:
        chunk = await reply.read(self._reader.patience(time.monotonic()))
        if not chunk:
            raise dropped(self._transport.config.base_url)
        self._reader.heard(chunk, time.monotonic())

    async def _hang_up(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            await reply.aclose()

    async def aclose(self) -> None:
        """Hang up; after a stream's end, so that the connection can be used again."""
        reply = self._reply
        try:
            reads = _LAST_READS if reply is not None and self._reader.is_over else 0
            while reply is not None and reads and await reply.read(_LAST_READ_SECONDS):
                reads -= 1
        except APIError:
            # There is nothing more to be had from it anyway.
            pass
        finally:
            await self._hang_up()
