"""The journal of an async run, on the agents' event loop."""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from moderately.domain.execution import Claim, Execution, Step
from moderately.domain.waits import PEOPLE, waits_for
from moderately.runtime.journal import Journal, Parked, Site
from moderately.runtime.scope import RunScope, Scope, current
from moderately.runtime.turns import Turns
from moderately.runtime.values import JournalMismatch

__all__ = ["AsyncJournal"]

T = TypeVar("T")

_PERSON_SECONDS: Final = 0.05
_MICROSECOND: Final = 1e-6


class AsyncJournal(Journal):
    """The journal of an async run. To be made and used on the agents' event loop.

    Args:
        claim: The right to run.
        site: Where it runs.
        loop: The agents' event loop. Given, since asking for it is a system call in Python 3.11.
    """

    def __init__(self, claim: Claim, site: Site, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(claim, site)
        self.run = RunScope()
        self._threads = site.threads
        self._park_after = site.park_after
        self._loop = loop
        self._turns = Turns(self.run, loop, self._stalled)
        self._waits: dict[str, tuple[Step, asyncio.Future[Step]]] = {}
        self._park_timer: asyncio.TimerHandle | None = None

    def enter_scope(self) -> None:
        """Make the current task the run's first."""
        task = asyncio.current_task(self._loop)
        if task is not None:
            self.run.tasks.add(task)
        current.set(Scope("0", self.run))

    async def open(self) -> None:
        """Load what earlier attempts have recorded."""
        newest = self.execution.step_count
        recorded: list[Step] = []
        if self.has_record:
            recorded = list(await self._over_there(self.fetch))
            newest = max([newest, *(step.position for step in recorded)])
        self._turns.load(recorded, newest)

    async def _over_there(self, write: Callable[[], Awaitable[T]]) -> T:
        future: asyncio.Future[T] = self._loop.create_future()

        def settle(result: T | BaseException) -> None:
            if future.done():
                return
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.send(write, lambda result: self._loop.call_soon_threadsafe(settle, result))
        return await future

    async def outcome(self, step: Step) -> Step:
        """The recorded outcome of a step, in its turn."""
        return await self._turns.want(step.id)

    async def record(self, step: Step) -> None:
        """Record an outcome, and wait for its turn."""
        turn = self._turns.want(step.id)
        self._send_outcome(step, turn)
        await turn

    def _send_outcome(self, step: Step, turn: "asyncio.Future[Step]") -> None:
        claim = self.claim

        def settle(result: int | BaseException) -> None:
            if not isinstance(result, BaseException):
                self._turns.arrive(step._replace(position=result))
            elif not turn.done():
                turn.set_exception(result)

        self.send(
            lambda: self.store.record(claim.execution.id, claim.fence, step),
            lambda result: self._loop.call_soon_threadsafe(settle, result),
        )

    async def commit_begin(self, step: Step) -> None:
        """Put on record that a step begins, while the run is surely this worker's."""
        claim = self.claim
        await self._over_there(lambda: self.store.enter(claim.execution.id, claim.fence, step))

    async def wait(self, step: Step, child: Execution | None = None) -> Step:
        """Wait for something that comes from outside, or for a time.

        Args:
            step: What it waits for; on record already if it has its status.
            child: The execution to create with it.

        Returns:
            The outcome.
        """
        future = self._turns.want(step.id)
        known, step = step, step._replace(status="waiting")
        # Before it is on record, so that an answer cannot come too early.
        self._waits[step.id] = (step, future)
        timer: asyncio.TimerHandle | None = None
        try:
            if known.status != "waiting":
                await self._over_there(lambda: self._commit_wait(step, child))
            if step.wake_at is not None:
                delay = max(0.0, (step.wake_at - self.now()) * _MICROSECOND)
                timer = self._later(delay, self._time_out, step, future)
            self._consider_parking()
            return await future
        finally:
            self._waits.pop(step.id, None)
            if timer is not None:
                timer.cancel()

    def _time_out(self, step: Step, future: "asyncio.Future[Step]") -> None:
        if future.done() or self.parked is not None:
            return
        self._send_outcome(self.timed_out(step), future)

    def settle(self, step: Step) -> None:
        """Something has come that the run waits for."""
        if step.status == "dropped":
            _, future = self._waits.get(step.id, (step, None))
            if future is not None and not future.done():
                future.set_result(step)
        else:
            self._turns.arrive(step)

    def _stalled(self, step: Step) -> None:
        self.mismatch = JournalMismatch(
            f"step {step.id} ({step.name!r}) is next on record, and the run waits without having"
            " come to it: the agent's code has changed since"
        )
        self._turns.abort(self.mismatch)

    def _later(
        self, delay: float, callback: Callable[..., None], *args: Any
    ) -> asyncio.TimerHandle:
        # In a context of its own, so that it does not count as one of the run's timers.
        return contextvars.Context().run(self._loop.call_later, delay, callback, *args)

    def _consider_parking(self) -> None:
        is_for_person = any(waits_for(step) in PEOPLE for step, _ in self._waits.values())
        delay = min(_PERSON_SECONDS, self._park_after) if is_for_person else self._park_after
        if self._park_timer is not None:
            self._park_timer.cancel()
        self._park_timer = self._later(delay, self._park)

    def _park(self) -> None:
        """Park the run, if all that it does is wait, and will for longer than it takes to park."""
        self._park_timer = None
        if not self._waits or self.interrupted or self.parked is not None:
            return
        futures: set[asyncio.Future[Any]] = {future for _, future in self._waits.values()}
        soon = self.now() + int(self._park_after / _MICROSECOND)
        waits = [step for step, _ in self._waits.values()]
        is_soon = any(step.wake_at is not None and step.wake_at < soon for step in waits)
        if is_soon or not self.run.awaits_only(futures, self._loop.time()):
            # Looked at again when something else begins to wait, or a while later.
            self._park_timer = self._later(self._park_after, self._park)
            return
        self.parked = waits
        parked = Parked(self.execution.id)
        for future in futures:
            if not future.done():
                future.set_exception(parked)

    async def fetch_over_there(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read something of the store."""
        return await self._over_there(read)

    async def pause(self, seconds: float) -> None:
        """Wait between two tries of a step."""
        await asyncio.sleep(seconds)

    async def call(
        self, fn: Callable[..., Any], args: Any, kwargs: Any, limit: float | None
    ) -> Any:
        """Call a step's function: an async one here, a plain one in a thread.

        Raises:
            TimeoutError: If it takes longer than `limit` seconds. A thread goes on nonetheless.
        """
        self.run.busy += 1
        try:
            async with asyncio.timeout(limit):
                if inspect.iscoroutinefunction(fn):
                    return await fn(*args, **kwargs)
                context = contextvars.copy_context()
                result = await self._in_thread(context.run, fn, *args, **kwargs)
                return await result if inspect.isawaitable(result) else result
        finally:
            self.run.busy -= 1

    async def _in_thread(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        future: asyncio.Future[T] = self._loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def work() -> None:
            result: Any = None
            failure: BaseException | None = None
            try:
                result = fn(*args, **kwargs)
            except StopIteration as error:
                failure = RuntimeError(f"the step raised StopIteration: {error}")
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                failure = error
            self._loop.call_soon_threadsafe(settle, result, failure)

        self._threads.submit(work)
        return await future

    def left_over(self) -> JournalMismatch | None:
        """What is wrong where the agent has ended before its record does."""
        step = self._turns.unreached()
        if step is None:
            return None
        return JournalMismatch(
            f"the agent has ended, and step {step.id} ({step.name!r}) is on record behind that:"
            " the agent's code has changed since"
        )

    def close(self) -> None:
        """The run's code has ended."""
        if self._park_timer is not None:
            self._park_timer.cancel()
