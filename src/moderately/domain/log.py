"""The log of commits: what was recorded, in the order in which it was; and what never is."""

from typing import Any, NamedTuple

from moderately.protocol.vocabulary import Status

__all__ = ["Commit", "LiveEvent", "Touch"]


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
