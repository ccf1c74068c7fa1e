"""The writing half of `moderately.domain.ports.Store`, over a writer that batches units of work."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from moderately.domain.claims import Claimed, Offer
from moderately.domain.commands import Command, Start
from moderately.domain.execution import Execution, NewEvent, Step
from moderately.domain.fairness import Turns
from moderately.domain.lifecycle import started_event
from moderately.domain.log import LiveEvent
from moderately.domain.storing import Answer, Created, Idempotency
from moderately.store import writes
from moderately.store.unit import Unit

__all__ = ["BatchedStore"]

T = TypeVar("T")


class BatchedStore(ABC):
    """What all stores share. See the port for what each write does."""

    @abstractmethod
    def _submit(
        self,
        work: Callable[[Unit], Coroutine[Any, Any, T]],
        *,
        names: Sequence[str] = (),
        is_new: bool = False,
        lazy: bool = False,
        locks: bool = False,
        patient: bool = False,
    ) -> Awaitable[T]:
        """Run a write within the next transaction.

        Args:
            work: The write.
            names: The executions that it is about: writes about the same one keep their order.
            is_new: Whether it creates them, so that there is nothing to read.
            lazy: Whether it may wait a few milliseconds for company.
            locks: Whether it looks for what it changes, and has to lock what it finds.
            patient: Whether its caller, a run, rather waits than is told that nobody knows whether
                the write has happened.
        """

    @abstractmethod
    def broadcast(self, events: Sequence[LiveEvent]) -> None:
        """Tell whoever watches just now."""

    async def create(
        self,
        execution: Execution,
        idempotency: Idempotency | None = None,
        *,
        start: Start | None = None,
    ) -> Created:
        """Record a new execution, its first event and its idempotency key."""
        return await self._submit(
            lambda unit: writes.create(unit, execution, idempotency, start),
            names=_names(execution, idempotency),
            is_new=True,
        )

    async def spawn(self, fence: int, step: Step, child: Execution) -> None:
        """Record a child, and that its parent waits for it."""
        await self._submit(
            lambda unit: writes.spawn(unit, fence, step, child),
            names=(child.parent_id or "",),
            patient=True,
        )

    async def fork(
        self,
        source_id: str,
        execution: Execution,
        before: int,
        idempotency: Idempotency | None = None,
    ) -> Created:
        """Record a new execution that shares another one's journal."""
        return await self._submit(
            lambda unit: writes.fork(unit, source_id, execution, before, idempotency),
            names=_names(execution, idempotency),
            is_new=True,
        )

    async def apply(
        self, execution_id: str, command: Command, *, team_id: str | None = None
    ) -> Execution:
        """Apply a command, and what follows from it."""
        return await self._submit(
            lambda unit: writes.apply(unit, execution_id, command, team_id),
            names=(execution_id,),
        )

    async def resume(
        self, team_id: str, execution_id: str, wait: str | None, answer: Answer
    ) -> Execution:
        """Settle what a person was asked."""
        return await self._submit(
            lambda unit: writes.resume(unit, team_id, execution_id, wait, answer),
            names=(execution_id,),
        )

    async def claim(
        self, offers: Sequence[Offer], limit: int, worker_id: str, turns: Turns
    ) -> Claimed:
        """Take pending executions to run them."""
        return await self._submit(
            lambda unit: writes.claim(unit, offers, limit, worker_id, turns), locks=True
        )

    async def recover(self, reason: str) -> int:
        """Give back what runs on no worker that is known."""
        return await self._submit(lambda unit: writes.recover(unit, reason), locks=True)

    async def release_lapsed(self, reason: str) -> int:
        """Give back what workers run whose leases have ended."""
        return await self._submit(lambda unit: writes.release_lapsed(unit, reason), locks=True)

    async def wake_due(self) -> int | None:
        """Let go on what waits for a time that has come, and fail what is out of time."""
        return await self._submit(writes.wake_due, locks=True)

    async def record(self, execution_id: str, fence: int, step: Step) -> int:
        """Record a step's outcome."""
        return await self._submit(
            lambda unit: writes.record(unit, execution_id, fence, step),
            names=(execution_id,),
            patient=True,
        )

    async def enter(self, execution_id: str, fence: int, step: Step) -> None:
        """Say that a step has begun."""
        if step.effects != "unsafe":
            begun = started_event(step)
            self.broadcast([LiveEvent(execution_id, begun.type, begun.data, step.started_at)])
        await self._submit(
            lambda unit: writes.enter(unit, execution_id, fence, step),
            names=(execution_id,),
            lazy=step.effects != "unsafe",
            patient=True,
        )

    async def wait(self, execution_id: str, fence: int, step: Step) -> None:
        """Say that a run waits for something."""
        await self._submit(
            lambda unit: writes.wait(unit, execution_id, fence, step),
            names=(execution_id,),
            patient=True,
        )

    async def append(self, execution_id: str, fence: int, events: Sequence[NewEvent]) -> None:
        """Record events of a run."""
        await self._submit(
            lambda unit: writes.append(unit, execution_id, fence, events),
            names=(execution_id,),
            lazy=True,
            patient=True,
        )


def _names(execution: Execution, idempotency: Idempotency | None) -> tuple[str, ...]:
    """What a create is about: with the same idempotency key, the same."""
    if idempotency is None:
        return (execution.id,)
    return (execution.id, f"{execution.team_id} {idempotency.key}")
