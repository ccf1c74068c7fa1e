"""The workers that are up, as far as this process knows."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from moderately.domain.errors import Unavailable
from moderately.domain.storing import Store

if TYPE_CHECKING:
    from moderately.domain.workers import Worker

__all__ = ["Fleet"]

_FRESH_SECONDS: Final = 1.0


class Fleet:
    """Knows what the workers serve, and which are silent.

    Args:
        store: Where they are on record.
        own: What this process serves itself: its versions, by agent.
    """

    def __init__(self, store: Store, own: Mapping[str, Sequence[str]]) -> None:
        self._store = store
        self._own = own
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
        return agent_id in self._own or bool(self.versions(agent_id))

    def versions(self, agent_id: str) -> set[str]:
        """The versions of an agent that workers which are up can run."""
        found = set(self._own.get(agent_id, ()))
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
