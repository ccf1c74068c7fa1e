"""Streams of events."""

from __future__ import annotations

import random
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from moderately.client._async import io
from moderately.client.errors import APIError
from moderately.client.replies import is_held, read_object

if TYPE_CHECKING:
    from moderately.client._async.transport import AsyncTransport
    from moderately.client.events import EventCursor
    from moderately.client.models import ExecutionEvent

__all__ = ["AsyncEventStream"]


class AsyncEventStream:
    """The events of an execution as they come, each once, to the one that ends it.

    A lost connection is taken up again where it broke off. Leave early with `break`; or, so that
    nothing stays open, use it as a context manager.

    Attributes:
        last_seq: The number of the last event that came: give it as `after` to go on later.

    Example:
        >>> async with client.agent_executions.stream(execution.id) as events:
        ...     async for event in events:
        ...         print(event.seq, event.type)
    """

    def __init__(self, transport: AsyncTransport, cursor: EventCursor) -> None:
        self._transport = transport
        self._cursor = cursor
        self._ready: deque[ExecutionEvent] = deque()
        self._is_closed = False
        self.last_seq = cursor.last_seq

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ExecutionEvent:
        while not self._ready and not self._is_closed and not self._cursor.is_over:
            pause = await self._fetch()
            left = self._cursor.deadline.left(time.monotonic())
            if not self._ready and not self._cursor.is_over and left <= 0:
                raise self._cursor.late(time.monotonic())
            if pause:
                await io.sleep(min(pause, left))
        if self._is_closed or not self._ready:
            raise StopAsyncIteration
        event = self._ready.popleft()
        self.last_seq = event.get("seq", self.last_seq)
        return event

    async def _fetch(self) -> float:
        """Fetch what follows; says how long to sleep then, in seconds."""
        cursor, begun = self._cursor, time.monotonic()
        request, hold = cursor.request(begun)
        chance = random.random()  # noqa: S311 - for spreading only
        try:
            reply = await self._transport.send(
                request, hold=hold, deadline=cursor.deadline.for_requests, max_retries=0
            )
            new = cursor.take(read_object(reply, "items"))
        except APIError as error:
            return cursor.failed(error, time.monotonic(), chance)
        self._ready.extend(new)
        took = time.monotonic() - begun
        if new or (is_held(reply) and took >= hold / 2):
            return 0.0
        return cursor.pause(took, chance)

    async def aclose(self) -> None:
        """End the stream. Closing twice does no harm."""
        self._is_closed = True
        self._ready.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()
