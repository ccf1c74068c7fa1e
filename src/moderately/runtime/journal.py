"""The journal of a run: numbers its steps, finds recorded ones, and records new ones.

A step's id is its path: the tasks down to it, numbered in spawn order within their parent, and its
own number within its task (`0.2/3`: third step of the second task that the agent spawned). Paths
do not depend on which of several tasks is faster, so that a later attempt finds its records.
"""

import asyncio
import contextvars
import itertools
import json
import time
import traceback
import typing
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from moderately.domain.errors import FencedOut, Unavailable
from moderately.domain.execution import Claim, NewEvent, Step
from moderately.domain.ports import Store
from moderately.runtime.threads import DaemonThreads

__all__ = ["Home", "Journal", "JournalMismatch", "Recorded", "StepLimit", "as_json", "task_factory"]

T = TypeVar("T")

_EVENT_LIMIT: Final = 10_000
_EVENT_BYTES: Final = 64 * 1024
_MESSAGE_LIMIT: Final = 10_000
_RETRY_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0)


class StepLimit(Exception):
    """The execution has taken as many steps as its `max_steps` allows."""


class JournalMismatch(Exception):
    """The agent takes another step than its record says: its code has changed."""


class _Scope:
    """A task's place in the tree of tasks."""

    __slots__ = ("_steps", "_tasks", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._steps = itertools.count(1)
        self._tasks = itertools.count(1)

    def step(self) -> str:
        return f"{self.path}/{next(self._steps)}"

    def child(self) -> "_Scope":
        return _Scope(f"{self.path}.{next(self._tasks)}")


_scope: contextvars.ContextVar[_Scope] = contextvars.ContextVar("moderately_scope")


def task_factory(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T], **options: Any
) -> asyncio.Task[T]:
    """Make tasks that know their place: numbered when they are spawned, not when they first run."""
    scope = _scope.get(None)
    if scope is not None:
        context = options.get("context") or contextvars.copy_context()
        context.run(_scope.set, scope.child())
        options["context"] = context
    return asyncio.Task(coro, loop=loop, **options)


class Home:
    """The way from an agent's loop or thread to the event loop that the store lives on.

    Args:
        loop: That loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._posted: deque[Coroutine[Any, Any, None]] = deque()
        self._awake = False
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, work: Coroutine[Any, Any, None]) -> None:
        """Start this over there, in the order of posting; nobody waits for it."""
        self._posted.append(work)
        if not self._awake:
            self._awake = True
            self.loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        self._awake = False
        while self._posted:
            task = self.loop.create_task(self._posted.popleft())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run this over there and give back its result. Posted work goes first."""
        if asyncio.get_running_loop() is self.loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded step's result."""

    value: Any


