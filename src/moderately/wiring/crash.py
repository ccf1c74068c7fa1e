"""Crash points: places between two things that a write does, to die at."""

import os
import signal
from collections.abc import Callable

__all__ = ["crash_point"]


def crash_point(wanted: str | None) -> Callable[[str], None]:
    """Make what is called at each place, and kills this process at one of them.

    Args:
        wanted: The place and how often it is passed before that, as `statement:12`; the places are
            `gathered`, `statement` and `committed`. Never when None.
    """
    if wanted is None:
        return lambda _: None
    name, _, count = wanted.partition(":")
    left = int(count)

    def at(place: str) -> None:
        nonlocal left
        if place == name:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return at
