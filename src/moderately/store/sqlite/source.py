"""`moderately.store.unit.Source` on SQLite: reads on the connection that writes."""

import sqlite3
from collections.abc import Sequence

from moderately.domain.execution import Execution, Step
from moderately.domain.storing import Offer
from moderately.store.sqlite.rows import EXECUTION_COLUMNS, STEPS, read_execution, read_step

__all__ = ["SQLiteSource"]


class SQLiteSource:
    """Reads for a unit. No call ever suspends.

    Args:
        connection: The connection, within its transaction.
        queries: The named queries.

    Attributes:
        live: What runs, as it was last written: nobody else writes, so that it need not be read
            again. The store keeps it.
    """

    def __init__(self, connection: sqlite3.Connection, queries: dict[str, str]) -> None:
        self.live: dict[str, Execution] = {}
        self._connection = connection
        self._queries = queries
        self._get = queries["get_execution"].format(columns=EXECUTION_COLUMNS)
        columns = ", ".join(f"e.{name}" for name in Execution._fields)
        self._find_key = queries["find_idempotency_key"].format(columns=columns)
        self._get_step = queries["get_step"].format(steps=STEPS)
        self._waits = queries["list_waits"].format(steps=STEPS)

    async def execution(self, execution_id: str) -> Execution | None:
        """One execution."""
        if (live := self.live.get(execution_id)) is not None:
            return live
        row = self._connection.execute(self._get, (execution_id,)).fetchone()
        return None if row is None else read_execution(row)

    async def idempotent(self, team_id: str, key: str) -> tuple[str, Execution] | None:
        """What a team's idempotency key stands for."""
        row = self._connection.execute(self._find_key, (team_id, key)).fetchone()
        return None if row is None else (row[0], read_execution(row[1:]))

    async def step(self, execution_id: str, step_id: str) -> Step | None:
        """One journal entry."""
        row = self._connection.execute(self._get_step, (execution_id, step_id)).fetchone()
        return None if row is None else read_step(row)

    async def waits(self, execution_id: str) -> Sequence[Step]:
        """What an execution waits for."""
        return [read_step(row) for row in self._connection.execute(self._waits, (execution_id,))]

    async def children(self, execution_id: str) -> Sequence[str]:
        """An execution's children that have not ended."""
        return self._ids("child_ids", execution_id)

    async def claimable(
        self, offer: Offer, full_keys: Sequence[str], limit: int
    ) -> Sequence[Execution]:
        """What may start of an agent, in order."""
        sql = self._queries["claimable"].format(
            columns=EXECUTION_COLUMNS,
            versions=", ".join("?" * len(offer.versions)),
            keys=", ".join("?" * len(full_keys)),
        )
        parameters = (offer.agent_id, *offer.versions, *full_keys, limit)
        return [read_execution(row) for row in self._connection.execute(sql, parameters)]

    async def running_by_key(self, agent_id: str) -> dict[str, int]:
        """How many executions of an agent run, by concurrency key."""
        return dict(self._connection.execute(self._queries["running_by_key"], (agent_id,)))

    async def arrival(self, agent_id: str) -> int:
        """The theoretical arrival time of an agent's rate limit."""
        row = self._connection.execute(self._queries["get_arrival"], (agent_id,)).fetchone()
        return 0 if row is None else int(row[0])

    async def running(self) -> Sequence[str]:
        """All that runs."""
        return self._ids("running_ids")

    async def lapsed(self, now: int) -> Sequence[str]:
        """What runs on workers whose leases have ended."""
        return self._ids("lapsed_ids", now)

    async def due(self, now: int, limit: int) -> Sequence[str]:
        """What waits for a time that has come."""
        return self._ids("due_ids", now, limit)

    async def overdue(self, now: int, limit: int) -> Sequence[str]:
        """What is pending, and out of time."""
        return self._ids("overdue_ids", now, limit)

    async def next_due(self, now: int) -> int | None:
        """When the next of these is due."""
        found = [
            self._connection.execute(self._queries[name], (now,)).fetchone()[0]
            for name in ("next_run_at", "next_deadline")
        ]
        return min((at for at in found if at is not None), default=None)

    def _ids(self, query: str, *parameters: object) -> list[str]:
        return [row[0] for row in self._connection.execute(self._queries[query], parameters)]
