"""The clock of the process."""

import time

__all__ = ["SystemClock"]


class SystemClock:
    """`moderately.domain.ports.Clock`: the system's time, that never stands still or runs back."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        """The time in microseconds since the epoch, UTC; later at each call."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last
