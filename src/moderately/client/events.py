"""Where a reader of events stands. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moderately.client.errors import TimeoutError  # noqa: A004
from moderately.client.models import ExecutionEvent
from moderately.client.requests import Request, identifier, list_request
from moderately.client.retries import Outage, poll_delay
from moderately.client.waiting import Deadline
from moderately.protocol import routes

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EventCursor"]

_PAGE: Final = 500
_POLL_INTERVAL: Final = 2.0


class EventCursor:
    """Goes through an execution's events: each once, in order, to the one that ends it.

    Args:
        execution_id: Which execution.
        after: The number of the last event that the caller has.
        timeout: How long it may take, in seconds; None for ever.
        now: The time, on a steady clock, in seconds.

    Raises:
        ValueError: If one of them cannot be.
    """

    def __init__(self, execution_id: str, *, after: int, timeout: float | None, now: float) -> None:
        self.execution_id = identifier(execution_id)
        self.deadline = Deadline(timeout, now)
        self.last_seq = after
        self.is_over = False
        self._outage = Outage(has_deadline=self.deadline.exists)
        self._polls = 0

    def request(self, now: float) -> tuple[Request, float]:
        """The request for what follows, and how long the service may hold it, in seconds."""
        hold = self.deadline.hold(now)
        path = routes.execution_events(self.execution_id)
        return list_request(path, after=self.last_seq, limit=_PAGE, wait=f"{hold:.3f}"), hold

    def take(self, page: Mapping[str, Any]) -> list[ExecutionEvent]:
        """Take note of a page.

        The stream is over with the event that ends the execution. A page that says so, but stops
        short of that event, is only part of the way; the next one goes on from there.

        Returns:
            The events that are new.
        """
        self._outage.over()
        new = []
        for event in map(ExecutionEvent, page["items"]):
            seq = event.get("seq")
            if seq is not None:
                if seq <= self.last_seq:
                    continue
                self.last_seq = seq
            new.append(event)
            if event.is_terminal:
                self.is_over = True
                break
        self._polls = 0 if new else self._polls + 1
        if not new and page.get("is_terminal"):
            self.is_over = True
        return new

    def pause(self, took: float, chance: float) -> float:
        """How long to sleep after a page without events, in seconds, if it was not held."""
        return max(0.0, poll_delay(self._polls, _POLL_INTERVAL, chance) - took)

    def failed(self, error: Any, now: float, chance: float) -> float:
        """Take note of a failure; says when to try again, in seconds, or raises it."""
        return self._outage.failed(error, now, chance)

    def late(self, now: float) -> TimeoutError:
        """The error of a stream whose time is up."""
        error = TimeoutError(
            f"Execution {self.execution_id} had not ended after {self.deadline.timeout:g} s; it"
            f" goes on. Its events go on behind {self.last_seq}.",
            execution_id=self.execution_id,
            elapsed=now - self.deadline.begun,
        )
        error.__cause__ = self._outage.error
        return error
