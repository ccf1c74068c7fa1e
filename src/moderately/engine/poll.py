"""Polling: the safety net under the notifications between processes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from moderately.domain.errors import DomainError
from moderately.domain.storing import Store, Work
from moderately.engine.fleet import Fleet

__all__ = ["Poll"]

_log = logging.getLogger(__name__)


class Poll:
    """Looks again, every so often, at who is up and at what may have been missed.

    Args:
        store: The store.
        fleet: The workers that are up.
        seconds: How often.
        sweep: What else to look at.
    """

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        seconds: float,
        sweep: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._seconds = seconds
        self._sweep = sweep
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._refreshing = False

    async def start(self) -> None:
        """Look once, and go on; where no other process writes, once is enough."""
        await self._fleet.refresh()
        if self._store.is_shared:
            self._task = asyncio.create_task(self._go_on())

    def on_work(self, work: Work) -> None:
        """Look at once who is up, where a worker has come or gone."""
        if work.workers and not self._refreshing:
            self._refreshing = True
            task = asyncio.create_task(self._refresh())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _refresh(self) -> None:
        self._refreshing = False
        await self._fleet.refresh()

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._fleet.refresh()
                await self._store.look_again()
                if self._sweep is not None:
                    await self._sweep()
            except DomainError:
                # The database is away; whoever needs it has been told.
                continue
            except Exception:  # noqa: BLE001 - it is in the log
                _log.exception("cannot look again")
