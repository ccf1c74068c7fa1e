"""Streams of events."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Self

from moderately.client._sync.feed import Feed
from moderately.client.events import EventCursor

if TYPE_CHECKING:
    from moderately.client._sync.transport import Transport
    from moderately.client.models import ExecutionEvent
    from moderately.client.reading import Reader
    from moderately.client.team_events import TeamCursor

__all__ = ["EventStream", "TeamEventStream", "execution_stream"]


class _Stream(ABC):
    """What the streams have in common."""

    def __init__(self, transport: Transport, reader: Reader) -> None:
        self._feed = Feed(transport, reader)
        self._reader = reader
        self._ready: deque[ExecutionEvent] = deque()
        self._is_closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ExecutionEvent:
        reader = self._reader
        while not self._ready and not self._is_closed and not reader.is_over:
            self._ready.extend(self._feed.bring())
            now = time.monotonic()
            if not self._ready and not reader.is_over and not reader.deadline.left(now):
                self.close()
                raise reader.late(now)
        if self._is_closed or not self._ready:
            self.close()
            raise StopIteration
        event = self._ready.popleft()
        self._gave(event)
        return event

    @abstractmethod
    def _gave(self, event: ExecutionEvent) -> None:
        """Take note of an event that the caller gets."""

    def close(self) -> None:
        """End the stream. Closing twice does no harm."""
        self._is_closed = True
        self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class EventStream(_Stream):
    """The events of an execution as they come, each once, to the one that ends it.

    A lost connection is taken up again where it broke off. It is one connection for as long as the
    stream is read: leave early in a `with` statement, or with `close`, so that nothing stays open.

    Attributes:
        last_seq: The number of the last event that came: give it as `after` to go on later.

    Example:
        >>> with client.agent_executions.stream(execution.id) as events:
        ...     for event in events:
        ...         print(event.seq, event.type)
    """

    def __init__(self, transport: Transport, cursor: EventCursor) -> None:
        super().__init__(transport, cursor)
        self.last_seq = cursor.last_seq

    def _gave(self, event: ExecutionEvent) -> None:
        seq = event.get("seq")
        self.last_seq = self.last_seq if seq is None else seq


class TeamEventStream(_Stream):
    """The events of all executions as they come, in the order of their commits, without an end.

    A lost connection is taken up again where it broke off. It is one connection for as long as the
    stream is read: leave early in a `with` statement, or with `close`, so that nothing stays open.

    Example:
        >>> with client.agent_executions.stream_all(status="failed") as events:
        ...     for event in events:
        ...         print(event.execution_id, event.type, event.cursor)
    """

    def __init__(self, transport: Transport, cursor: TeamCursor) -> None:
        super().__init__(transport, cursor)
        self._cursor = cursor
        self._given = cursor.place

    @property
    def cursor(self) -> str | None:
        """The place behind the last event that came: give it as `after` to go on later.

        It moves on with the stream even while no event comes. None before the stream has begun.
        """
        return self._given if self._ready else self._cursor.place

    def _gave(self, event: ExecutionEvent) -> None:
        self._given = event.get("cursor") or self._given


def execution_stream(
    transport: Transport,
    execution_id: str,
    *,
    after: int,
    timeout: float | None,
    live: bool,
) -> EventStream:
    """A stream of an execution's events, from now on."""
    cursor = EventCursor(
        execution_id, after=after, timeout=timeout, live=live, now=time.monotonic()
    )
    return EventStream(transport, cursor)
