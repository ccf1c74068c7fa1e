"""The database's schema, for the operator's commands."""

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from moderately.settings import Settings
from moderately.store.sqlite.database import connect, migrate, migrations
from moderately.wiring.place import StartError, database_path, is_postgres, say_why
from moderately.wiring.stores import postgres_module, shown_url

__all__ = ["Schema", "look_at_schema", "upgrade_schema"]


@dataclass(frozen=True, slots=True)
class Schema:
    """How a database's schema stands to this program.

    Attributes:
        place: Where the database is.
        applied: How many migrations were applied.
        pending: The names of those that were not, with their phases.
        unknown: The names of contract steps that this program does not know.
        fits: Whether this program can work on the database as it is.
    """

    place: str
    applied: int
    pending: Sequence[str]
    unknown: Sequence[str]
    fits: bool


async def look_at_schema(settings: Settings) -> Schema:
    """Find out how the database stands.

    Raises:
        StartError: If it cannot be opened.
    """
    if not is_postgres(settings):
        return _sqlite(settings, is_upgrade=False)[0]
    return (await _postgres(settings, None))[0]


async def upgrade_schema(settings: Settings, *, with_contract: bool) -> tuple[Schema, list[str]]:
    """Apply what is pending.

    Args:
        settings: Which database.
        with_contract: Whether contract steps are applied too.

    Returns:
        How the database stands, and the names of what was applied.

    Raises:
        StartError: If it cannot be opened.
    """
    if not is_postgres(settings):
        return _sqlite(settings, is_upgrade=True)
    return await _postgres(settings, with_contract)


def _sqlite(settings: Settings, *, is_upgrade: bool) -> tuple[Schema, list[str]]:
    path = database_path(settings)
    if not is_upgrade and not path.exists():
        raise StartError(f"there is no database at {path}")
    try:
        with contextlib.closing(connect(path)) as connection:
            (before,) = connection.execute("PRAGMA user_version").fetchone()
            ran = migrate(connection) if is_upgrade else 0
    except (sqlite3.Error, OSError, ValueError) as error:
        raise say_why(path, error) from error
    names = [f"{number:04}" for number, _ in migrations()]
    applied = before + ran
    unknown = [f"{number:04}" for number in range(len(names) + 1, applied + 1)]
    schema = Schema(str(path), applied, names[applied:], unknown, applied == len(names))
    return schema, names[before:applied]


async def _postgres(settings: Settings, with_contract: bool | None) -> tuple[Schema, list[str]]:
    postgres = postgres_module()
    url = settings.database_session or settings.database or ""
    known, ran, place = postgres.migrations(), [], shown_url(url)
    try:
        async with (
            postgres.open_connections(url, 1) as connections,
            connections.use(patience=3600.0) as connection,
        ):
            if with_contract is not None:
                ran = await postgres.upgrade(connection, known, with_contract=with_contract)
            found = await postgres.standing(connection, known)
    except postgres.Error as error:
        message = str(error).strip().splitlines()[0]
        raise StartError(f"cannot open the database {place}: {message}") from error
    pending = [f"{one.number:04} {one.name} ({one.phase})" for one in found.pending]
    schema = Schema(place, len(found.applied), pending, found.unknown, found.fits)
    return schema, [f"{one.number:04} {one.name}" for one in ran]
