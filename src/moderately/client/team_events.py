"""Where a reader of a team's events stands. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moderately.client.errors import InvalidReplyError, TimeoutError  # noqa: A004
from moderately.client.reading import Reader, checked, load
from moderately.client.retries import Outage
from moderately.client.typed_events import typed_event
from moderately.protocol import routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from moderately.client.models import ExecutionEvent
    from moderately.client.requests import Request
    from moderately.client.waiting import Deadline
    from moderately.protocol.sse import ServerSentEvent

__all__ = ["MOST_IDS", "TeamCursor", "team_query"]

MOST_IDS: Final = 100
"""How many executions a stream of the team can be limited to."""

_PAGE: Final = 1000
_REMEMBERED: Final = 10_000
_OPENING_SECONDS: Final = 10.0


def team_query(
    agent_id: str | None = None,
    status: str | Sequence[str] | None = None,
    execution_ids: Iterable[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The query for some of a team's events.

    Raises:
        TypeError: If the ids are a single one.
        ValueError: If there are too many of them, or none.
    """
    if isinstance(execution_ids, str):
        raise TypeError("execution_ids are several ids; of one, give a list")
    ids = None if execution_ids is None else [*execution_ids]
    if ids is not None and not 0 < len(ids) <= MOST_IDS:
        raise ValueError(f"execution_ids are 1 to {MOST_IDS} ids; not {len(ids)}")
    labels = {f"metadata.{key}": value for key, value in (metadata or {}).items()}
    return {"agent_id": agent_id, "status": status, "execution_id": ids, **labels}


class TeamCursor(Reader):
    """Goes through the events of a team's executions, in the order in which they are committed.

    Args:
        query: Of `team_query`.
        after: Where to begin: a cursor, `start` for the first event on record, None for now.
        deadline: Until when.
        outage: Which failures to bear; by default, as every stream.

    Attributes:
        place: The cursor to go on from; None while the stream has not begun.
    """

    def __init__(
        self,
        query: Mapping[str, Any],
        *,
        after: str | None,
        deadline: Deadline,
        outage: Outage | None = None,
    ) -> None:
        super().__init__(deadline, outage or Outage(has_deadline=deadline.exists))
        self.place = after
        self._query = query
        self._is_open = False
        self._seen: dict[str, int] = {}

    @property
    def has_begun(self) -> bool:
        """Whether it has a place, which it goes on from."""
        return self.place is not None

    def request(self, now: float) -> tuple[Request, float]:
        """The request for what follows, and how long the service may hold it, in seconds."""
        hold = 0.0 if self.place is None else self.deadline.hold(now)
        query = {**self._query, "after": self.place}
        return self.asked(routes.EVENTS, query, _PAGE, hold), hold

    def opened(self, now: float) -> None:
        """Note that a stream has begun."""
        super().opened(now)
        self._is_open = False

    def patience(self, now: float) -> float:
        """How long to wait for the stream to say anything, in seconds.

        Its first words come at once, unless something on the way keeps them back.
        """
        longest = super().patience(now)
        return longest if self._is_open else min(longest, _OPENING_SECONDS)

    def take(self, page: Mapping[str, Any]) -> list[ExecutionEvent]:
        """Take note of a page; returns the events that are new."""
        place = page.get("next_after")
        if not isinstance(place, str):
            raise InvalidReplyError("The reply is no page of a team's events.", body=page)
        items = checked(page["items"])
        # A page says where it ends, and nothing of the places within.
        *inner, last = [self._take(item, self.place) for item in items] or [None]
        self.place = place
        if last is not None:
            last["cursor"] = place
        return [event for event in (*inner, last) if event is not None]

    def take_frame(self, frame: ServerSentEvent) -> ExecutionEvent | None:
        """Take note of what the stream says; returns the event if it is a new one."""
        self._is_open = True
        if frame.event != "message":
            return None
        (item,) = checked([load(frame)])
        return self._take(item, frame.id)

    def moved(self, place: str) -> None:
        """Note how far the stream is: it moves on with what does not match, too."""
        self.place = place or self.place

    def _take(self, item: dict[str, Any], place: str | None) -> ExecutionEvent | None:
        event = typed_event({**item, "cursor": place})
        execution_id, seq = event.get("execution_id"), event.get("seq")
        if isinstance(execution_id, str) and isinstance(seq, int):
            # Moved to the end: those that nothing is heard of any more are forgotten.
            known = self._seen.pop(execution_id, 0)
            self._seen[execution_id] = max(known, seq)
            if len(self._seen) > _REMEMBERED:
                del self._seen[next(iter(self._seen))]
            if seq <= known:
                return None
        return event

    def late(self, now: float) -> TimeoutError:
        """The error of a stream whose time is up."""
        error = TimeoutError(
            f"The time for the team's events is up after {self.deadline.timeout:g} s. They go on"
            f" behind {self.place}.",
            elapsed=now - self.deadline.begun,
        )
        error.__cause__ = self._outage.error
        return error
