"""The use cases of who looks after the whole: sums over a team's executions, and the workers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from moderately.domain.listing import ListQuery
from moderately.domain.ports import Clock
from moderately.domain.reports import Load, Queue, Reports, Run, Slot, Storage
from moderately.domain.storing import Store
from moderately.domain.workers import Worker
from moderately.protocol.vocabulary import Status
from moderately.service.fresh import Fresh
from moderately.service.principal import Principal

__all__ = ["Overview", "Standing"]


_FRESH_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How the service stands.

    Attributes:
        workers: The workers that are known, silent ones among them.
        loads: What they run of the team.
        queues: What is pending of the team.
        storage: Where the facts lie.
    """

    workers: Sequence[Worker]
    loads: Sequence[Load]
    queues: Sequence[Queue]
    storage: Storage


class Overview:
    """The use cases.

    Args:
        store: Knows the workers.
        reports: Read sums.
        clock: Tells the time.
        monotonic: Tells the time in seconds, for what is read once for many who look.
    """

    def __init__(
        self, store: Store, reports: Reports, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self._store = store
        self._reports = reports
        self._clock = clock
        self._ends = Fresh(self._read_ends, _FRESH_SECONDS, monotonic, limit=1000)

    async def counts(self, principal: Principal, query: ListQuery) -> Mapping[Status, int]:
        """How many of the team's executions there are, by status.

        Args:
            principal: Who asks.
            query: Which; its own statuses and its page are of no account.
        """
        return await self._reports.counts(principal.team_id, query)

    async def standing(self, principal: Principal) -> Standing:
        """How the service stands."""
        team_id = principal.team_id
        return Standing(
            await self._store.workers(),
            await self._reports.loads(team_id),
            await self._reports.queues(team_id),
            await self._reports.storage(),
        )

    async def ends(self, principal: Principal, width: int, number: int) -> Sequence[Slot]:
        """What ended of the team in the newest slots of time.

        Args:
            principal: Who asks.
            width: How long a slot is, in microseconds. Slots begin at multiples of it.
            number: How many there are; the last one is the one that it is now.
        """
        return await self._ends.get((principal.team_id, width, number))

    async def runs(self, principal: Principal, agent_id: str, limit: int) -> Sequence[Run]:
        """How an agent's newest executions of the team went, the newest first.

        Args:
            principal: Who asks.
            agent_id: The agent.
            limit: How many at most.
        """
        return await self._reports.runs(principal.team_id, agent_id, limit)

    async def _read_ends(self, wanted: tuple[str, int, int]) -> Sequence[Slot]:
        team_id, width, number = wanted
        since = (self._clock.now() // width - number + 1) * width
        return await self._reports.ends(team_id, since, width, number)
