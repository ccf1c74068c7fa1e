"""Hands out outcomes in the order in which they were recorded, one at a time.

Code that looks at which of several steps came first must see the same in every attempt. So each
outcome has its turn, by its position in the journal; and the next one has to wait until the run has
done all that the last one let it do.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from moderately.domain.execution import Step
from moderately.runtime.scope import RunScope

__all__ = ["Turns"]

_QUIET_ROUNDS: Final = 3


class Turns:
    """The order of outcomes. To be used on the agents' event loop only.

    Args:
        run: The run's tasks.
        loop: The agents' event loop.
        on_stall: Called when the run waits, and the next outcome belongs to a step that it has not
            come to: its code has changed. Gets that step.
    """

    def __init__(
        self,
        run: RunScope,
        loop: asyncio.AbstractEventLoop,
        on_stall: Callable[[Step], None],
    ) -> None:
        self._run = run
        self._on_stall = on_stall
        self._loop = loop
        self._recorded: list[Step] = []
        self._next = 0
        self._live = 1
        self._arrived: dict[int, Step] = {}
        self._wanted: dict[str, asyncio.Future[Step]] = {}
        self._quiet = _QUIET_ROUNDS
        self._is_pumping = False

    def load(self, recorded: Sequence[Step], newest: int) -> None:
        """Begin with what earlier attempts have recorded.

        Args:
            recorded: The entries that have their outcomes, by position.
            newest: The newest position of all.
        """
        self._recorded = list(recorded)
        self._live = newest + 1

    @property
    def is_replaying(self) -> bool:
        """Whether recorded outcomes are left."""
        return self._next < len(self._recorded)

    def unreached(self) -> Step | None:
        """The first recorded outcome that nobody has asked for."""
        left = self._recorded[self._next :]
        return next((step for step in left if step.id not in self._wanted), None)

    def want(self, step_id: str) -> "asyncio.Future[Step]":
        """Ask for a step's outcome."""
        future: asyncio.Future[Step] = self._loop.create_future()
        self._wanted[step_id] = future
        head = self._head()
        if head is not None:
            if head.id == step_id and len(self._run.tasks) == 1:
                self._deliver(head)
            else:
                self._quiet = 0
                self._pump()
        return future

    def arrive(self, step: Step) -> None:
        """An outcome is on record."""
        if step.position >= self._live:
            self._arrived[step.position] = step
            self._pump()

    def abort(self, error: BaseException) -> None:
        """Raise this wherever the run waits for an outcome."""
        for future in self._wanted.values():
            if not future.done():
                future.set_exception(error)

    def _head(self) -> Step | None:
        if self.is_replaying:
            return self._recorded[self._next]
        return self._arrived.get(self._live)

    def _pump(self) -> None:
        if not self._is_pumping:
            self._is_pumping = True
            self._turn()

    def _turn(self) -> None:
        while (step := self._head()) is not None:
            is_wanted = step.id in self._wanted
            is_alone = len(self._run.tasks) <= 1
            if self._quiet < _QUIET_ROUNDS and not (is_wanted and is_alone):
                # A callback or two may lie between a task's end and its waiter.
                self._quiet = self._quiet + 1 if self._run.is_quiet() else 0
                self._loop.call_soon(self._turn)
                return
            if not is_wanted:
                if self.is_replaying and self._stalls():
                    self._on_stall(step)
                break
            self._deliver(step)
        self._is_pumping = False

    def _stalls(self) -> bool:
        """Whether the run can never come to the next step: all of it waits for later ones."""
        futures = {future for future in self._wanted.values() if not future.done()}
        return bool(futures) and self._run.awaits_only(futures, self._loop.time())

    def _deliver(self, step: Step) -> None:
        if self.is_replaying:
            self._next += 1
        else:
            del self._arrived[self._live]
            self._live += 1
        self._quiet = 0
        future = self._wanted.pop(step.id)
        if not future.done():
            future.set_result(step)
