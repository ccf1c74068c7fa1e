"""Where code stands in a run: the tree of its tasks, and what each of them waits for.

Tasks are numbered in spawn order within their parent, steps within their task, so that an entry of
the journal has the same path in every attempt, whichever of several tasks was faster.
"""

import asyncio
import contextvars
import itertools
import os
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar, TypeVarTuple

import uvloop

__all__ = ["AgentLoop", "RunScope", "Scope", "StepScope", "current", "current_step", "task_factory"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_MANY: Final = 100
_ASYNCIO: Final = os.path.dirname(asyncio.__file__)  # noqa: PTH120 - compared with `co_filename`
_WAITING_MODULES: Final = frozenset(
    os.path.join(_ASYNCIO, name)  # noqa: PTH118 - as above
    for name in ("tasks.py", "taskgroups.py", "locks.py", "queues.py", "timeouts.py", "runners.py")
)


class RunScope:
    """What all tasks of a run share.

    Attributes:
        tasks: Those that have not ended.
        timers: What the run has asked its event loop to do later.
        busy: How many functions of steps run now.
    """

    def __init__(self) -> None:
        self.busy = 0
        self.tasks: set[asyncio.Task[Any]] = set()
        self.timers: list[asyncio.TimerHandle] = []

    def is_quiet(self) -> bool:
        """Whether every task waits for something that has not come."""
        for task in self.tasks:
            waiter = _waiter(task)
            if waiter is None or waiter.done():
                return False
        return True

    def awaits_only(self, futures: "set[asyncio.Future[Any]]", now: float) -> bool:
        """Whether all that every task waits for is one of these futures, or another task.

        Args:
            futures: The futures.
            now: The event loop's time: a timer of the run's own that is still to come counts as
                something else.
        """
        if self.busy:
            return False
        self.timers = [t for t in self.timers if not t.cancelled() and t.when() > now]
        return not self.timers and all(self._awaits(task, futures) for task in self.tasks)

    def _awaits(self, task: "asyncio.Task[Any]", futures: "set[asyncio.Future[Any]]") -> bool:
        waiter = _waiter(task)
        if waiter is None or waiter.done():
            return False
        if waiter in futures or waiter in self.tasks:
            return True
        # What is left is a plain future: of a gather, a task group, a lock or a queue, which other
        # tasks of the run resolve; or of input and output, which nobody knows.
        return type(waiter).__name__ == "_GatheringFuture" or _is_in_asyncio(task)


def _waiter(task: "asyncio.Task[Any]") -> "asyncio.Future[Any] | None":
    return getattr(task, "_fut_waiter", None)


def _is_in_asyncio(task: "asyncio.Task[Any]") -> bool:
    innermost: Any = task.get_coro()
    while (inner := getattr(innermost, "cr_await", None)) is not None and hasattr(inner, "cr_code"):
        innermost = inner
    code = getattr(innermost, "cr_code", None)
    return code is not None and code.co_filename in _WAITING_MODULES and code.co_name != "sleep"


class Scope:
    """A task's place in its run.

    Args:
        path: The task's path.
        run: Its run.
    """

    __slots__ = ("_events", "_steps", "_tasks", "path", "run")

    def __init__(self, path: str, run: RunScope) -> None:
        self.path = path
        self.run = run
        self._steps = itertools.count(1)
        self._tasks = itertools.count(1)
        self._events = itertools.count(1)

    def step(self) -> str:
        """The path of its next step."""
        return f"{self.path}/{next(self._steps)}"

    def place(self) -> str:
        """The place of the next event that it emits."""
        return f"{self.path}!{next(self._events)}"

    def child(self) -> "Scope":
        """The place of the next task that it spawns."""
        return Scope(f"{self.path}.{next(self._tasks)}", self.run)


class StepScope:
    """The step that code runs in.

    Args:
        path: The step's path.
        key: Its idempotency key.
    """

    __slots__ = ("_events", "key", "path")

    def __init__(self, path: str, key: str) -> None:
        self.path = path
        self.key = key
        self._events = itertools.count(1)

    def place(self) -> str:
        """The place of the next event that it emits."""
        return f"{self.path}!{next(self._events)}"


current: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("moderately_scope")
current_step: contextvars.ContextVar[StepScope | None] = contextvars.ContextVar("moderately_step")


def task_factory(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T], **options: Any
) -> asyncio.Task[T]:
    """Make tasks that know their place: numbered when they are spawned, not when they first run."""
    scope = current.get(None)
    if scope is None or current_step.get(None) is not None:
        return asyncio.Task(coro, loop=loop, **options)
    context = options.get("context") or contextvars.copy_context()
    context.run(current.set, scope.child())
    options["context"] = context
    task = asyncio.Task(coro, loop=loop, **options)
    scope.run.tasks.add(task)
    task.add_done_callback(scope.run.tasks.discard)
    return task


class AgentLoop(uvloop.Loop):
    """The agents' event loop. It keeps an account of the timers that agents' code sets."""

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As the base class."""
        return self._noted(super().call_later(delay, callback, *args, context=context))

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As the base class."""
        return self._noted(super().call_at(when, callback, *args, context=context))

    @staticmethod
    def _noted(handle: asyncio.TimerHandle) -> asyncio.TimerHandle:
        scope = current.get(None)
        if scope is not None:
            timers = scope.run.timers
            if len(timers) > _MANY:
                timers[:] = [timer for timer in timers if not timer.cancelled()]
            timers.append(handle)
        return handle
