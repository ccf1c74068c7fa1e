"""Streams of events."""

from __future__ import annotations

import random
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from moderately.client._sync import io
from moderately.client.errors import APIError
from moderately.client.replies import is_held, read_object

if TYPE_CHECKING:
    from moderately.client._sync.transport import Transport
    from moderately.client.events import EventCursor
    from moderately.client.models import ExecutionEvent

__all__ = ["EventStream"]


class EventStream:
    """The events of an execution as they come, each once, to the one that ends it.

    A lost connection is taken up again where it broke off. Leave early with `break`; or, so that
    nothing stays open, use it as a context manager.

    Attributes:
        last_seq: The number of the last event that came: give it as `after` to go on later.

    Example:
        >>> with client.agent_executions.stream(execution.id) as events:
        ...     for event in events:
        ...         print(event.seq, event.type)
    """

    def __init__(self, transport: Transport, cursor: EventCursor) -> None:
        self._transport = transport
        self._cursor = cursor
        self._ready: deque[ExecutionEvent] = deque()
        self._is_closed = False
        self.last_seq = cursor.last_seq

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ExecutionEvent:
        while not self._ready and not self._is_closed and not self._cursor.is_over:
            pause = self._fetch()
            left = self._cursor.deadline.left(time.monotonic())
            if not self._ready and not self._cursor.is_over and left <= 0:
                raise self._cursor.late(time.monotonic())
            if pause:
                io.sleep(min(pause, left))
        if self._is_closed or not self._ready:
            raise StopIteration
        event = self._ready.popleft()
        self.last_seq = event.get("seq", self.last_seq)
        return event

    def _fetch(self) -> float:
        """Fetch what follows; says how long to sleep then, in seconds."""
        cursor, begun = self._cursor, time.monotonic()
        request, hold = cursor.request(begun)
        chance = random.random()  # noqa: S311 - for spreading only
        try:
            reply = self._transport.send(
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

    def close(self) -> None:
        """End the stream. Closing twice does no harm."""
        self._is_closed = True
        self._ready.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
