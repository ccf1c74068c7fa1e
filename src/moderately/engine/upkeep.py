"""Keeps what runs here in step with the record, which other processes write to as well."""

import asyncio
import contextlib
import logging
import time
from typing import Final

from moderately.domain.commands import Release
from moderately.domain.errors import DomainError, FencedOut, Unavailable
from moderately.domain.execution import Step
from moderately.domain.ports import Runner
from moderately.domain.storing import Store
from moderately.engine.runs import Run, Runs

__all__ = ["Upkeep"]

_log = logging.getLogger(__name__)

_EVENT_LIMIT: Final = 1000
_RETRY_SECONDS: Final = 0.25
_UNKNOWN_SECONDS: Final = 2.0


class Upkeep:
    """Looks after the runs of a worker.

    Args:
        store: The record.
        runner: Runs the agents.
        runs: What runs here.
        worker_id: The worker.
    """

    def __init__(self, store: Store, runner: Runner, runs: Runs, worker_id: str) -> None:
        self._store = store
        self._runner = runner
        self._runs = runs
        self._worker_id = worker_id
        self._unknown: dict[tuple[str, int], float] = {}

    async def catch_up(self, run: Run) -> None:
        """Another process has changed what runs here: tell the run what has come for it."""
        execution, fence = run.claim.execution, run.claim.fence
        while self._runs.get(execution.id, fence) is run:
            try:
                while await self._tell_run(run):
                    pass
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _tell_run(self, run: Run) -> bool:
        """Tell a run some of what has happened to it; give whether there may be more."""
        execution, fence = run.claim.execution, run.claim.fence
        events = await self._store.events(execution.id, after=run.seen, limit=_EVENT_LIMIT)
        told = {e.data["id"]: e for e in events if e.type.startswith("step.")}
        steps = await self._store.steps(execution.id) if told else []
        for step in steps:
            if step.id in told and step.is_recorded and step.wait is not None:
                self._runner.settle(execution.id, fence, step)
        for event in told.values():
            if event.type == "step.dropped":
                dropped = Step(event.data["id"], "step", event.data["name"], "dropped")
                self._runner.settle(execution.id, fence, dropped)
        run.seen = events[-1].seq if events else run.seen
        return len(events) == _EVENT_LIMIT

    async def sweep(self) -> None:
        """Give back what this worker runs by the record, and does not know of: a last resort."""
        now, held = time.monotonic(), await self._store.running_on(self._worker_id)
        unknown = [key for key in held if self._runs.get(*key) is None]
        self._unknown = {key: self._unknown.get(key, now) for key in unknown}
        for (execution_id, fence), since in self._unknown.items():
            if now - since < _UNKNOWN_SECONDS:
                continue
            _log.error("%s is not known to the worker that runs it; it goes back", execution_id)
            with contextlib.suppress(FencedOut, DomainError):
                await self._store.apply(
                    execution_id, Release(fence, "Its worker lost sight of it.")
                )
