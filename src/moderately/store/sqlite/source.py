"""`moderately.store.unit.Source` on SQLite: reads on the connection that writes."""

import sqlite3
from collections.abc import Mapping, Sequence

from moderately.domain.execution import Execution, Step
from moderately.domain.fairness import KEYS_AT_ONCE, TEAMS_AT_ONCE, Head
from moderately.store.rows import EXECUTION_COLUMNS, STEPS, read_execution, read_step
from moderately.store.unit import Look, Search

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

    async def hold(self, agent_ids: Sequence[str]) -> None:
        """Nothing to do: nobody else writes."""

    async def running(self, agent_ids: Sequence[str]) -> Mapping[tuple[str, str | None], int]:
        """How many executions of these agents run, by agent and concurrency key."""
        query = self._queries["running_by_key"]
        return {
            (agent_id, key): number
            for agent_id in agent_ids
            for key, number in self._connection.execute(query, (agent_id,))
        }

    async def arrivals(self, agent_ids: Sequence[str]) -> Mapping[str, int]:
        """The theoretical arrival times of the agents' rate limits."""
        found = {}
        for agent_id in agent_ids:
            row = self._connection.execute(self._queries["get_arrival"], (agent_id,)).fetchone()
            found[agent_id] = 0 if row is None else int(row[0])
        return found

    async def waiting(self, searches: Sequence[Search]) -> Sequence[Look]:
        """Look for what waits; a look for each search."""
        looks = []
        for search in searches:
            found: list[Head] = []
            teams = self._waiting_teams(search)
            share = search.share(len(teams))
            for team_id in teams:
                for lane in search.plain_lanes:
                    found += self._heads("waiting", search.agent_id, team_id, lane, share)
                for lane in search.keyed_lanes:
                    where = (search.agent_id, team_id, lane)
                    for key in self._waiting_keys(search, where):
                        found += self._heads("waiting_with_key", *where, key, search.key_limit)
            looks.append(Look(teams, found))
        return looks

    def _heads(self, query: str, *parameters: object) -> list[Head]:
        return [*map(Head._make, self._connection.execute(self._queries[query], parameters))]

    def _waiting_keys(self, search: Search, where: tuple[str, str, str]) -> list[str]:
        keys: list[str] = []
        key, full = search.behind_key, set(search.full_keys)
        while len(keys) < KEYS_AT_ONCE:
            row = self._connection.execute(
                self._queries["next_waiting_key"], (*where, key)
            ).fetchone()
            if row is None:
                break
            key = row[0]
            if key not in full:
                keys.append(key)
        return keys

    def _waiting_teams(self, search: Search) -> list[str]:
        teams: list[str] = []
        query, behind = self._queries["next_waiting_team"], search.behind
        while len(teams) < TEAMS_AT_ONCE:
            row = self._connection.execute(query, (search.agent_id, behind)).fetchone()
            if row is None:
                break
            behind = row[0]
            teams.append(behind)
        return teams

    async def take(self, chosen: Sequence[Head], searches: Sequence[Search]) -> Sequence[Execution]:
        """What was chosen: nobody else can have taken it."""
        del searches
        found = [await self.execution(head.id) for head in chosen]
        return [execution for execution in found if execution is not None]

    async def orphans(self) -> Sequence[str]:
        """All that runs: whoever ran it has owned the database before."""
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
