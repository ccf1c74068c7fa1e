"""Removes old executions for the operator's command, beside a service that runs or without one."""

from collections.abc import Callable
from typing import Final

from moderately.settings import Settings
from moderately.wiring.clock import SystemClock
from moderately.wiring.stores import open_stores

__all__ = ["prune_all"]

_AT_ONCE: Final = 200
_TELL_EVERY: Final = 10_000


async def prune_all(settings: Settings, seconds: float, *, tell: Callable[[int], None]) -> int:
    """Remove all executions that ended longer than so many seconds ago.

    Args:
        settings: Where the database lies.
        seconds: How long ago.
        tell: Called now and then with how many were removed so far.

    Returns:
        How many were removed.

    Raises:
        StartError: If the database cannot be opened.
    """
    clock = SystemClock()
    removed = 0
    async with open_stores(settings, clock, is_owner=False) as stores:
        before = clock.now() - int(seconds * 1_000_000)
        while now_removed := await stores.executions.prune(before, _AT_ONCE):
            removed += now_removed
            if removed % _TELL_EVERY < _AT_ONCE:
                tell(removed)
        while await stores.executions.vacuum():
            pass
    return removed
