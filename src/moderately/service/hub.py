"""Waiters: who waits for an execution to end, or for its next event."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from moderately.domain.execution import Execution
from moderately.domain.storing import Change

__all__ = ["Hub", "Waiter"]


@dataclass(slots=True, eq=False)
class Waiter:
    """Somebody who waits for one execution.

    Attributes:
        after: Wakes for an event behind this number; None to wake for the end only.
        future: Gets the execution as it ended, or None where it goes on.
    """

    after: int | None
    future: "asyncio.Future[Execution | None]"


class Hub:
    """Wakes waiters after the commit that they wait for, with what it wrote."""

    def __init__(self) -> None:
        # Kept, since asking for the running loop is a system call in Python 3.11.
        self._loop = asyncio.get_running_loop()
        self._waiters: dict[str, list[Waiter]] = {}
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        return self._count

    @property
    def watched(self) -> Collection[str]:
        """The executions that somebody waits for, as they are at any time."""
        return self._waiters.keys()

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Take note of a commit."""
        for change in changes:
            waiters = self._waiters.get(change.execution_id)
            if waiters is None:
                continue
            for waiter in waiters:
                if waiter.future.done():
                    continue
                if change.status.is_terminal:
                    waiter.future.set_result(change.execution)
                elif waiter.after is not None and change.event_seq > waiter.after:
                    waiter.future.set_result(None)

    def join(self, execution_id: str, *, after: int | None = None) -> Waiter:
        """Begin to wait. Look at the store after this, so that nothing slips through between."""
        waiter = Waiter(after, self._loop.create_future())
        self._waiters.setdefault(execution_id, []).append(waiter)
        self._count += 1
        if self._closed:
            waiter.future.set_result(None)
        return waiter

    def close(self) -> None:
        """Wake everybody, and let nobody wait any more: the service stops."""
        self._closed = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.future.done():
                    waiter.future.set_result(None)

    def leave(self, execution_id: str, waiter: Waiter) -> None:
        """Wait no longer."""
        waiters = self._waiters[execution_id]
        waiters.remove(waiter)
        self._count -= 1
        if not waiters:
            del self._waiters[execution_id]

    async def wait(self, waiter: Waiter, seconds: float) -> Execution | None:
        """Wait for what the waiter waits for.

        Returns:
            The execution as it ended; None if it goes on, or the time is up.
        """
        timer = self._loop.call_later(seconds, _give_up, waiter.future)
        try:
            return await waiter.future
        finally:
            timer.cancel()


def _give_up(future: "asyncio.Future[Execution | None]") -> None:
    if not future.done():
        future.set_result(None)
