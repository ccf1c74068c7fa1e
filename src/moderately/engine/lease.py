"""A worker's lease: until when it is sure that what it runs is its own."""

import asyncio
import logging
import time

from moderately.domain.errors import DomainError
from moderately.domain.storing import Store

__all__ = ["WorkerLease"]

_log = logging.getLogger(__name__)

_LAPSED = "The worker that ran it has been silent for longer than its lease."


class WorkerLease:
    """Renews a worker's lease on the store's event loop, which no agent can keep busy.

    One lease covers all that the worker runs. A run's writes are fenced in any case; the lease is
    for what cannot be: the moment before an unsafe step acts.

    Args:
        store: Where the lease is kept.
        worker_id: Whose it is.
        seconds: How long it lasts after each renewal.
    """

    def __init__(self, store: Store, worker_id: str, seconds: float) -> None:
        self._store = store
        self._worker_id = worker_id
        self._seconds = seconds
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None

    def is_held(self) -> bool:
        """Whether nobody else may take what this worker runs, as yet. From any thread."""
        return time.monotonic() < self._until

    async def start(self) -> None:
        """Take the lease, and go on renewing it."""
        await self._renew()
        self._task = asyncio.create_task(self._keep())

    def stop(self) -> None:
        """Renew it no more."""
        if self._task is not None:
            self._task.cancel()

    async def _renew(self) -> None:
        begun = time.monotonic()
        await self._store.heartbeat(self._worker_id, self._seconds)
        # Counted from before the call: the store's own count begins later.
        self._until = begun + self._seconds

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            try:
                await self._renew()
                released = await self._store.release_lapsed(_LAPSED)
                if released:
                    _log.warning("%d executions of silent workers go on elsewhere", released)
            except DomainError as error:
                _log.warning("cannot renew the lease: %s", error.message)
