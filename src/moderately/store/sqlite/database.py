"""Opens a SQLite database: its settings, its migrations, its connections."""

import contextlib
import os
import re
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import Final

__all__ = ["connect", "free_pages", "migrate", "migrations"]

_BUSY_SECONDS: Final = 5.0
_MIGRATION: Final = re.compile(r"(\d{4})_\w+\.sql")


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection: WAL, each commit synced to disk, foreign keys enforced.

    Args:
        path: The file; made, for its owner only, if it is missing.

    Raises:
        sqlite3.Error: If it is no database, or cannot be opened.
    """
    # Only a file that is not there yet may be opened here: closing any descriptor of a database
    # gives up every lock that this process has on it (https://sqlite.org/howtocorrupt.html, 2.2),
    # and another process could then take the write-ahead log away.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    try:
        # Of account for a new file only: what is removed can be given back bit by bit.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -32768")
        connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        connection.close()
        raise
    return connection


def free_pages(connection: sqlite3.Connection, limit: int) -> int:
    """Give pages that nothing uses back to the disk.

    Args:
        connection: The database, within a transaction.
        limit: How many pages at most.

    Returns:
        How many.
    """
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    number = min(free, limit)
    for _ in range(number):
        # One page a call: the driver takes one step of a statement without columns.
        connection.execute("PRAGMA incremental_vacuum(1)")
    return int(number)


def migrations() -> list[tuple[int, str]]:
    """The migrations as (number, SQL), in order. Numbers count from 1 without a gap."""
    folder = files(__package__ or "").joinpath("migrations")
    found = sorted(
        (int(match[1]), entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := _MIGRATION.fullmatch(entry.name))
    )
    if [number for number, _ in found] != list(range(1, len(found) + 1)):
        raise ValueError("the migrations are not numbered from 1 without a gap")
    return found


def migrate(connection: sqlite3.Connection) -> int:
    """Bring a database to the newest schema, each migration in a transaction of its own.

    Args:
        connection: The database.

    Returns:
        How many migrations ran.

    Raises:
        ValueError: If the database is newer than this program.
        sqlite3.Error: If it cannot be read or written.
    """
    steps = migrations()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(steps):
        raise ValueError(
            f"the database has schema {version}, and this program knows {len(steps)} at most:"
            " start it with a newer release"
        )
    ran = 0
    for number, sql in steps[version:]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version < number:
                for statement in _statements(sql):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
                ran += 1
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return ran


def _statements(sql: str) -> list[str]:
    # `executescript` would commit the transaction that the migration runs in.
    statements: list[str] = []
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
