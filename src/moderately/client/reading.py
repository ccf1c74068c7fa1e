"""What a reader of a stream does next. Pure: time and chance are arguments.

The twins drive it: they ask for a request, tell what came of it, and sleep as told. `events.py` is
the stream of one execution, `team_events.py` that of a team.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from moderately.client.errors import (
    APIConnectionError,
    APIError,
    ConnectionTimeoutError,
    InvalidReplyError,
    TimeoutError,  # noqa: A004
)
from moderately.client.requests import list_request
from moderately.client.retries import poll_delay
from moderately.protocol import routes
from moderately.protocol.sse import MEDIA_TYPE, EventTooLargeError, Parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from moderately.client.models import ExecutionEvent
    from moderately.client.requests import Request
    from moderately.client.retries import Outage
    from moderately.client.waiting import Deadline
    from moderately.protocol.sse import ServerSentEvent

__all__ = ["ACCEPT", "SILENCE_SECONDS", "Reader", "checked", "dropped", "load"]

ACCEPT: Final = f"{MEDIA_TYPE}, application/json;q=0.5"
"""What a reader accepts: a stream, or else a page."""

SILENCE_SECONDS: Final = 45.0
"""A stream that says nothing for so long is dead: three of the service's heartbeats."""

_POLL_INTERVAL: Final = 2.0
_STEADY_SECONDS: Final = 5.0
_LONGEST_RETRY: Final = 60.0


class Reader(ABC):
    """Where a reader of events stands.

    Args:
        deadline: Until when.
        outage: Which failures to bear.

    Attributes:
        is_over: Whether nothing follows.
    """

    def __init__(self, deadline: Deadline, outage: Outage) -> None:
        self.deadline = deadline
        self.is_over = False
        # Who looks once wants a page: a stream does not say when all on record was told.
        self._is_paged = deadline.timeout == 0
        self._outage = outage
        self._polls = 0
        self._parser = Parser()
        self._retry = 0.0
        self._opened = 0.0
        self._new: list[ExecutionEvent] = []

    @property
    def has_begun(self) -> bool:
        """Whether it has a place, which it goes on from."""
        return True

    @abstractmethod
    def request(self, now: float) -> tuple[Request, float]:
        """The request for what follows, and how long the service may hold it, in seconds."""

    @abstractmethod
    def take(self, page: Mapping[str, Any]) -> list[ExecutionEvent]:
        """Take note of a page; returns the events that are new."""

    @abstractmethod
    def take_frame(self, frame: ServerSentEvent) -> ExecutionEvent | None:
        """Take note of what the stream says; returns the event if it is a new one."""

    @abstractmethod
    def late(self, now: float) -> TimeoutError:
        """The error of a reader whose time is up."""

    def patience(self, now: float) -> float:
        """How long to wait for the stream to say anything, in seconds."""
        return min(SILENCE_SECONDS, self.deadline.left(now))

    def asked(self, path: str, query: Mapping[str, Any], limit: int, hold: float) -> Request:
        """The request for a stream; for a page, where a service was found to have no streams.

        Args:
            path: The path.
            query: What both take.
            limit: How many events a page has at most.
            hold: How long the service may hold a page back, in seconds.
        """
        if self._is_paged:
            return list_request(path, **query, limit=limit, wait=f"{hold:.3f}")
        headers = {"accept": ACCEPT}
        if self._opened and query.get("after"):
            # As any reader of such streams that was cut off (WHATWG HTML, section 9.2.4).
            headers[routes.LAST_EVENT_ID.lower()] = str(query["after"])
        return replace(list_request(path, **query), headers=headers)

    def opened(self, now: float) -> None:
        """Note that a stream has begun."""
        self._parser = Parser()
        self._opened = now

    @abstractmethod
    def moved(self, place: str) -> None:
        """Note how far the stream is, by its own word: heartbeats may move it on, too."""

    def heard(self, chunk: bytes, now: float) -> None:
        """Take note of what the stream says: `collect` gives the events that are new.

        Args:
            chunk: What came: part of an event, several, nothing but a heartbeat.
            now: The time.

        Raises:
            APIError: If it is no stream of events, or one of them is too large. What came before
                that is there all the same.
        """
        try:
            frames = self._parser.feed(chunk)
        except EventTooLargeError as error:
            raise APIError(f"The stream cannot be read: {error}.") from error
        if self._parser.retry is not None:
            self._retry = min(self._parser.retry / 1000, _LONGEST_RETRY)
        for frame in frames:
            event = None if self.is_over else self.take_frame(frame)
            if event is not None:
                self._new.append(event)
        self.moved(self._parser.last_event_id)
        # What opens again and again, and has nothing to say, is no stream that works.
        if self._new or now - self._opened > _STEADY_SECONDS:
            self._outage.over()

    def read_page(self, page: Mapping[str, Any]) -> None:
        """Take note of a page, from a service that has no streams."""
        new = self.take(page)
        self._is_paged = True
        self._outage.over()
        self._new += new
        self._polls = 0 if new else self._polls + 1

    def collect(self) -> list[ExecutionEvent]:
        """The events that are new since this was asked last."""
        new, self._new = self._new, []
        return new

    def pause(self, took: float, chance: float) -> float:
        """How long to sleep after a page without events, in seconds, if it was not held."""
        return max(0.0, poll_delay(self._polls, _POLL_INTERVAL, chance) - took)

    def failed(self, error: APIError, now: float, chance: float) -> float:
        """Take note of a failure; says when to try again, in seconds, or raises it."""
        if isinstance(error, ConnectionTimeoutError) and not self.deadline.left(now):
            return 0.0
        return max(
            self._retry * (1 + chance / 4),
            self._outage.failed(error, now, chance),
        )


def dropped(base_url: str) -> APIConnectionError:
    """The error of a stream that ends before what it tells of."""
    return APIConnectionError(f"The service at {base_url} broke the stream off.")


def load(frame: ServerSentEvent) -> dict[str, Any]:
    """What a stream says, as read from JSON.

    Raises:
        InvalidReplyError: If it is no JSON object.
    """
    try:
        found = json.loads(frame.data)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    raise InvalidReplyError(
        f"The stream has a {frame.event!r} that is no JSON object.", body=frame.data
    )


def checked(items: Iterable[Any]) -> list[dict[str, Any]]:
    """What a service says are events.

    Raises:
        InvalidReplyError: If one of them cannot be.
    """
    found = [*items]
    for item in found:
        if not isinstance(item, dict) or not isinstance(item.get("seq"), int | None):
            raise InvalidReplyError("The reply has an event that is none.", body=item)
    return found
