"""The SQLite store: a file, a process that owns it, and nothing to set up."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from moderately.domain.ports import Clock
from moderately.store.queries import load_queries
from moderately.store.sqlite.database import connect, migrate
from moderately.store.sqlite.keys import SQLiteKeyStore
from moderately.store.sqlite.lock import FolderLock, FolderLocked
from moderately.store.sqlite.readers import Readers
from moderately.store.sqlite.reports import SQLiteReports
from moderately.store.sqlite.store import SQLiteStore
from moderately.store.sqlite.writer import Writer
from moderately.store.subscribers import Subscribers
from moderately.store.unit import Unit

__all__ = ["FolderLock", "FolderLocked", "SQLiteKeyStore", "SQLiteStore", "Stores", "open_stores"]


@dataclass(frozen=True, slots=True)
class Stores:
    """What lies in one database."""

    executions: SQLiteStore
    keys: SQLiteKeyStore
    reports: SQLiteReports


@asynccontextmanager
async def open_stores(
    path: Path, clock: Clock, *, at: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Stores]:
    """Open a database, made and brought to the newest schema as needed.

    Only the process that holds the `FolderLock` may use `Stores.executions`; the keys are open to
    any.

    Args:
        path: The file.
        clock: Tells the time.
        at: Called between any two things that a write does; see `Writer`.

    Raises:
        sqlite3.Error: If it is no database, or cannot be opened.
        ValueError: If it was made by a newer release.
    """
    subscribers = Subscribers()

    def notify(unit: Unit) -> None:
        subscribers.say(unit.changes)
        if unit.events:
            subscribers.say_commit()

    connection = connect(path)
    try:
        migrate(connection)
        # From here on it never waits for another process's lock: the writer tries again instead.
        connection.execute("PRAGMA busy_timeout = 0")
        # What takes a single statement back is kept in memory, not in a file made for each commit.
        connection.execute("PRAGMA temp_store = MEMORY")
        readers = Readers(path)
        queries = load_queries("moderately.store", __name__)
        writer = Writer(connection, queries, clock, notify, at)
        try:
            yield Stores(
                SQLiteStore(writer, readers, queries, clock, subscribers),
                SQLiteKeyStore(writer, readers, queries, clock),
                SQLiteReports(readers, queries),
            )
        finally:
            await writer.close()
            readers.close()
    finally:
        connection.close()
