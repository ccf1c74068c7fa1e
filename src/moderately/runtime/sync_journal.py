"""The journal of a plain run, in its thread. Its async methods block, and never suspend."""

import inspect
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from moderately.domain.execution import Claim, Execution, Step
from moderately.domain.waits import PEOPLE, waits_for
from moderately.runtime.journal import Interrupted, Journal, Parked, Site
from moderately.runtime.scope import RunScope, Scope, current

__all__ = ["SyncJournal", "drive"]

T = TypeVar("T")

_PERSON_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 0.1


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that blocks where another one would suspend."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    work.close()
    raise RuntimeError("a plain agent cannot await")


class SyncJournal(Journal):
    """The journal of a plain run.

    Args:
        claim: The right to run.
        site: Where it runs.
    """

    def __init__(self, claim: Claim, site: Site) -> None:
        super().__init__(claim, site)
        self._threads = site.threads
        self._park_after = site.park_after
        self._settled: queue.SimpleQueue[Step] = queue.SimpleQueue()

    def enter_scope(self) -> None:
        """Make the current thread the run's."""
        current.set(Scope("0", RunScope()))

    def open(self) -> None:
        """Load what earlier attempts have recorded."""
        if self.has_record:
            self._over_there(self.fetch)

    def _over_there(self, write: Callable[[], Awaitable[T]]) -> T:
        future: Future[T] = Future()

        def settle(result: T | BaseException) -> None:
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.send(write, settle)
        try:
            return future.result()
        finally:
            self.check()

    def check(self) -> None:
        """See whether the run is still wanted.

        Raises:
            Interrupted: If it is not.
        """
        if self.interrupted:
            raise Interrupted(self.execution.id)

    async def outcome(self, step: Step) -> Step:
        """The recorded outcome of a step."""
        return step

    async def record(self, step: Step) -> None:
        """Record an outcome."""
        claim = self.claim
        self._over_there(lambda: self.store.record(claim.execution.id, claim.fence, step))

    async def commit_begin(self, step: Step) -> None:
        """Put on record that a step begins, while the run is surely this worker's."""
        claim = self.claim
        self._over_there(lambda: self.store.enter(claim.execution.id, claim.fence, step))

    async def fetch_over_there(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read something of the store."""
        return self._over_there(read)

    async def pause(self, seconds: float) -> None:
        """Wait between two tries of a step."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.check()
            threading.Event().wait(min(left, _LOOK_SECONDS))

    async def call(
        self, fn: Callable[..., Any], args: Any, kwargs: Any, limit: float | None
    ) -> Any:
        """Call a step's function, in a thread of its own where it has a timeout.

        Raises:
            TypeError: If it is an async one.
            TimeoutError: If it takes longer than `limit` seconds. Its thread goes on nonetheless.
        """
        if inspect.iscoroutinefunction(fn):
            raise TypeError("a plain agent takes plain steps; make the agent async")
        if limit is None:
            return fn(*args, **kwargs)
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                future.set_exception(error)

        self._threads.submit(work)
        return future.result(limit)

    async def wait(self, step: Step, child: Execution | None = None) -> Step:
        """Wait for something that comes from outside, or for a time; see `AsyncJournal.wait`."""
        if step.status != "waiting":
            step = step._replace(status="waiting")
            self._over_there(lambda: self._commit_wait(step, child))
        patience = self._park_after
        if waits_for(step) in PEOPLE:
            patience = min(_PERSON_SECONDS, patience)
        begun = time.monotonic()
        while True:
            self.check()
            left = None if step.wake_at is None else (step.wake_at - self.now()) / 1e6
            if left is not None and left <= 0:
                ended = self.timed_out(step)
                await self.record(ended)
                return ended
            if (left is None or left > self._park_after) and (time.monotonic() - begun >= patience):
                self.parked = [step]
                raise Parked(self.execution.id)
            try:
                settled = self._settled.get(timeout=min(_LOOK_SECONDS, patience, left or 1e9))
            except queue.Empty:
                continue
            if settled.id == step.id:
                return settled

    def settle(self, step: Step) -> None:
        """Something has come that the run waits for. Called from any thread."""
        self._settled.put(step)
