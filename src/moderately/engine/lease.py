"""A worker's lease: until when it is sure that what it runs is its own."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final

from moderately.domain.errors import DomainError
from moderately.domain.storing import Store

__all__ = ["WorkerLease"]

_log = logging.getLogger(__name__)

_LAPSED: Final = "The worker that ran it is gone, or has been silent for longer than its lease."
_LOOK_SECONDS: Final = 0.2


class WorkerLease:
    """Renews a worker's lease on the store's event loop, which no agent can keep busy.

    One lease covers all that the worker runs. A run's writes are fenced in any case; the lease is
    for what cannot be: the moment before an unsafe step acts. In the same breath it looks for
    workers that are gone.

    Args:
        store: Where the lease is kept.
        worker_id: Whose it is.
        seconds: How long it lasts after each renewal.
    """

    def __init__(self, store: Store, worker_id: str, seconds: float) -> None:
        self._store = store
        self._worker_id = worker_id
        self._seconds = seconds
        self._serves: Mapping[str, Sequence[str]] = {}
        self._until = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def is_held(self) -> bool:
        """Whether nobody else may take what this worker runs, as yet. From any thread."""
        return time.monotonic() < self._until and self._store.is_present

    async def start(self, serves: Mapping[str, Sequence[str]]) -> None:
        """Take the lease, and go on renewing it.

        Args:
            serves: What the worker can run, by agent: see `domain.claims.lanes_of`.
        """
        self._serves = serves
        await self._renew()
        self._tasks = [
            asyncio.create_task(self._keep()),
            asyncio.create_task(self._look()),
        ]

    async def drain(self) -> None:
        """Say that the worker takes no more work, and go on with what it has."""
        self._serves = {}
        try:
            await self._renew()
        except DomainError as error:
            _log.warning("cannot tell that this worker stops: %s", error.message)

    async def stop(self) -> None:
        """Renew it no more, and take leave."""
        for task in self._tasks:
            task.cancel()
        try:
            await self._store.retire(self._worker_id)
        except DomainError as error:
            _log.warning("cannot take leave: %s", error.message)

    async def _renew(self) -> None:
        begun = time.monotonic()
        has_lapsed = begun >= self._until
        await self._store.heartbeat(self._worker_id, self._seconds, self._serves)
        if has_lapsed:
            # Others may have taken what runs here: that has to be known before anything goes on.
            await self._store.look_again()
        # Counted from before the call: the store's own count begins later.
        self._until = begun + self._seconds

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            try:
                await self._renew()
            except DomainError as error:
                _log.warning("cannot renew the lease: %s", error.message)

    async def _look(self) -> None:
        """Look for workers that are gone: often, where there may be others."""
        pause = _LOOK_SECONDS if self._store.is_shared else self._seconds / 3
        while True:
            await asyncio.sleep(pause)
            try:
                released = await self._store.release_lapsed(_LAPSED)
            except DomainError:
                # Whoever cannot write has been told so elsewhere.
                continue
            if released:
                _log.warning("%d executions of workers that are gone go on elsewhere", released)
