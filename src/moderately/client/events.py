"""Where a reader of an execution's events stands. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moderately.client.errors import TimeoutError  # noqa: A004
from moderately.client.reading import Reader, checked, load
from moderately.client.requests import identifier
from moderately.client.retries import Outage
from moderately.client.typed_events import typed_event
from moderately.client.waiting import Deadline
from moderately.protocol import routes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moderately.client.models import ExecutionEvent
    from moderately.client.requests import Request
    from moderately.protocol.sse import ServerSentEvent

__all__ = ["EventCursor"]

_PAGE: Final = 500


class EventCursor(Reader):
    """Goes through an execution's events: each once, in order, to the one that ends it.

    Args:
        execution_id: Which execution.
        after: The number of the last event that the caller has.
        timeout: How long it may take, in seconds; None for ever.
        live: Whether the caller wants what is live only, too.
        now: The time, on a steady clock, in seconds.

    Raises:
        ValueError: If one of them cannot be.
    """

    def __init__(
        self,
        execution_id: str,
        *,
        after: int,
        timeout: float | None,
        live: bool = False,
        now: float,
    ) -> None:
        self.execution_id = identifier(execution_id)
        deadline = Deadline(timeout, now)
        super().__init__(deadline, Outage(has_deadline=deadline.exists))
        self.last_seq = after
        self._live = live

    def request(self, now: float) -> tuple[Request, float]:
        """The request for what follows, and how long the service may hold it, in seconds."""
        hold = self.deadline.hold(now)
        query: dict[str, Any] = {"after": self.last_seq}
        if self._live and not self._is_paged:
            query["live"] = "true"
        path = routes.execution_events(self.execution_id)
        return self.asked(path, query, _PAGE, hold), hold

    def moved(self, place: str) -> None:
        """Nothing to note: only events move an execution's stream on."""

    def take(self, page: Mapping[str, Any]) -> list[ExecutionEvent]:
        """Take note of a page.

        The stream is over with the event that ends the execution. A page that says so, but stops
        short of that event, is only part of the way; the next one goes on from there.

        Returns:
            The events that are new.
        """
        new = []
        for item in checked(page["items"]):
            event = self._take(item)
            if event is not None:
                new.append(event)
            if self.is_over:
                break
        if not new and page.get("is_terminal"):
            self.is_over = True
        return new

    def take_frame(self, frame: ServerSentEvent) -> ExecutionEvent | None:
        """Take note of what the stream says; returns the event if it is a new one."""
        if frame.event == "message":
            return self._take(*checked([load(frame)]))
        if frame.event == "live" and self._live:
            return typed_event(load(frame))
        if frame.event == "end":
            # An end that is further than what came of it is none yet.
            self.is_over = int(load(frame).get("last_seq") or 0) <= self.last_seq
        return None

    def _take(self, item: dict[str, Any]) -> ExecutionEvent | None:
        event = typed_event(item)
        seq = event.get("seq")
        if seq is not None:
            if seq <= self.last_seq:
                return None
            self.last_seq = seq
        self.is_over = event.is_terminal
        return event

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
