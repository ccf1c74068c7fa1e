"""The workers that are up, as far as this process knows."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from moderately.domain.errors import Unavailable
from moderately.domain.storing import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from moderately.domain.workers import Worker

__all__ = ["Fleet"]

_FRESH_SECONDS: Final = 1.0


class Fleet:
    """Knows what the workers serve, and which are silent.

    Args:
        store: Where they are on record.

    Attributes:
        own: What this process can run itself, by agent: see `domain.claims.lanes_of`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.own: Mapping[str, Sequence[str]] = {}
        self._workers: dict[str, Worker] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Read who is up. What was known stays, while the store does not answer."""
        async with self._lock:
            try:
                found = await self._store.workers()
            except Unavailable:
                return
            self._workers = {worker.id: worker for worker in found}
            self._read_at = time.monotonic()

    def serves(self, agent_id: str) -> bool:
        """Whether a worker that is up can run this agent."""
        return bool(self.lanes(agent_id))

    def versions(self, agent_id: str) -> set[str]:
        """The versions of an agent that workers which are up have."""
        return {lane[2:] for lane in self.lanes(agent_id) if lane[0] == "1"}

    def lanes(self, agent_id: str) -> set[str]:
        """What workers that are up can run of an agent: see `domain.claims.lanes_of`."""
        found = set(self.own.get(agent_id, ()))
        for worker in self._workers.values():
            # Where one process owns the database, other workers are former ones.
            if worker.is_alive and self._store.is_shared:
                found.update(worker.serves.get(agent_id, ()))
        return found

    async def silent_since(self, worker_id: str) -> int | None:
        """When a worker was last heard of, in microseconds; None while its lease lasts."""
        age = time.monotonic() - self._read_at
        if not self._store.is_shared or age > _FRESH_SECONDS:
            await self.refresh()
        worker = self._workers.get(worker_id)
        return None if worker is None or worker.is_alive else worker.seen_at
