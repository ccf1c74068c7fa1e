"""Keys for the operator's commands, beside a service that runs or without one."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from moderately.service import KeyRing
from moderately.settings import Settings
from moderately.wiring.clock import SystemClock
from moderately.wiring.stores import open_stores

__all__ = ["Keys", "open_keys"]

Keys = KeyRing


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncIterator[KeyRing]:
    """Open the keys of a database.

    Args:
        settings: Where it lies.

    Raises:
        StartError: If it cannot be opened.
    """
    clock = SystemClock()
    async with open_stores(settings, clock, is_owner=False) as stores:
        yield KeyRing(stores.keys, clock, time.monotonic)
