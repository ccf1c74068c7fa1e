"""Slots: how many executions run at once, in all, in threads, and of each agent."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from moderately.domain.agents import AgentVersion

__all__ = ["Slots"]


class Slots:
    """The slots of a worker. One is held from before its execution starts until its code has ended.

    Args:
        agents: The agents that run here.
        blocking: Those of them whose functions are plain, and hold a thread while they run.
        limit: How many executions run at once.
        threads: How many of them may be plain functions.
    """

    def __init__(
        self, agents: Mapping[str, AgentVersion], blocking: set[str], *, limit: int, threads: int
    ) -> None:
        self._own = {name: version.max_concurrency for name, version in agents.items()}
        self._blocking = blocking
        self._limit = limit
        self._threads = min(threads, limit)
        self._taken: Counter[str] = Counter()
        self.taken = 0
        self.taken_blocking = 0

    def is_blocking(self, agent_id: str) -> bool:
        """Whether the agent holds a thread while it runs."""
        return agent_id in self._blocking

    def free(self, *, is_blocking: bool) -> int:
        """How many more can run, of any agent of a kind."""
        free = self._limit - self.taken
        return min(free, self._threads - self.taken_blocking) if is_blocking else free

    def free_for(self, agent_id: str) -> int:
        """How many more of an agent can run."""
        free = self.free(is_blocking=agent_id in self._blocking)
        own = self._own[agent_id]
        return free if own is None else min(free, own - self._taken[agent_id])

    def take(self, agent_id: str) -> None:
        """Hold a slot."""
        self.taken += 1
        self._taken[agent_id] += 1
        self.taken_blocking += agent_id in self._blocking

    def give(self, agent_id: str) -> None:
        """Give a slot back."""
        self.taken -= 1
        self._taken[agent_id] -= 1
        self.taken_blocking -= agent_id in self._blocking

    def why_not(self, agent_id: str) -> dict[str, Any] | None:
        """Why no more of an agent can run now: `{"kind", "message"}`; None if one can."""
        own = self._own[agent_id]
        if own is not None and self._taken[agent_id] >= own:
            message = f"{own} executions of {agent_id!r} run, which is its limit."
            return {"kind": "agent_concurrency", "message": message}
        if self.free_for(agent_id) <= 0:
            message = f"{self.taken} executions run, which is the worker's limit."
            return {"kind": "worker_concurrency", "message": message}
        return None
