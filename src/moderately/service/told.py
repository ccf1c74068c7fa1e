"""An event on its way to its readers."""

from collections.abc import Callable, Sequence

from moderately.domain.execution import Event
from moderately.domain.following import Place
from moderately.domain.log import LiveEvent, Touch

__all__ = ["Push", "Told"]


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

    def frame(self, render: Callable[["Told"], bytes]) -> bytes:
        """The event as its readers get it: rendered for the first, and kept for the others."""
        if not self._frame:
            self._frame = render(self)
        return self._frame


Push = Callable[[Sequence[Told]], bool]
"""Gives events to a reader at once; says whether the reader can take more."""
