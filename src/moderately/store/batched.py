"""The writing half of `moderately.domain.ports.Store`, over a writer that batches units of work."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from moderately.domain.commands import Command, Start
from moderately.domain.execution import Execution, NewEvent, Step
from moderately.domain.storing import Answer, Claimed, Created, Idempotency, Offer
from moderately.store import writes
from moderately.store.unit import Unit

__all__ = ["BatchedStore"]

T = TypeVar("T")


class BatchedStore(ABC):
    """What all stores share. See the port for what each write does."""

    @abstractmethod
    def _submit(
        self, work: Callable[[Unit], Coroutine[Any, Any, T]], *, lazy: bool = False
    ) -> Awaitable[T]:
        """Run a write within the next transaction."""

    async def create(
        self,
        execution: Execution,
        idempotency: Idempotency | None = None,
        *,
        start: Start | None = None,
    ) -> Created:
        """Record a new execution, its first event and its idempotency key."""
        return await self._submit(lambda unit: writes.create(unit, execution, idempotency, start))

    async def spawn(self, fence: int, step: Step, child: Execution) -> None:
        """Record a child, and that its parent waits for it."""
        await self._submit(lambda unit: writes.spawn(unit, fence, step, child))

    async def fork(
        self,
        source_id: str,
        execution: Execution,
        before: int,
        idempotency: Idempotency | None = None,
    ) -> Created:
        """Record a new execution that shares another one's journal."""
        return await self._submit(
            lambda unit: writes.fork(unit, source_id, execution, before, idempotency)
        )

    async def apply(
        self, execution_id: str, command: Command, *, team_id: str | None = None
    ) -> Execution:
        """Apply a command, and what follows from it."""
        return await self._submit(lambda unit: writes.apply(unit, execution_id, command, team_id))

    async def resume(
        self, team_id: str, execution_id: str, wait: str | None, answer: Answer
    ) -> Execution:
        """Settle what a person was asked."""
        return await self._submit(
            lambda unit: writes.resume(unit, team_id, execution_id, wait, answer)
        )

    async def claim(self, offers: Sequence[Offer], limit: int, worker_id: str) -> Claimed:
        """Take pending executions to run them."""
        return await self._submit(lambda unit: writes.claim(unit, offers, limit, worker_id))

    async def release_all(self, reason: str) -> int:
        """Give every running execution back as pending."""
        return await self._submit(lambda unit: writes.release_all(unit, reason))

    async def release_lapsed(self, reason: str) -> int:
        """Give back what workers run whose leases have ended."""
        return await self._submit(lambda unit: writes.release_lapsed(unit, reason))

    async def wake_due(self) -> int | None:
        """Let go on what waits for a time that has come, and fail what is out of time."""
        return await self._submit(writes.wake_due)

    async def record(self, execution_id: str, fence: int, step: Step) -> int:
        """Record a step's outcome."""
        return await self._submit(lambda unit: writes.record(unit, execution_id, fence, step))

    async def enter(self, execution_id: str, fence: int, step: Step) -> None:
        """Say that a step has begun."""
        await self._submit(
            lambda unit: writes.enter(unit, execution_id, fence, step),
            lazy=step.effects != "unsafe",
        )

    async def wait(self, execution_id: str, fence: int, step: Step) -> None:
        """Say that a run waits for something."""
        await self._submit(lambda unit: writes.wait(unit, execution_id, fence, step))

    async def append(self, execution_id: str, fence: int, events: Sequence[NewEvent]) -> None:
        """Record events of a run."""
        await self._submit(lambda unit: writes.append(unit, execution_id, fence, events), lazy=True)
