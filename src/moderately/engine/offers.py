"""What a worker offers to run: its agents, their versions and their limits."""

from collections.abc import Mapping, Sequence

from moderately.domain.agents import AgentVersion
from moderately.domain.claims import Offer, lanes_of
from moderately.domain.limits import Rate
from moderately.domain.storing import Store

__all__ = ["Offers"]


class Offers:
    """The agents of a worker.

    Args:
        store: Where their versions are on record.
        agents: Its agents: each with its versions, the newest first.

    Attributes:
        newest: The newest version of each agent.
        rates: How often executions of an agent may start, where that is limited.
    """

    def __init__(self, store: Store, agents: Mapping[str, Sequence[AgentVersion]]) -> None:
        self._store = store
        self._versions = {
            name: tuple(one.version for one in found) for name, found in agents.items()
        }
        self._accepts: dict[str, tuple[str, ...]] = {}
        self.newest = {name: found[0] for name, found in agents.items()}
        self.rates = {
            name: Rate.parse(version.rate)
            for name, version in self.newest.items()
            if version.rate is not None
        }

    async def load(self) -> None:
        """Find out which versions there are beside the worker's own."""
        for agent_id in self.newest:
            self._accepts[agent_id] = await self._acceptable(agent_id)

    async def _acceptable(self, agent_id: str) -> tuple[str, ...]:
        """The versions of which executions are taken that have not begun.

        Where other workers may run newer versions than this one, none of those: their input is
        theirs.
        """
        known = [found.version for found in await self._store.agent_versions(agent_id)]
        newest = self.newest[agent_id].version
        if self._store.is_shared and newest in known:
            return tuple(known[known.index(newest) :])
        return tuple(known)

    def lanes(self) -> dict[str, list[str]]:
        """What can run here, by agent: see `domain.claims.lanes_of`."""
        return {name: lanes_of(self._versions[name], self._accepts[name]) for name in self.newest}

    def takes(self, agent_id: str, version: str) -> bool:
        """Whether an execution of this version that has not begun may start here."""
        return version in self._versions[agent_id] or version in self._accepts[agent_id]

    def shared_limit(self, agent_id: str) -> int | None:
        """How many executions of an agent may run on all workers, where there may be several."""
        return self.newest[agent_id].max_concurrency if self._store.is_shared else None

    def is_limited(self, agent_id: str) -> bool:
        """Whether an execution of the agent may have to wait for another one's end, anywhere."""
        agent = self.newest[agent_id]
        return agent.max_concurrency_per_key is not None or agent.max_concurrency is not None

    def offer(self, agent_id: str, free: int) -> Offer:
        """An offer to run so many executions of an agent."""
        return Offer(
            agent_id,
            self._versions[agent_id],
            free,
            self._accepts[agent_id],
            self.shared_limit(agent_id),
            self.newest[agent_id].max_concurrency_per_key,
            self.rates.get(agent_id),
        )
