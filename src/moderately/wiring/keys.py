"""Keys for the operator's commands, beside a service that runs or without one."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from moderately.service import KeyRing
from moderately.settings import Settings
from moderately.store.sqlite import open_stores
from moderately.wiring.clock import SystemClock
from moderately.wiring.place import database_path, say_why

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
    path = database_path(settings)
    clock = SystemClock()
    try:
        async with open_stores(path, clock) as stores:
            yield KeyRing(stores.keys, clock, time.monotonic)
    except (sqlite3.Error, OSError, ValueError) as error:
        raise say_why(path, error) from error
