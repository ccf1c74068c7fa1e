"""Migrations of a PostgreSQL database, in steps that never stop what runs.

Each is a numbered file whose first line says its phase. An *expand* step only adds: programs of
earlier releases go on beside it, so that it may be applied while they run, and is applied when a
program starts that needs it. A *contract* step removes what no supported release uses any more. It
is applied by `moderately db upgrade` only, once no program that needs what it removes is left. A
program refuses a database only if a contract step was applied to it that it does not know.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from moderately.store.postgres.connections import (
    Connection,
    execute,
)

__all__ = ["Migration", "Standing", "migrations", "standing", "upgrade"]

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_PHASE: Final = re.compile(r"-- phase: (expand|contract)\n")
_LOCK: Final = 7453010302181
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    phase      text NOT NULL CHECK (phase IN ('expand', 'contract')),
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A step from one schema to the next.

    Attributes:
        number: Its place, from 1.
        name: What it does.
        phase: `expand` or `contract`.
        sql: The statements.
    """

    number: int
    name: str
    phase: str
    sql: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a database stands to this program.

    Attributes:
        applied: The numbers of what was applied.
        pending: What was not.
        unknown: The names of contract steps that this program does not know.
    """

    applied: Sequence[int]
    pending: Sequence[Migration]
    unknown: Sequence[str]

    @property
    def fits(self) -> bool:
        """Whether this program can work on the database as it is."""
        return not self.unknown and not any(one.phase == "expand" for one in self.pending)


def migrations() -> list[Migration]:
    """The migrations, in order.

    Raises:
        ValueError: If they are not numbered from 1 without a gap, or one says no phase.
    """
    found = []
    for entry in files(__package__ or "").joinpath("migrations").iterdir():
        if match := _FILE.fullmatch(entry.name):
            sql = entry.read_text(encoding="utf-8")
            phase = _PHASE.match(sql)
            if phase is None:
                raise ValueError(f"{entry.name} does not begin with its phase")
            found.append(Migration(int(match[1]), match[2], phase[1], sql))
    found.sort(key=lambda one: one.number)
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        raise ValueError("the migrations are not numbered from 1 without a gap")
    return found


async def standing(connection: Connection, known: Sequence[Migration]) -> Standing:
    """Find out how a database stands.

    Args:
        connection: The database.
        known: What this program knows.
    """
    cursor = await execute(connection, "SELECT to_regclass('schema_migrations') IS NOT NULL")
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return Standing([], known, [])
    cursor = await execute(connection, "SELECT number, name, phase FROM schema_migrations")
    rows = await cursor.fetchall()
    applied = {number for number, _, _ in rows}
    numbers = {one.number for one in known}
    unknown = [name for n, name, phase in rows if n not in numbers and phase == "contract"]
    pending = [one for one in known if one.number not in applied]
    return Standing(sorted(applied), pending, unknown)


async def upgrade(
    connection: Connection, known: Sequence[Migration], *, with_contract: bool
) -> list[Migration]:
    """Apply what is pending, each step in a transaction of its own; one program at a time.

    Args:
        connection: The database.
        known: What this program knows.
        with_contract: Whether contract steps are applied too. Without them it stops before the
            first: later steps may build on it.

    Returns:
        What was applied.
    """
    ran: list[Migration] = []
    # A role that may not change the schema is good enough where there is nothing to change.
    while (await standing(connection, known)).pending:
        async with connection.transaction():
            # Held until the transaction ends, so that it works through a pooler as well.
            await execute(connection, "SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            await execute(connection, _TABLE, prepare=False)
            pending = (await standing(connection, known)).pending
            if not pending or (pending[0].phase == "contract" and not with_contract):
                break
            step = pending[0]
            await execute(connection, step.sql, prepare=False)
            await execute(
                connection,
                "INSERT INTO schema_migrations (number, name, phase) VALUES (%s, %s, %s)",
                (step.number, step.name, step.phase),
            )
            ran.append(step)
    return ran
