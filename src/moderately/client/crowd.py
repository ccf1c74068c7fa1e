"""What a caller who waits for many executions does next. Pure: time and chance are arguments."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from moderately.client.errors import (
    APIError,
    TimeoutError,  # noqa: A004
    ValidationError,
)
from moderately.client.models import AgentExecution
from moderately.client.replies import RawReply, is_held, retry_after
from moderately.client.requests import identifier
from moderately.client.retries import Outage, poll_delay
from moderately.client.waiting import Deadline, Look, check_seconds

__all__ = ["Crowd"]

_FEW: Final = 20
_FULL_ROUND_EVERY: Final = 10
_LAST_PAGE: Final = 20


class Crowd:
    """A wait for many executions, over one connection.

    Each is looked at once. After that, the service holds the reply for one of them while the
    others' turn is awaited; a few are then looked at one by one, of many the list of those that
    ended last tells which have. The last one left is waited for like any single one.

    Args:
        execution_ids: Which ones.
        timeout: How long at most, in seconds; None for ever.
        poll_interval: How often to look at all of them, in seconds.
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
        self._turn = deque(self._pending)
        self._rounds = 0
        self._polls = 0
        self._page = 0
        self._has_recent = True
        self._newest: list[str] = []
        self._outage = Outage(has_deadline=self.deadline.exists)

    @property
    def is_waiting(self) -> bool:
        """Whether some have not ended."""
        return bool(self._pending)

    def next_look(self, now: float, chance: float) -> Look:
        """What to look at now."""
        if self._page:
            return Look(now, page=self._page)
        while self._turn:
            execution_id = self._turn.popleft()
            if execution_id in self._pending:
                return Look(now, execution_id=execution_id)
        self._rounds += 1
        self._polls += 1
        first = next(iter(self._pending))
        self._pending[first] = self._pending.pop(first)
        if len(self._pending) == 1:
            return Look(now, self.deadline.hold(now), first)
        if self._has_recent and len(self._pending) > _FEW and self._rounds % _FULL_ROUND_EVERY:
            self._page = 1
        else:
            self._turn.extend(one for one in self._pending if one != first)
        pause = poll_delay(self._polls, self._poll_interval, chance)
        return Look(now, self.deadline.hold(now, pause), first)

    def saw(
        self, asked: Look, found: Sequence[AgentExecution], *, is_last: bool = True
    ) -> list[AgentExecution]:
        """Take note of executions.

        Args:
            asked: What was looked at.
            found: What was there.
            is_last: Whether no page follows.

        Returns:
            Those that have ended, and had not before.
        """
        self._outage.over()
        ended = []
        for execution in found:
            if execution.id in self._pending:
                self._known[execution.id] = execution
                if execution.is_terminal:
                    del self._pending[execution.id]
                    ended.append(execution)
        if asked.page:
            self._turn_page(asked.page, found, is_last=is_last)
        if ended:
            # Where one ends, others do: look quickly again.
            self._polls = 0
        return ended

    def _turn_page(self, page: int, found: Sequence[AgentExecution], *, is_last: bool) -> None:
        """Go on to the next page, unless this one reaches back to what was seen before."""
        times = [str(execution.get("updated_at") or "") for execution in found]
        if page == 1:
            # An execution that was seen before it ended, ended after it was changed last.
            seen = [one.get("updated_at") or "" for one in self._known.values() if one] or [""]
            self._newest = [*(self._newest or [min(seen)])[-2:], max(times, default="")]
        # Two rounds back: what is committed late shows up behind what was committed early.
        if is_last or (times and min(times) < self._newest[0]):
            self._page = 0
        elif page >= _LAST_PAGE:
            self._page = 0
            self._turn.extend(self._pending)
        else:
            self._page = page + 1

    def pause(self, asked: Look, reply: RawReply, now: float, chance: float) -> float:
        """How long to sleep after a look, in seconds: where a reply was to be held, but was not."""
        told = retry_after(reply)
        if told is not None:
            return told
        took = now - asked.begun
        if not asked.hold or not self._pending or (is_held(reply) and took >= asked.hold / 2):
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
            # A service that cannot list by what changed last: each is looked at by itself.
            self._has_recent, self._page = False, 0
            self._turn.extend(self._pending)
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
