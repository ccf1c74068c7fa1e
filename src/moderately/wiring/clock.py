"""The clock of the process."""

import logging
import threading
import time
from typing import Final

__all__ = ["SystemClock"]

_log = logging.getLogger(__name__)

_TOLERANCE: Final = 1_000_000


class SystemClock:
    """`moderately.domain.ports.Clock`: the system's time, that never stands still or runs back.

    Where somebody sets the system's clock back, time goes on from where it was, at the rate of the
    monotonic clock, until the system's has caught up or the process starts anew: what was to be
    done in ten seconds is done in ten seconds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._ahead = 0
        self._skew = 0
        self._is_behind = False

    def follow(self, there: int) -> None:
        """Go by another clock from here on, at this one's rate.

        Args:
            there: The other clock's time, in microseconds.
        """
        with self._lock:
            self._skew = there - time.time_ns() // 1000
            self._ahead = 0

    def now(self) -> int:
        """The time in microseconds since the epoch, UTC; later at each call. From any thread."""
        with self._lock:
            wall = time.time_ns() // 1000 + self._skew
            steady = time.monotonic_ns() // 1000
            # What the monotonic clock makes of the latest time that was known to be right.
            expected = steady + self._ahead
            if wall >= expected - _TOLERANCE:
                self._ahead = wall - steady
                self._is_behind = False
                expected = wall
            elif not self._is_behind:
                self._is_behind = True
                _log.warning("the system's clock was set back; time goes on from where it was")
            self._last = max(self._last + 1, expected)
            return self._last
