"""The log of commits: what was recorded, in the order in which it was; and what never is."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from moderately.domain.execution import Event
from moderately.protocol.vocabulary import Status

__all__ = ["Commit", "LiveEvent", "Log", "Touch"]


class Touch(NamedTuple):
    """What a commit did to one execution.

    Attributes:
        team_id: Whose execution it is.
        agent_id: Its agent.
        execution_id: Which one.
        first_seq: The number of the first event that the commit recorded of it.
        last_seq: The number of the last.
        status: Its status after the commit.
    """

    team_id: str
    agent_id: str
    execution_id: str
    first_seq: int
    last_seq: int
    status: Status


class Commit(NamedTuple):
    """A transaction that recorded events.

    Attributes:
        number: Its place in the log. Numbers grow, but may leave some out.
        created_at: When, in microseconds.
        touches: What it did, each execution once.
    """

    number: int
    created_at: int
    touches: tuple[Touch, ...]


class LiveEvent(NamedTuple):
    """Something that whoever watches right now is told, and nobody later: it is never stored.

    Attributes:
        execution_id: Whose.
        type: What.
        data: Its particulars, as JSON.
        created_at: When, in microseconds.
        after: The number of the newest event that was recorded before it, as far as the store that
            tells of it knows.
    """

    execution_id: str
    type: str
    data: dict[str, Any]
    created_at: int
    after: int = 0


class Log(Protocol):
    """The part of the store that tells what was committed, in order."""

    async def events_between(self, ranges: Sequence[tuple[str, int, int]]) -> Sequence[Event]:
        """Events of any number of executions: what `Touch` names.

        Args:
            ranges: The execution, the number of the first event and that of the last.

        Returns:
            The events, as the ranges are ordered, each by number; without those that were deleted.
        """
        ...

    async def commits(self, *, after: int, limit: int) -> Sequence[Commit]:
        """The commits behind a number, in order.

        No commit will ever come in between or before them: what is not certain yet is left for
        later, and `on_commit` tells when it is.
        """
        ...

    async def commit(self, number: int) -> Commit | None:
        """One commit; None if there is none, or none any more."""
        ...

    async def newest_commit(self) -> Commit | None:
        """The newest commit that `commits` would give; None if there is none."""
        ...
