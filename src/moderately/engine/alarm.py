"""An alarm clock on an event loop: rings at the earliest of the times that it is set to."""

import asyncio
from collections.abc import Callable
from typing import Final

from moderately.domain.execution import FOREVER
from moderately.domain.ports import Clock

__all__ = ["Alarm"]

_LONGEST_SECONDS: Final = 60.0
_MICROSECONDS: Final = 1_000_000


class Alarm:
    """The alarm.

    Args:
        clock: Tells the time.
        ring: Called on the event loop at that time, or a little before a far-off one: the clock may
            be set meanwhile.
    """

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._at = FOREVER
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def set(self, at: int) -> None:
        """Ring at this time, in microseconds, unless it is set to an earlier one."""
        if at >= self._at or self._stopped:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        delay = max(0, at - self._clock.now()) / _MICROSECONDS
        self._timer = self._loop.call_later(min(delay, _LONGEST_SECONDS), self._come)

    def stop(self) -> None:
        """Ring no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _come(self) -> None:
        self._timer, self._at = None, FOREVER
        self._ring()
