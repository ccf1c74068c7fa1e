"""`moderately.domain.reports.Reports` on SQLite."""

import sqlite3
from collections.abc import Mapping, Sequence

from moderately.domain.listing import ListQuery
from moderately.domain.reports import Load, Queue, Run, Slot, Storage
from moderately.protocol.vocabulary import Status
from moderately.store.lists import Lists
from moderately.store.sqlite.readers import Readers
from moderately.store.sums import SAMPLE, by_status, make_queues, make_runs, make_slots

__all__ = ["SQLiteReports"]


class SQLiteReports:
    """The reports. Made by `open_stores`.

    Args:
        readers: Run the reads.
        queries: The named queries.
    """

    def __init__(self, readers: Readers, queries: Mapping[str, str]) -> None:
        self._readers = readers
        self._queries = queries
        self._lists = Lists(queries, hints=True, mark="?")
        self._ends = queries["ends_by_slot"].format(
            completed="INDEXED BY executions_by_completed",
            updated="INDEXED BY executions_by_updated",
        )

    async def counts(self, team_id: str, query: ListQuery) -> Mapping[Status, int]:
        """How many of a team's executions there are, by status."""

        def read(connection: sqlite3.Connection) -> Mapping[Status, int]:
            return by_status(connection.execute(*self._lists.counts(team_id, query)))

        return await self._readers.far(read)

    async def queues(self, team_id: str) -> Sequence[Queue]:
        """What is pending of a team, by agent."""

        def read(connection: sqlite3.Connection) -> Sequence[Queue]:
            pending = connection.execute(self._queries["pending_by_agent"], (team_id,)).fetchall()
            waiting = connection.execute(self._queries["waiting_by_agent"], (team_id,)).fetchall()
            return make_queues(pending, waiting)

        return await self._readers.far(read)

    async def loads(self, team_id: str) -> Sequence[Load]:
        """What runs of a team, by worker and agent."""

        def read(connection: sqlite3.Connection) -> Sequence[Load]:
            rows = connection.execute(self._queries["running_by_worker"], (team_id,))
            return [Load._make(row) for row in rows]

        return await self._readers.far(read)

    async def ends(self, team_id: str, since: int, width: int, number: int) -> Sequence[Slot]:
        """What ended of a team over time."""
        half = (since, width, team_id, since, since + width * number)

        def read(connection: sqlite3.Connection) -> Sequence[Slot]:
            rows = connection.execute(self._ends, half * 2).fetchall()
            spans = {}
            for slot in {row[0] for row in rows}:
                begun = since + slot * width
                parameters = (team_id, begun, begun + width, SAMPLE)
                found = connection.execute(self._queries["sample_spans"], parameters)
                spans[slot] = [row[0] for row in found]
            return make_slots(since, width, number, rows, spans)

        return await self._readers.far(read)

    async def runs(self, team_id: str, agent_id: str, limit: int) -> Sequence[Run]:
        """How an agent's newest executions went."""

        def read(connection: sqlite3.Connection) -> Sequence[Run]:
            parameters = (team_id, agent_id, limit)
            return make_runs(connection.execute(self._queries["recent_runs"], parameters))

        return await self._readers.far(read)

    async def storage(self) -> Storage:
        """Where the facts lie."""
        (octets,) = self._readers.one(self._queries["database_size"])
        return Storage(f"SQLite {sqlite3.sqlite_version}", octets)
