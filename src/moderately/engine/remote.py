"""The engine of a process without a worker: others run what it accepts."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from moderately.domain.execution import Execution
from moderately.domain.storing import Created, Idempotency, Store
from moderately.engine.fleet import Fleet
from moderately.engine.poll import Poll
from moderately.engine.reasons import unable

__all__ = ["RemoteEngine"]


class RemoteEngine:
    """`moderately.domain.ports.Engine` that leaves the running to workers elsewhere.

    Args:
        store: The store, which the workers share.
        poll_seconds: How long word of a change may be missed at the most.
    """

    def __init__(self, store: Store, poll_seconds: float) -> None:
        self._store = store
        self._fleet = Fleet(store)
        self._poll = Poll(store, self._fleet, poll_seconds)

    async def start(self) -> None:
        """Begin to look who is up."""
        self._store.subscribe(lambda _: None, on_work=self._poll.on_work)
        await self._poll.start()

    async def stop(self, grace: float) -> None:
        """There is nothing that runs here."""
        del grace
        self._poll.stop()
        await asyncio.sleep(0)

    async def submit(self, execution: Execution, idempotency: Idempotency | None) -> Created:
        """Record a new execution; a worker takes it."""
        return await self._store.create(execution, idempotency)

    def serves(self, agent_id: str) -> bool:
        """Whether a worker that is up can run this agent."""
        return self._fleet.serves(agent_id)

    def versions(self, agent_id: str) -> Collection[str]:
        """The versions of an agent that workers which are up can run."""
        return self._fleet.versions(agent_id)

    def blocked_on(self, execution: Execution) -> dict[str, Any] | None:
        """Why a pending execution does not run."""
        return execution.blocked_on or unable(execution, self._fleet)

    def runs_here(self, execution: Execution) -> bool:
        """Whether this worker runs it: there is none."""
        del execution
        return False

    async def silent_since(self, worker_id: str) -> int | None:
        """When a worker was last heard of, in microseconds; None while its lease lasts."""
        return await self._fleet.silent_since(worker_id)

    def snapshot(self) -> Mapping[str, int]:
        """Gauges by name."""
        return {"active_runs": 0, "active_blocking_runs": 0, "lingering_runs": 0}
