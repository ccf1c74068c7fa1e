"""Connections to PostgreSQL: a pool, how long each use may take, and what an error means."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from moderately.domain.errors import Unavailable

__all__ = [
    "PATIENCE_SECONDS",
    "SPACING_SECONDS",
    "Connection",
    "Connections",
    "break_off",
    "conninfo",
    "execute",
    "is_lost",
    "keeps_from_working",
    "read_url",
    "unavailable",
]

Connection = AsyncConnection[tuple[Any, ...]]

PATIENCE_SECONDS: Final = 10.0
"""How long the database may take for one thing before its connection is given up."""

SPACING_SECONDS: Final = 0.002
"""How far apart things of a kind go to the server, where many come up: the way there and back costs
more than what goes along."""

_QUICK_SECONDS: Final = 0.5
_READ_ONLY: Final = "25006"
_REASONS: Final = {
    "53100": "The database's disk is full",
    "53200": "The database is out of memory",
    "53300": "The database takes no more connections",
    _READ_ONLY: "The database takes no writes",
    "3D000": "The database does not exist",
    "28P01": "The database refuses the password",
    "42501": "The database refuses access",
    "42P01": "The database lacks a table: run moderately db upgrade",
    "42703": "The database lacks a column: run moderately db upgrade",
}
_SESSION: Final = "; ".join(
    f"SET {setting}"
    for setting in (
        "synchronous_commit = on",
        # Short, so that what a dead or cut-off client has locked is free again before long.
        "idle_in_transaction_session_timeout = '10s'",
        "tcp_keepalives_idle = 5",
        "tcp_keepalives_interval = 2",
        "tcp_keepalives_count = 3",
        # Every query has its index, whatever its parameters are: one plan for each will do, if it
        # is not made for tables that were still small, and read as a whole.
        "plan_cache_mode = force_generic_plan",
        "enable_seqscan = off",
        "enable_hashjoin = off",
        "enable_mergejoin = off",
        "jit = off",
    )
)
_CLIENT: Final[dict[str, int | str]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "moderately",
}

logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
logging.getLogger("psycopg").setLevel(logging.ERROR)


# The classes of errors that pass, or that an operator can end: no connection, no resources, no
# privilege, a server that takes no writes or is going down, a schema that is not there yet.
_PASSING: Final = ("08", "25", "53", "57", "58", "42501", "42703", "42P01")


def keeps_from_working(error: BaseException) -> bool:
    """Whether an error is about the state of the database, and not about what was asked of it."""
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return True
    return (getattr(error, "sqlstate", None) or "").startswith(_PASSING)


def read_url(url: str) -> dict[str, Any]:
    """The parts of a URL, as the driver reads them: `host`, `port`, `dbname` and others.

    Raises:
        ValueError: If it cannot be read. The message has nothing of it.
    """
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError("the URL cannot be read") from None
    if not str(found.get("port") or "").replace(",", "").isdigit() and found.get("port"):
        # More likely a part of a password that has an @ in it.
        raise ValueError("the URL has a port that is no number")
    return found


def conninfo(url: str) -> str:
    """The connection string of a URL, with our timeouts where it has none of its own."""
    given = conninfo_to_dict(url)
    return make_conninfo(url, **{k: v for k, v in _CLIENT.items() if k not in given})


def unavailable(error: BaseException, *, is_known: bool = True) -> Unavailable:
    """Say what keeps the database from working, without its address.

    Args:
        error: What the driver has raised.
        is_known: Whether it is known that nothing was written.
    """
    reason = _REASONS.get(getattr(error, "sqlstate", None) or "", "The database does not answer")
    what = "nothing was written" if is_known else "what was asked for may have been done"
    return Unavailable(f"{reason}; {what}. Try again later.", retry_after=1)


async def execute(
    connection: Connection, sql: str, parameters: Sequence[Any] = (), *, prepare: bool = True
) -> AsyncCursor[tuple[Any, ...]]:
    """Run a statement, prepared by the server for the next time where there is no pooler between.

    Args:
        connection: Where.
        sql: One of our own texts; what comes from outside travels as a parameter.
        parameters: The parameters.
        prepare: Whether it is worth preparing.
    """
    prepare = prepare and connection.prepare_threshold is not None
    # Without parameters a text may hold several statements, and percent signs.
    return await connection.execute(sql.encode(), parameters or None, prepare=prepare)


def is_lost(connection: Connection) -> bool:
    """Whether a connection is of no use any more."""
    return connection.closed or connection.broken


def break_off(connection: Connection) -> None:
    """End a connection at once: whoever waits for it gets an error.

    Cancelling the one who waits would not do: the driver then asks the server to cancel, and waits
    for that.
    """
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as wire,
    ):
        wire.shutdown(socket.SHUT_RDWR)


class Connections:
    """A pool of connections, each in autocommit mode.

    Args:
        url: Where the database is.
        size: How many connections at most.
        is_direct: Whether there is no pooler between, so that sessions may be set up.
    """

    def __init__(self, url: str, size: int, *, is_direct: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._conninfo = conninfo(url)
        self._is_direct = is_direct
        self._is_down = False
        self._checking: asyncio.Task[None] | None = None
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self._conninfo,
            min_size=min(2, size),
            max_size=size,
            open=False,
            kwargs={"autocommit": True},
            configure=self._configure,
            reconnect_timeout=PATIENCE_SECONDS,
            max_idle=600.0,
        )

    async def open(self) -> None:
        """Connect.

        Raises:
            psycopg.Error: If it cannot.
        """
        # The pool tells only that there was none in time: one of its own tells why.
        await (await Connection.connect(self._conninfo)).close()
        await self._pool.open()

    async def close(self) -> None:
        """Close all connections."""
        if self._checking is not None:
            self._checking.cancel()
        await self._pool.close(timeout=1.0)

    async def _configure(self, connection: Connection) -> None:
        if self._is_direct:
            await connection.execute(_SESSION)
        else:
            # The next transaction may be another server process's.
            connection.prepare_threshold = None

    @asynccontextmanager
    async def use(self, patience: float = PATIENCE_SECONDS) -> AsyncIterator[Connection]:
        """Use a connection, for so long.

        Args:
            patience: After how many seconds the connection is broken off.

        Raises:
            psycopg.Error: If there is none, it breaks, or a statement fails.
        """
        # While the database is away, callers are told so soon instead of after the whole patience.
        wait = _QUICK_SECONDS if self._is_down else PATIENCE_SECONDS / 2
        try:
            connection = await self._pool.getconn(wait)
        except psycopg.Error:
            self._is_down = True
            raise
        timer = self._loop.call_later(patience, break_off, connection)
        try:
            yield connection
            self._is_down = False
        except psycopg.Error:
            if is_lost(connection):
                self._check_others()
            raise
        finally:
            timer.cancel()
            await self._pool.putconn(connection)

    def _check_others(self) -> None:
        """One connection was lost: the idle ones may be as well."""
        if self._checking is None or self._checking.done():
            self._checking = self._loop.create_task(self._check())

    async def _check(self) -> None:
        with contextlib.suppress(psycopg.Error):
            await self._pool.check()
