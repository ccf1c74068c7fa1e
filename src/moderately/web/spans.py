"""Where the time of an execution went: its attempts, and what it waited for between them. Pure."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from moderately.domain.execution import Event, Execution

__all__ = ["Scale", "Span", "end_of", "spans_of"]

_IDLE_SHARE: Final = 0.25
_SHORTEST: Final = 1_000

_AFTER: Final = {
    "execution.created": ("queued", "waits for a worker"),
    "execution.started": ("running", "attempt {attempt}"),
    "execution.parked": ("waiting", "{message}"),
    "execution.paused": ("paused", "{message}"),
    "execution.resumed": ("queued", "waits for a worker"),
    "execution.retried": ("retrying", "waits to be tried again"),
    "execution.released": ("queued", "given back: {reason}"),
}
"""What comes after each of these events: a kind of span, and its words."""


class Span(NamedTuple):
    """A stretch of an execution's time.

    Attributes:
        kind: `queued`, `running`, `waiting`, `paused` or `retrying`.
        label: What it was, for a person.
        start: When it began, in microseconds.
        end: When it ended.
        attempt: The attempt that ran, or ran last; 0 before the first.
        worker_id: Who ran it; None where nobody did.
    """

    kind: str
    label: str
    start: int
    end: int
    attempt: int = 0
    worker_id: str | None = None


def end_of(execution: Execution, now: int) -> int:
    """When an execution ended, or the time where it has not."""
    ended = execution.completed_at or execution.failed_at or execution.cancelled_at
    return max(ended or now, execution.created_at)


def spans_of(execution: Execution, events: Sequence[Event], now: int) -> list[Span]:
    """The stretches of an execution's time, without a gap.

    Args:
        execution: The execution.
        events: Its events, in order: all, or the newest.
        now: The time, in microseconds.
    """
    found: list[Span] = []
    attempt, end = 0, end_of(execution, now)
    kind, label, worker_id, start = "queued", "waits for a worker", None, execution.created_at
    if events and events[0].seq > 1 and execution.started_at is not None:
        found.append(Span(kind, label, start, execution.started_at))
        kind, label, start = "running", "attempts before these events", execution.started_at
    for event in events:
        if event.type not in _AFTER or event.created_at > end:
            continue
        if event.created_at > start:
            found.append(Span(kind, label, start, event.created_at, attempt, worker_id))
        start = max(start, event.created_at)
        attempt = event.data.get("attempt", attempt)
        worker_id = event.data.get("worker_id")
        kind, words = _AFTER[event.type]
        blocked_on = event.data.get("blocked_on") or {}
        message = str(blocked_on.get("message", kind)).removeprefix("It ").rstrip(".")
        reason = event.data.get("reason", "")
        label = words.format(attempt=attempt, message=message, reason=reason)
    if end > start or not found:
        found.append(Span(kind, label, start, end, attempt, worker_id))
    return found


@dataclass(frozen=True, slots=True)
class _Stretch:
    start: int
    end: int
    left: float
    right: float


class Scale:
    """Where times lie on an axis from 0 to 1.

    Time in which nothing ran is drawn no longer than a quarter of the time in which something did:
    otherwise a day's wait for an answer would leave nothing to see of the work.

    Args:
        spans: The stretches of time, in order and without a gap.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        worked = sum(span.end - span.start for span in spans if span.kind == "running")
        most_idle = max(worked, _SHORTEST) * _IDLE_SHARE if worked else float("inf")
        widths = [
            float(span.end - span.start)
            if span.kind == "running"
            else min(span.end - span.start, most_idle)
            for span in spans
        ]
        whole = sum(widths) or 1.0
        self.is_true = all(
            width == span.end - span.start for width, span in zip(widths, spans, strict=True)
        )
        self._stretches: list[_Stretch] = []
        left = 0.0
        for span, width in zip(spans, widths, strict=True):
            self._stretches.append(
                _Stretch(span.start, span.end, left / whole, (left + width) / whole)
            )
            left += width
        self._starts = [stretch.start for stretch in self._stretches]

    def at(self, time: int) -> float:
        """Where a time is: 0 for the begin and what was before, 1 for the end."""
        index = max(0, bisect.bisect_right(self._starts, time) - 1)
        stretch = self._stretches[index]
        length = stretch.end - stretch.start
        share = (time - stretch.start) / length if length else 1.0
        return stretch.left + min(1.0, max(0.0, share)) * (stretch.right - stretch.left)
