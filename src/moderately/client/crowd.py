"""What a caller who waits for many executions does next. Pure: time and chance are arguments."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from moderately.client.errors import (
    APIError,
    TimeoutError,  # noqa: A004
    ValidationError,
)
from moderately.client.models import AgentExecution, ExecutionEvent
from moderately.client.replies import RawReply, is_held, retry_after
from moderately.client.requests import identifier
from moderately.client.retries import Outage, poll_delay
from moderately.client.team_events import MOST_IDS, TeamCursor, team_query
from moderately.client.waiting import Deadline, Look, check_seconds
from moderately.protocol.vocabulary import TERMINAL_STATUSES

__all__ = ["Crowd"]

_FEW: Final = 20
_PAGE: Final = 100
_WORTHWHILE: Final = 0.1
_LONGEST_SILENCE: Final = 10.0
_ROUND_SECONDS: Final = 60.0
_LAG_SECONDS: Final = 1.0
_NEWEST: Final = {
    "page": 1,
    "page_size": _PAGE,
    "order_by": "created_at",
    "order_direction": "desc",
}
_ENDED_LAST: Final = {
    **_NEWEST,
    "page_size": _FEW,
    "order_by": "updated_at",
    "status": sorted(TERMINAL_STATUSES),
}
_BURST: Final = 4
_BURST_SECONDS: Final = 0.05


class Crowd:
    """A wait for many executions.

    The team's stream tells which end: it is opened first, then each execution is looked at, and
    from then on those that the stream tells of. A service that has no such stream is polled: the
    service holds the reply for one of them while the next look at all is awaited, and the last one
    left is waited for like any single one.

    A few are looked at one by one; of many, pages of lists tell as long as that is worth while.

    Args:
        execution_ids: Which ones.
        timeout: How long at most, in seconds; None for ever.
        poll_interval: How often to look at all of them where that is needed, in seconds.
        now: The time, on a steady clock, in seconds.

    Raises:
        TypeError: If the ids are a single one.
        ValueError: If an argument cannot be.
    """

    def __init__(
        self,
        execution_ids: Iterable[str],
        *,
        timeout: float | None,
        poll_interval: float,
        now: float,
    ) -> None:
        check_seconds("poll_interval", poll_interval)
        if isinstance(execution_ids, str):
            raise TypeError("execution_ids are several ids; of one, give a list")
        self.deadline = Deadline(timeout, now)
        self._poll_interval = poll_interval
        self._known: dict[str, AgentExecution | None] = {
            identifier(one): None for one in execution_ids
        }
        self._pending = dict.fromkeys(self._known)
        self._turn: deque[str] = deque()
        self._told: set[str] = set()
        self._told_at: deque[float] = deque(maxlen=_BURST)
        self._unseen: set[str] = set()
        self._query: Mapping[str, Any] | None = None
        self._has_lists = True
        self._polls = 0
        self._looked_around = now
        self._outage = Outage(has_deadline=self.deadline.exists)
        if len(self._pending) > 1:
            self.look_around(now)

    @property
    def is_waiting(self) -> bool:
        """Whether some have not ended."""
        return bool(self._pending)

    @property
    def has_looks(self) -> bool:
        """Whether some are to be looked at."""
        return self._query is not None or bool(self._turn)

    def cursor(self) -> TeamCursor | None:
        """The stream to listen to; None where one look that is held does the same."""
        if len(self._known) <= 1 or self.deadline.timeout == 0:
            return None
        ids = [*self._pending] if len(self._pending) <= MOST_IDS else None
        query = team_query(status=sorted(TERMINAL_STATUSES), execution_ids=ids)
        # A stream that does not work is no reason to wait: all can be looked at in its stead.
        outage = Outage(has_deadline=False, absence=0.0, longest=_LONGEST_SILENCE)
        return TeamCursor(query, after=None, deadline=self.deadline, outage=outage)

    def look_around(self, now: float) -> None:
        """Look at all that have not ended."""
        self._looked_around = now
        self._look_at([*self._pending], _NEWEST)

    def heard(self, events: Iterable[ExecutionEvent], now: float) -> None:
        """Look at those whose ends the stream tells of; seldom at all, lest it tells too little."""
        if now - self._looked_around > _ROUND_SECONDS:
            self.look_around(now)
        told = dict.fromkeys(
            event.execution_id
            for event in events
            if event.get("status") in TERMINAL_STATUSES
            and event.get("execution_id") in self._pending
        )
        self._told.update(told)
        self._told_at.extend([now] * len(told))
        # Where many end at once, a list tells also of those that the stream has yet to tell of.
        is_burst = len(self._told_at) == _BURST and now - self._told_at[0] < _BURST_SECONDS
        self._look_at([*told], _ENDED_LAST, by_list=is_burst and len(self._pending) > _FEW)

    def _look_at(
        self, wanted: Sequence[str], query: Mapping[str, Any], *, by_list: bool = False
    ) -> None:
        by_list = by_list or len(wanted) > _FEW
        if not by_list or not wanted or not self._has_lists:
            self._turn.extend(wanted)
        else:
            self._query = query
            self._unseen.update(wanted)

    def look(self, now: float) -> Look | None:
        """What to look at now; None if all that is to be looked at was."""
        if self._query is not None:
            return Look(now, query=self._query)
        while self._turn:
            execution_id = self._turn.popleft()
            if execution_id in self._pending:
                is_told = execution_id in self._told
                hold = self.deadline.hold(now, _LAG_SECONDS) if is_told else 0.0
                return Look(now, hold, execution_id)
        return None

    def rest(self, now: float, chance: float) -> Look:
        """The look that is held until all are looked at again, where nothing tells of ends."""
        self._polls += 1
        first = next(iter(self._pending))
        self._pending[first] = self._pending.pop(first)
        if len(self._pending) == 1:
            return Look(now, self.deadline.hold(now), first)
        self._look_at([one for one in self._pending if one != first], _NEWEST)
        pause = poll_delay(self._polls, self._poll_interval, chance)
        return Look(now, self.deadline.hold(now, pause), first)

    def saw(
        self,
        asked: Look,
        found: Sequence[AgentExecution],
        following: Mapping[str, Any] | None = None,
    ) -> list[AgentExecution]:
        """Take note of executions.

        Args:
            asked: What was looked at.
            found: What was there.
            following: The query of the page that follows, if one does.

        Returns:
            Those that have ended, and had not before, in the order of their ends.
        """
        self._outage.over()
        ended = []
        for execution in found:
            if execution.id in self._pending:
                self._known[execution.id] = execution
                if execution.is_terminal:
                    del self._pending[execution.id]
                    ended.append(execution)
                elif execution.id in self._told:
                    # What was read is older than what was told.
                    self._turn.append(execution.id)
                    self._polls += 1
        if asked.query is not None:
            is_worthwhile = len(ended) > len(found) / 2
            self._turn_page({one.id for one in found}, following, is_worthwhile=is_worthwhile)
        if ended:
            # Where one ends, others do: look quickly again.
            self._polls = 0
        return sorted(ended, key=lambda execution: str(execution.get("updated_at") or ""))

    def _turn_page(
        self, found: set[str], following: Mapping[str, Any] | None, *, is_worthwhile: bool
    ) -> None:
        """Go on to the page that follows, unless one by one is quicker."""
        hits = len(self._unseen & found)
        self._unseen = {one for one in self._unseen - found if one in self._pending}
        if hits >= _WORTHWHILE * len(found) and len(self._unseen) > _FEW:
            is_worthwhile = True
        self._query = following if is_worthwhile and self._pending else None
        if self._query is None:
            self._turn.extend(self._unseen)
            self._unseen = set()

    def pause(self, asked: Look, reply: RawReply, now: float, chance: float) -> float:
        """How long to sleep after a look, in seconds: where a reply was to be held, but was not."""
        told = retry_after(reply)
        if told is not None:
            return told
        took = now - asked.begun
        is_known = asked.execution_id not in self._pending
        if not asked.hold or is_known or (is_held(reply) and took >= asked.hold / 2):
            return 0.0
        delay = poll_delay(self._polls, self._poll_interval, chance)
        return max(0.0, min(asked.hold, delay) - took)

    def failed(self, error: APIError, asked: Look, now: float, chance: float) -> float:
        """Take note of a failure.

        Returns:
            When to look again, in seconds.

        Raises:
            APIError: The same, if to look again is of no use.
        """
        if asked.execution_id is not None:
            self._turn.append(asked.execution_id)
        elif isinstance(error, ValidationError):
            # A service that cannot list that way: each is looked at by itself.
            self._has_lists, self._query = False, None
            self._turn.extend(self._unseen)
            return 0.0
        return self._outage.failed(error, now, chance)

    def late(self, now: float) -> TimeoutError:
        """The error of a wait whose time is up."""
        first = next(iter(self._pending))
        error = TimeoutError(
            f"{len(self._pending)} of {len(self._known)} executions had not ended after"
            f" {self.deadline.timeout:g} s; they go on.",
            self._known[first],
            execution_id=first,
            executions=self._known,
            elapsed=now - self.deadline.begun,
        )
        error.__cause__ = self._outage.error
        return error
