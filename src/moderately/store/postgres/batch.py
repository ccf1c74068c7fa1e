"""Writes, and the batches that they go in."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from moderately.store.unit import Unit

__all__ = ["Batch", "Operation", "Stale", "Unheard", "Write", "fail"]

Operation = Callable[[Unit], Coroutine[Any, Any, Any]]
"""A write: a coroutine over a unit of work."""


class Unheard(Exception):
    """The connection broke before the answer to a commit came."""


class Stale(Exception):
    """The connection was found broken before anything was written."""


@dataclass(slots=True, eq=False)
class Write:
    """A write that was submitted; see `Writer.submit`."""

    operation: Operation
    names: Sequence[str]
    reads: Sequence[str]
    locks: bool
    patient: bool
    future: asyncio.Future[Any]
    submitted_at: float
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class Batch:
    """Writes that share a transaction.

    Attributes:
        writes: The writes.
        begun: When it began, on the loop's clock.
        locks: Whether it locks what it reads.
        names: What its writes are about.
        unit: What they came to, in the newest try.
        is_sent: Whether that was sent.
        tried_at: When the newest try began.
        unheard: What was sent without an answer: each unit, with what its writes came to.
    """

    writes: Sequence[Write]
    begun: float
    locks: bool
    names: set[str] = field(default_factory=set)
    unit: Unit | None = None
    is_sent: bool = False
    tried_at: float = 0.0
    unheard: list[tuple[Unit, list[tuple[Any, BaseException | None]]]] = field(default_factory=list)

    def outcomes(self) -> list[tuple[Any, BaseException | None]]:
        """What the writes came to, in the newest try."""
        return [(write.result, write.error) for write in self.writes]


def fail(writes: Iterable[Write], error: Exception) -> None:
    """Tell whoever still waits for one of these writes that it has failed."""
    for write in writes:
        if not write.future.done():
            write.future.set_exception(error)
