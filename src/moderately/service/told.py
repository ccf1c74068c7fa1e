"""An event on its way to its readers."""

from collections.abc import Callable, Sequence
from typing import Final

from moderately.domain.execution import Event
from moderately.domain.following import Place
from moderately.domain.log import LiveEvent, Touch

__all__ = ["Portion", "Push", "Told"]

_FIRST: Final = 8
_MOST: Final = 500
_BYTES: Final = 256 * 1024


class Told:
    """An event, and what is made of it once for all of its readers.

    Attributes:
        event: The event.
        after: Of a live-only event: the number of the newest recorded one before it.
        touch: What its commit did to the execution, where the reader follows the team.
        place: The place behind it, where the reader follows the team.
    """

    __slots__ = ("_frame", "after", "event", "place", "touch")

    def __init__(
        self,
        event: Event | LiveEvent,
        *,
        after: int = 0,
        touch: Touch | None = None,
        place: Place | None = None,
    ) -> None:
        self.event = event
        self.after = after
        self.touch = touch
        self.place = place
        self._frame = b""

    @property
    def size(self) -> int:
        """How large it is, as its readers get it, in bytes; 0 before it was rendered."""
        return len(self._frame)

    def frame(self, render: Callable[["Told"], bytes]) -> bytes:
        """The event as its readers get it: rendered for the first, and kept for the others."""
        if not self._frame:
            self._frame = render(self)
        return self._frame


class Portion:
    """How many events to read at once, so that they are neither many reads nor much memory.

    Attributes:
        limit: How many events.
    """

    def __init__(self) -> None:
        self.limit = _FIRST

    def learn(self, told: Sequence[Told]) -> None:
        """Take note of how large events were that have been rendered."""
        size = sum(one.size for one in told)
        if size:
            self.limit = max(1, min(_MOST, _BYTES * len(told) // size))


Push = Callable[[Sequence[Told]], bool]
"""Gives events to a reader at once; says whether the reader can take more."""
