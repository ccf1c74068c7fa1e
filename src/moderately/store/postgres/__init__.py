"""The PostgreSQL store: one database that any number of processes share."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from psycopg import Error

from moderately.domain.ports import Clock
from moderately.store.postgres.connections import Connections, execute, read_url
from moderately.store.postgres.keys import PostgresKeyStore
from moderately.store.postgres.migrate import Migration, Standing, migrations, standing, upgrade
from moderately.store.postgres.reads import Reads
from moderately.store.postgres.reports import PostgresReports
from moderately.store.postgres.store import PostgresStore
from moderately.store.queries import load_queries

__all__ = [
    "Error",
    "Migration",
    "PostgresKeyStore",
    "PostgresStore",
    "Standing",
    "Stores",
    "Unfit",
    "migrations",
    "open_connections",
    "open_stores",
    "read_url",
    "standing",
    "upgrade",
]

_log = logging.getLogger(__name__)

_CLOSE_SECONDS: Final = 5.0
_DURABILITY: Final = (
    "SELECT current_setting('synchronous_commit') <> 'off', current_setting('fsync')::boolean"
)


class Unfit(Exception):
    """The database is not fit for this program. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What lies in one database."""

    executions: PostgresStore
    keys: PostgresKeyStore
    reports: PostgresReports


@asynccontextmanager
async def open_connections(
    url: str, size: int, *, is_direct: bool = True
) -> AsyncIterator[Connections]:
    """Connect to a database.

    Args:
        url: Where it is.
        size: How many connections at most.
        is_direct: Whether there is no pooler between.

    Raises:
        psycopg.Error: If it cannot be reached.
    """
    connections = Connections(url, size, is_direct=is_direct)
    try:
        await connections.open()
        yield connections
    finally:
        await connections.close()


@asynccontextmanager
async def open_stores(
    url: str,
    clock: Clock,
    *,
    session_url: str | None = None,
    size: int = 8,
    at: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Stores]:
    """Open a database, brought to the schema that this program needs by expand steps.

    Args:
        url: Where it is; through a pooler, if that is wanted.
        clock: Tells the time.
        session_url: Where it is without a pooler; the same when None.
        size: How many connections at most, beside the session's own.
        at: Called between any two things that a write does; see `Writer`.

    Raises:
        psycopg.Error: If it cannot be reached, or refuses.
        Unfit: If its schema is not for this program, or it does not keep what it confirms.
    """
    queries = {
        name: sql.replace("?", "%s")
        for name, sql in load_queries("moderately.store", __name__).items()
    }
    async with open_connections(url, size, is_direct=session_url in (None, url)) as connections:
        await _bring_up(connections)
        batches = max(1, size - 2)
        store = PostgresStore(
            connections, session_url or url, queries, clock, batches=batches, at=at
        )
        try:
            await store.start()
            yield Stores(
                store,
                PostgresKeyStore(connections, queries, clock),
                PostgresReports(Reads(connections, queries), queries),
            )
        finally:
            await store.close(_CLOSE_SECONDS)


async def _bring_up(connections: Connections) -> None:
    known = migrations()
    async with connections.use(patience=600.0) as connection:
        await upgrade(connection, known, with_contract=False)
        found = await standing(connection, known)
        cursor = await execute(connection, _DURABILITY)
        row = await cursor.fetchone()
    if row is None or not row[0]:
        raise Unfit(
            "its synchronous_commit is off, so that what it confirms may be lost: ALTER ROLE … SET"
            " synchronous_commit = on"
        )
    if not row[1]:
        _log.warning("the database's fsync is off: what it confirms is lost when the power fails")
    if found.unknown:
        raise Unfit(
            f"the database was changed by a newer release ({', '.join(found.unknown)}), which this"
            " one cannot work with: start a newer release"
        )
    if not found.fits:
        raise Unfit("the database has to be upgraded first: run moderately db upgrade")