class Journal:
    """The journal of one run.

    Args:
        claim: The right to run.
        store: Where steps and events go.
        home: The way to it.
        threads: Where plain functions run.
    """

    def __init__(self, claim: Claim, store: Store, home: Home, threads: DaemonThreads) -> None:
        self.interrupted = False
        self._claim = claim
        self._store = store
        self._home = home
        self._threads = threads
        self._records: dict[str, Step] = {}
        self._entered = 0
        self._emitted = 0

    @property
    def home(self) -> asyncio.AbstractEventLoop:
        """The event loop that the store lives on."""
        return self._home.loop

    async def open(self) -> None:
        """Load what earlier attempts have recorded."""
        if self._claim.execution.step_count:
            self._load(await self._home.run(self._steps()))

    async def _steps(self) -> Sequence[Step]:
        return await self._store.steps(self._claim.execution.id)

    def _load(self, steps: Sequence[Step]) -> None:
        self._records = {step.id: step for step in steps if step.status == "completed"}

    def enter_scope(self) -> None:
        """Make the current context the run's own, at the root of the tree of tasks."""
        _scope.set(_Scope("0"))

    def enter(self, name: str) -> str:
        """Number the next step of the current task.

        Raises:
            StepLimit: If the execution may take no more.
            RuntimeError: If it is called outside of the agent's run.
        """
        scope = _scope.get(None)
        if scope is None:
            raise RuntimeError(
                f"step {name!r}: call it from the agent, not from a thread of its own"
            )
        self._entered += 1
        limit = self._claim.execution.max_steps
        if limit is not None and self._entered > limit:
            raise StepLimit(
                f"step {name!r} would be number {self._entered}, and max_steps is {limit}"
            )
        return scope.step()

    def recorded(self, step_id: str, name: str, fn: Callable[..., Any]) -> Recorded | None:
        """The recorded result of a step, made what the function says it returns.

        Raises:
            JournalMismatch: If another step is on record under this id, or its result does not fit.
        """
        step = self._records.get(step_id)
        if step is None:
            return None
        if step.name != name:
            raise JournalMismatch(
                f"step {step_id} is on record as {step.name!r}, and now is {name!r}: the agent's"
                " code has changed since"
            )
        try:
            returns = typing.get_type_hints(fn, include_extras=True).get("return", Any)
            return Recorded(TypeAdapter(returns).validate_python(step.result))
        except ValidationError as error:
            raise JournalMismatch(
                f"the recorded result of step {step_id} ({name!r}) no longer fits its type: {error}"
            ) from None
        except (NameError, TypeError, AttributeError):
            return Recorded(step.result)

    def begin(self, step_id: str, name: str) -> None:
        """Tell that a step has begun."""
        claim = self._claim
        self._post(lambda: self._store.enter_step(claim.execution.id, claim.fence, step_id, name))

    def emit(self, event: NewEvent) -> None:
        """Record an event; bounded, so that a loop that logs cannot fill the disk.

        Raises:
            ValueError: If its data is not JSON, or too much of it.
        """
        self._emitted += 1
        if self._emitted > _EVENT_LIMIT:
            return
        if self._emitted == _EVENT_LIMIT:
            message = f"This run has logged {_EVENT_LIMIT} times; the rest is left out."
            event = NewEvent("log", {"level": "warning", "message": message, "fields": {}})
        data = as_json(event.data, "a log's fields")
        if len(json.dumps(data)) > _EVENT_BYTES:
            raise ValueError(f"a log or progress event holds {_EVENT_BYTES} bytes at most")
        claim = self._claim
        events = [NewEvent(event.type, data)]
        self._post(lambda: self._store.append(claim.execution.id, claim.fence, events))

    def _post(self, write: Callable[[], Awaitable[None]]) -> None:
        if not self.interrupted:
            self._home.post(self._attempt(write))

    async def _attempt(self, write: Callable[[], Awaitable[None]]) -> None:
        # A run that was fenced off is told so elsewhere; what it logs goes nowhere.
        try:
            await self._persist(write)
        except FencedOut:
            self.interrupted = True

    async def _persist(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write, and try again for as long as the store cannot and the run is wanted."""
        for delay in itertools.chain(_RETRY_SECONDS, itertools.repeat(_RETRY_SECONDS[-1])):
            try:
                await write()
                break
            except Unavailable:
                if self.interrupted:
                    raise
                await asyncio.sleep(delay)

    async def complete_step(self, step_id: str, name: str, result: Any, started: int) -> None:
        """Record a step's result.

        Raises:
            TypeError: If it is not JSON. That is on record too, as the step's failure.
        """
        try:
            value = as_json(result, f"the result of step {name!r}")
        except ValueError as error:
            failure = TypeError(str(error))
            await self.fail_step(step_id, name, failure, started)
            raise failure from None
        await self._record(step_id, name, value, None, started)

    async def fail_step(self, step_id: str, name: str, error: Exception, started: int) -> None:
        """Record what a step raised."""
        details = {
            "type": type(error).__name__,
            "message": str(error)[:_MESSAGE_LIMIT],
            "traceback": "".join(traceback.format_exception(error))[-_MESSAGE_LIMIT:],
        }
        await self._record(step_id, name, None, details, started)

    async def _record(
        self, step_id: str, name: str, result: Any, error: dict[str, Any] | None, started: int
    ) -> None:
        claim = self._claim
        step = Step(
            id=step_id,
            name=name,
            status="completed" if error is None else "failed",
            result=result,
            error=error,
            attempt=claim.execution.attempt,
            started_at=started // 1000,
            ended_at=max(started, time.time_ns()) // 1000,
        )
        await self._home.run(
            self._persist(lambda: self._store.record_step(claim.execution.id, claim.fence, step))
        )

    async def in_thread(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a plain function in a thread, and wait for it without blocking the loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

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
            loop.call_soon_threadsafe(settle, result, failure)

        self._threads.submit(work)
        return await future


def as_json(value: Any, what: str) -> Any:
    """Make a value what its JSON reads back as.

    Pydantic models, dataclasses, dates and the like become JSON as Pydantic does it.

    Args:
        value: Any value.
        what: What it is, for the error.

    Raises:
        ValueError: If it is not JSON: an unknown type, a NaN, too deep or in circles.
    """
    try:
        plain = to_jsonable_python(value, inf_nan_mode="constants")
        json.dumps(plain, allow_nan=False)
    except (PydanticSerializationError, ValueError, RecursionError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{what} is not JSON: {reason}") from None
    return plain
