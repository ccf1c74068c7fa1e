"""Reads. They see what is committed, never the batch that is being written."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from moderately.store.sqlite.database import connect
from moderately.store.sqlite.writer import unavailable

__all__ = ["Readers"]

T = TypeVar("T")

_THREADS: Final = 2


class Readers:
    """Connections that only read: one for look-ups by key, and some in threads for the longer.

    Args:
        path: The database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._near = _open(path)
        self._far: list[sqlite3.Connection] = []
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sqlite-read")

    def one(self, sql: str, parameters: Any = ()) -> Any:
        """The first row of a look-up, or None. Runs on the event loop: for microseconds only."""
        try:
            return self._near.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def all(self, sql: str, parameters: Any = ()) -> list[Any]:
        """All rows of a short look-up."""
        try:
            return self._near.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise unavailable(error) from error

    async def far(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Run a longer read in a thread, in one snapshot of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read)

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = _open(self._path)
                self._far.append(connection)
            connection.execute("BEGIN")
            try:
                return read(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Close the connections, once the reads in threads have ended."""
        self._threads.shutdown(wait=True)
        for connection in (self._near, *self._far):
            connection.close()


def _open(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection
