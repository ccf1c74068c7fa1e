"""Following a team: where a reader stands in the order of commits, and what it wants to hear of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from moderately.domain.errors import InvalidRequest
from moderately.domain.log import Commit, Touch
from moderately.protocol.vocabulary import Status

__all__ = ["PLACE_PATTERN", "EventFilter", "Place"]

PLACE_PATTERN: Final = "^(0|[1-9][0-9]{0,17})[.](0|[1-9][0-9]{0,8})[.][0-9a-z]{1,13}$"
"""What a place looks like as text."""

_PLACE: Final = re.compile(PLACE_PATTERN, re.ASCII)
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class Place(NamedTuple):
    """A place in the order of commits: behind some of the events of a commit.

    Attributes:
        number: The commit's number; 0 for the place before the first.
        offset: How many of its events lie before the place, of whichever team.
        check: Tells whether it still is that commit: after a restore from a backup, its number may
            have become another one's.
    """

    number: int = 0
    offset: int = 0
    check: str = "0"

    @classmethod
    def behind(cls, commit: Commit | None) -> "Place":
        """The place behind all of a commit; the first of all where there is none."""
        if commit is None:
            return cls()
        return cls(commit.number, sum(map(_size, commit.touches)), _check(commit))

    def is_in(self, commit: Commit | None) -> bool:
        """Whether the commit with its number is still the one that it meant."""
        if self.number == 0:
            return True
        return commit is not None and commit.number == self.number and _check(commit) == self.check

    def is_before(self, other: "Place") -> bool:
        """Whether there may be an event between this place and another one, further on."""
        return self[:2] < other[:2]

    def encode(self) -> str:
        """The place as text, safe in a URL.

        Example:
            >>> Place(12, 3, "k8").encode()
            '12.3.k8'
        """
        return f"{self.number}.{self.offset}.{self.check}"

    @classmethod
    def decode(cls, text: str, name: str) -> "Place":
        """Read a place that `encode` wrote.

        Args:
            text: The text.
            name: The field that it came in.

        Raises:
            InvalidRequest: If it is not one.
        """
        if not _PLACE.fullmatch(text):
            raise InvalidRequest.field(name, "is no place: send a cursor as it came, or 'start'")
        number, offset, check = text.split(".")
        return cls(int(number), int(offset), check)


def _size(touch: Touch) -> int:
    return touch.last_seq - touch.first_seq + 1


def _check(commit: Commit) -> str:
    # Another commit under the same number was not made in the same microsecond.
    number, digits = commit.created_at, ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a reader of the team's events wants to hear of. Nothing set means everything.

    Attributes:
        execution_ids: Just these executions.
        agent_id: Just this agent's.
        statuses: Just what leaves an execution in one of these.
        metadata: Just executions with all of these labels.
    """

    execution_ids: frozenset[str] = frozenset()
    agent_id: str | None = None
    statuses: frozenset[Status] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def wants(self, touch: Touch) -> bool:
        """Whether it wants what a commit did to an execution, by all but its labels."""
        return (
            (not self.execution_ids or touch.execution_id in self.execution_ids)
            and (self.agent_id is None or touch.agent_id == self.agent_id)
            and (not self.statuses or touch.status in self.statuses)
        )

    def wants_labels(self, labels: Mapping[str, str]) -> bool:
        """Whether it wants executions with these labels."""
        return all(labels.get(name) == value for name, value in self.metadata.items())
