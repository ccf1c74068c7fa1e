"""`moderately.domain.reports.Reports` on PostgreSQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from moderately.domain.listing import ListQuery
from moderately.domain.reports import Load, Queue, Run, Slot, Storage
from moderately.protocol.vocabulary import Status
from moderately.store.lists import Lists
from moderately.store.postgres.reads import Reads
from moderately.store.sums import SAMPLE, by_status, make_queues, make_runs, make_slots

__all__ = ["PostgresReports"]


class PostgresReports:
    """The reports. Made by `open_stores`.

    Args:
        reads: Runs the reads.
        queries: The named queries.
    """

    def __init__(self, reads: Reads, queries: Mapping[str, str]) -> None:
        self._reads = reads
        self._queries = queries
        self._lists = Lists(queries, hints=False, mark="%s")

    async def counts(self, team_id: str, query: ListQuery) -> Mapping[Status, int]:
        """How many of a team's executions there are, by status."""
        return by_status(await self._reads.built(self._lists.counts(team_id, query)))

    async def queues(self, team_id: str) -> Sequence[Queue]:
        """What is pending of a team, by agent."""
        names = ("pending_by_agent", "waiting_by_agent")
        pending, waiting = [(self._queries[name], (team_id,)) for name in names]
        return make_queues(*await self._reads.both(pending, waiting))

    async def loads(self, team_id: str) -> Sequence[Load]:
        """What runs of a team, by worker and agent."""
        return [Load._make(row) for row in await self._reads.all("running_by_worker", team_id)]

    async def ends(self, team_id: str, since: int, width: int, number: int) -> Sequence[Slot]:
        """What ended of a team over time."""
        half = (since, width, team_id, since, since + width * number)
        ends = self._queries["ends_by_slot"].format(completed="", updated="")
        rows, sampled = await self._reads.both(
            (ends, half * 2),
            (
                self._queries["sample_spans"],
                (number, team_id, since, width, since, width, SAMPLE),
            ),
        )
        spans: defaultdict[int, list[float]] = defaultdict(list)
        for slot, seconds in sampled:
            spans[slot].append(seconds)
        return make_slots(since, width, number, rows, spans)

    async def runs(self, team_id: str, agent_id: str, limit: int) -> Sequence[Run]:
        """How an agent's newest executions went."""
        return make_runs(await self._reads.all("recent_runs", team_id, agent_id, limit))

    async def storage(self) -> Storage:
        """Where the facts lie."""
        [(version, octets)] = await self._reads.all("database_size")
        return Storage(f"PostgreSQL {str(version).split()[0]}", octets)
