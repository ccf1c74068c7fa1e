"""What a caller who waits for one execution does next. Pure: time and chance are arguments.

The twins drive it: they ask for how long the service may hold the reply, look, tell what they saw,
and sleep as told. `crowd.py` is the same for many executions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from moderately.client.errors import (
    APIError,
    ExecutionCancelledError,
    ExecutionError,
    ExecutionFailedError,
    ExecutionPausedError,
    TimeoutError,  # noqa: A004
)
from moderately.client.log import log_warning
from moderately.client.models import AgentExecution
from moderately.client.replies import RawReply, is_held, retry_after
from moderately.client.retries import Outage, poll_delay
from moderately.protocol.vocabulary import MAX_WAIT_SECONDS, Status

__all__ = ["Deadline", "Look", "OnEnd", "OnPaused", "Wait", "check_seconds", "outcome_error"]

OnPaused = Literal["wait", "return", "raise"]
OnEnd = Literal["leave", "cancel"]

_ONE_LOOK: Final = 1.0
_SHORTEST_HOLD: Final = 0.05
_TOO_SHORT: Final = 0.05
_REPLY_MARGIN: Final = 0.25
# What cuts a held reply off (a proxy that closes quiet connections) is not met with the same hold.
_LONG_HOLD: Final = 1.0


class Deadline:
    """The end of a wait.

    Args:
        timeout: How long it may take, in seconds; None for ever.
        now: The time, on a steady clock, in seconds.

    Raises:
        ValueError: If `timeout` is negative or not a number.
    """

    def __init__(self, timeout: float | None, now: float) -> None:
        check_seconds("timeout", timeout)
        self.timeout = timeout
        self.begun = now
        self.at = math.inf if timeout is None else now + timeout

    @property
    def exists(self) -> bool:
        """Whether the wait ends by itself."""
        return self.at < math.inf

    @property
    def for_requests(self) -> float | None:
        """When a request is given up. A wait of no time is one look, which takes a moment."""
        if self.timeout == 0:
            return self.begun + _ONE_LOOK
        return self.at if self.exists else None

    def left(self, now: float) -> float:
        """How much time is left, in seconds."""
        return max(0.0, self.at - now)

    def hold(self, now: float, longest: float = MAX_WAIT_SECONDS) -> float:
        """How long the service may hold a reply, in seconds.

        A little less than is left: a reply that comes with the deadline comes too late.
        """
        left = self.left(now)
        if left < _TOO_SHORT:
            return 0.0
        return min(longest, left - min(_REPLY_MARGIN, left / 2))


def check_seconds(name: str, value: float | None) -> None:
    """Refuse what is no number of seconds.

    Raises:
        ValueError: If it is negative or not a number.
    """
    if value is not None and not value >= 0:
        raise ValueError(f"{name} is a number of seconds, 0 or more; not {value!r}")


def _check_choice(name: str, value: str, *choices: str) -> None:
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}; not {value!r}")


def outcome_error(execution: AgentExecution) -> ExecutionError | None:
    """The error for an execution that ended, but not as one hopes; None for one that completed."""
    if execution.status == Status.CANCELLED:
        why = execution.get("status_reason")
        message = f"Execution {execution.id} was cancelled{f': {why}' if why else ''}."
        return ExecutionCancelledError(message, execution)
    error = execution.get("error")
    if execution.status == Status.FAILED or error:
        why = error.get("message") if isinstance(error, dict) else error
        message = f"Execution {execution.id} failed{f': {why}' if why else ''}."
        return ExecutionFailedError(message, execution)
    return None


class Wait:
    """A wait for one execution.

    Args:
        execution_id: Which one; empty while it is not created yet.
        timeout: How long at most, in seconds; None for ever.
        poll_interval: How often to ask a service that does not hold replies, in seconds.
        on_paused: What to do when it waits for a person.
        on_timeout: What becomes of it when the time is up.
        on_interrupt: What becomes of it when the waiting code is interrupted.
        now: The time, on a steady clock, in seconds.

    Raises:
        ValueError: If one of them cannot be.
    """

    def __init__(
        self,
        execution_id: str,
        *,
        timeout: float | None,
        poll_interval: float = 2.0,
        on_paused: OnPaused = "wait",
        on_timeout: OnEnd = "leave",
        on_interrupt: OnEnd = "leave",
        now: float,
    ) -> None:
        check_seconds("poll_interval", poll_interval)
        _check_choice("on_paused", on_paused, "wait", "return", "raise")
        _check_choice("on_timeout", on_timeout, "leave", "cancel")
        _check_choice("on_interrupt", on_interrupt, "leave", "cancel")
        self.execution_id = execution_id
        self.deadline = Deadline(timeout, now)
        self.execution: AgentExecution | None = None
        self.on_timeout = on_timeout
        self.on_interrupt = on_interrupt
        self._on_paused = on_paused
        self._poll_interval = poll_interval
        self._longest_hold = MAX_WAIT_SECONDS
        self._outage = Outage(has_deadline=self.deadline.exists)
        self._polls = 0
        self._looks = 0

    def hold(self, now: float) -> float:
        """How long the service may hold the next reply, in seconds."""
        longest = self._longest_hold
        if self._on_paused != "wait":
            # The service holds a reply until the execution ends, not until it is paused.
            often = poll_delay(self._looks, self._poll_interval, 0.0)
            longest = min(longest, max(_SHORTEST_HOLD, often))
        return self.deadline.hold(now, longest)

    def saw(
        self, execution: AgentExecution, reply: RawReply, asked: "Look", now: float, chance: float
    ) -> float | None:
        """Take note of a reply.

        Args:
            execution: What it says.
            reply: The reply.
            asked: What was asked for.
            now: The time.
            chance: A random number from 0 to 1.

        Returns:
            When to look again, in seconds; None if the wait is over.

        Raises:
            ExecutionPausedError: If the execution is paused, and that is to be raised.
        """
        self._outage.over()
        self._looks += 1
        was_paused = self.execution is not None and self.execution.status == Status.PAUSED
        self.execution = execution
        if execution.is_terminal:
            return None
        if execution.status == Status.PAUSED:
            if self._on_paused == "return":
                return None
            if self._on_paused == "raise":
                raise ExecutionPausedError(_paused_message(execution), execution)
            if not was_paused:
                log_warning(_paused_message(execution))
        return self._pause(reply, asked, now, chance)

    def _pause(self, reply: RawReply, asked: "Look", now: float, chance: float) -> float:
        told = retry_after(reply)
        if told is not None:
            return told
        took = now - asked.begun
        # A reply that came back at once was not held, whatever its header says.
        if is_held(reply) and took >= asked.hold / 2:
            return 0.0
        self._polls += 1
        return max(0.0, poll_delay(self._polls, self._poll_interval, chance) - took)

    def failed(self, error: APIError, asked: "Look", now: float, chance: float) -> float:
        """Take note of a failure.

        Returns:
            When to look again, in seconds.

        Raises:
            APIError: The same, if to look again is of no use.
        """
        took = now - asked.begun
        if _LONG_HOLD < took < asked.hold:
            self._longest_hold = max(_LONG_HOLD, took / 2)
        return self._outage.failed(error, now, chance)

    def late(self, now: float) -> TimeoutError:
        """The error of a wait whose time is up."""
        elapsed = now - self.deadline.begun
        if not self.execution_id:
            message = f"That the execution is created was not confirmed in {elapsed:.3g} s."
            return TimeoutError(message, elapsed=elapsed)
        found = self.execution
        error = TimeoutError(
            f"Execution {self.execution_id} had not ended after {self.deadline.timeout:g} s;"
            f" {self._state()}.",
            found,
            execution_id=self.execution_id,
            executions={self.execution_id: found},
            elapsed=elapsed,
        )
        error.__cause__ = self._outage.error
        return error

    def _state(self) -> str:
        found = self.execution
        if found is None:
            return f"it was not seen{f': {self._outage.error}' if self._outage.error else ''}"
        if found.is_terminal:
            return f"it is {found.status} now"
        why = _why_paused(found) if found.status == Status.PAUSED else ""
        return f"it is {found.status}{why and f' ({why})'}, and goes on"


def _paused_message(execution: AgentExecution) -> str:
    why = _why_paused(execution)
    return f"Execution {execution.id} is paused{why and f': {why}'}."


def _why_paused(execution: AgentExecution) -> str:
    blocked_on = execution.get("blocked_on")
    why = blocked_on.get("message") if isinstance(blocked_on, dict) else None
    return str(why or execution.get("status_reason") or "")


@dataclass(frozen=True, slots=True)
class Look:
    """What to look at.

    Attributes:
        begun: When the look began.
        hold: How long the service may hold the reply, in seconds.
        execution_id: At this execution; None for a page of a list.
        query: The query of the list.
    """

    begun: float
    hold: float = 0.0
    execution_id: str | None = None
    query: Mapping[str, Any] | None = None
