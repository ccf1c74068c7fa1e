"""`moderately.store.unit.Source` on PostgreSQL."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from moderately.domain.execution import Execution, Step
from moderately.domain.fairness import KEYS_AT_ONCE, TEAMS_AT_ONCE, Head
from moderately.store.postgres.connections import (
    Connection,
    execute,
)
from moderately.store.rows import EXECUTION_COLUMNS, STEPS, read_execution, read_step
from moderately.store.unit import Look, Search

__all__ = ["PostgresSource"]

_LAPSED_LIMIT: Final = 1000


class PostgresSource:
    """Reads for a unit.

    Within a transaction it locks the executions that it reads. Without one it does not, and is
    *quick*: it believes what it knows already, and that an idempotency key is new. What turns out
    to have changed, the write finds, since it is guarded; the unit then runs again, with locks.

    Args:
        connection: The connection.
        queries: The named queries.
        live: What runs here, as it was last written; looked at by a quick source only.
        dead: Tells which workers are dead.
        is_locking: Whether there is a transaction.
    """

    def __init__(
        self,
        connection: Connection,
        queries: Mapping[str, str],
        live: Mapping[str, Execution],
        dead: Callable[[Iterable[tuple[str, bool]]], list[str]],
        *,
        is_locking: bool,
    ) -> None:
        self._connection = connection
        self._queries = queries
        self._known: dict[str, Execution | None] = {}
        self._live: Mapping[str, Execution] = {} if is_locking else live
        self._dead = dead
        self._is_locking = is_locking
        name = "lock_executions" if is_locking else "get_executions"
        self._get = queries[name].format(columns=EXECUTION_COLUMNS)

    async def prefetch(self, ids: Iterable[str]) -> None:
        """Read some executions at once."""
        wanted = sorted({one for one in ids if one not in self._live and one not in self._known})
        if not wanted:
            return
        self._known |= dict.fromkeys(wanted)
        for row in await self._rows(self._get, wanted):
            self._known[row[0]] = read_execution(row)

    async def execution(self, execution_id: str) -> Execution | None:
        """One execution."""
        if (live := self._live.get(execution_id)) is not None:
            return live
        await self.prefetch([execution_id])
        return self._known[execution_id]

    async def idempotent(self, team_id: str, key: str) -> tuple[str, Execution] | None:
        """What a team's idempotency key stands for."""
        if not self._is_locking:
            return None
        columns = ", ".join(f"e.{name}" for name in Execution._fields)
        sql = self._queries["find_idempotency_key"].format(columns=columns)
        rows = await self._rows(sql, team_id, key)
        return (rows[0][0], read_execution(rows[0][1:])) if rows else None

    async def step(self, execution_id: str, step_id: str) -> Step | None:
        """One journal entry."""
        sql = self._queries["get_step"].format(steps=STEPS)
        rows = await self._rows(sql, execution_id, step_id)
        return read_step(rows[0]) if rows else None

    async def waits(self, execution_id: str) -> Sequence[Step]:
        """What an execution waits for."""
        sql = self._queries["list_waits"].format(steps=STEPS)
        return [read_step(row) for row in await self._rows(sql, execution_id)]

    async def children(self, execution_id: str) -> Sequence[str]:
        """An execution's children that have not ended."""
        found = await self._ids("child_ids", execution_id)
        await self.prefetch(found)
        return found

    async def hold(self, agent_ids: Sequence[str]) -> None:
        """Let nobody else claim of these agents until this transaction ends."""
        await self._named("hold_agents", list(agent_ids))

    async def running(self, agent_ids: Sequence[str]) -> Mapping[tuple[str, str | None], int]:
        """How many executions of these agents run, by agent and concurrency key."""
        rows = await self._named("running_by_agent", list(agent_ids))
        return {(agent_id, key): number for agent_id, key, number in rows}

    async def arrivals(self, agent_ids: Sequence[str]) -> Mapping[str, int]:
        """The theoretical arrival times of the agents' rate limits."""
        return dict(await self._named("list_arrivals", list(agent_ids)))

    async def waiting(self, searches: Sequence[Search]) -> Sequence[Look]:
        """Look for what waits; a look for each search."""
        cursors = []
        async with self._connection.pipeline():
            for one in searches:
                agent_id = one.agent_id
                teams = (agent_id, one.behind, agent_id, TEAMS_AT_ONCE)
                statements: list[tuple[str, tuple[Any, ...]]] = [
                    ("waiting", (*teams, one.plain_lanes, agent_id, one.limit))
                ]
                if lanes := one.keyed_lanes:
                    keys = (one.behind_key, lanes, list(one.full_keys), agent_id, KEYS_AT_ONCE)
                    keyed = ("waiting_by_key", (*teams, *keys, agent_id, one.key_limit))
                    statements.append(keyed)
                cursors.append(
                    [
                        await execute(self._connection, self._queries[name], wanted)
                        for name, wanted in statements
                    ]
                )
        looks = []
        for found in cursors:
            rows = [row for cursor in found for row in await cursor.fetchall()]
            heads = [Head._make(row[1:]) for row in rows if row[1] is not None]
            looks.append(Look(list(dict.fromkeys(row[0] for row in rows)), heads))
        return looks

    async def take(self, chosen: Sequence[Head], searches: Sequence[Search]) -> Sequence[Execution]:
        """Lock what was chosen, or what is next in its lanes, unless somebody else has.

        Several workers look at the same heads at the same time; by their lanes, each gets others.
        """
        exact = {search.agent_id for search in searches if search.key_limit is not None}
        these = [head.id for head in chosen if head.agent_id in exact]
        lanes: dict[tuple[str, str, str], int] = {}
        for head in chosen:
            if head.agent_id not in exact:
                lane = (head.agent_id, head.team_id, head.lane)
                lanes[lane] = lanes.get(lane, 0) + 1
        rows: list[Any] = []
        if these:
            sql = self._queries["take_these"].format(columns=EXECUTION_COLUMNS)
            rows += await self._rows(sql, these)
        if lanes:
            columns = ", ".join(f"e.{name}" for name in Execution._fields)
            wanted = [
                {"agent_id": agent, "team_id": team, "lane": lane, "number": number}
                for (agent, team, lane), number in lanes.items()
            ]
            sql = self._queries["take_next"].format(columns=columns)
            rows += await self._rows(sql, json.dumps(wanted))
        found = [read_execution(row) for row in rows]
        self._known |= {execution.id: execution for execution in found}
        order = {head.id: place for place, head in enumerate(chosen)}
        return sorted(found, key=lambda one: (order.get(one.id, len(order)), one.id))

    async def orphans(self) -> Sequence[str]:
        """What runs on no worker that is known."""
        return await self._fetched("orphan_ids")

    async def lapsed(self, now: int) -> Sequence[str]:
        """What runs on workers whose leases have ended, or that are known to be dead."""
        del now
        dead = self._dead(await self._named("silent_workers"))
        return await self._fetched("lapsed_ids", dead, _LAPSED_LIMIT) if dead else []

    async def due(self, now: int, limit: int) -> Sequence[str]:
        """What waits for a time that has come."""
        return await self._fetched("due_ids", now, limit)

    async def overdue(self, now: int, limit: int) -> Sequence[str]:
        """What is pending, and out of time."""
        return await self._fetched("overdue_ids", now, limit)

    async def next_due(self, now: int) -> int | None:
        """When the next of these is due."""
        found = [(await self._named(name, now))[0][0] for name in ("next_run_at", "next_deadline")]
        return min((at for at in found if at is not None), default=None)

    async def _fetched(self, query: str, *parameters: object) -> list[str]:
        found = await self._ids(query, *parameters)
        await self.prefetch(found)
        return found

    async def _ids(self, query: str, *parameters: object) -> list[str]:
        return [row[0] for row in await self._named(query, *parameters)]

    async def _named(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return await self._rows(self._queries[query], *parameters)

    async def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        cursor = await execute(self._connection, sql, parameters)
        return await cursor.fetchall()
