"""The journal of a run: numbers its steps, finds recorded ones, records new ones, and waits.

It lives on the agents' event loop, or in the thread of a plain agent; the store lives on another
loop, which it reaches through `Home`.
"""

import asyncio
import itertools
import json
import math
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from moderately.domain.errors import FencedOut, Unavailable
from moderately.domain.execution import Claim, Execution, NewEvent, Step
from moderately.domain.log import LiveEvent
from moderately.domain.ports import Clock, Lease
from moderately.domain.storing import Store
from moderately.runtime.observer import Observer
from moderately.runtime.scope import current, current_step
from moderately.runtime.threads import DaemonThreads
from moderately.runtime.values import JournalMismatch, as_json, error_of

__all__ = ["Home", "Interrupted", "Journal", "Parked", "Site", "StepLimit"]

T = TypeVar("T")

_EVENT_LIMIT: Final = 10_000
_MOST_SHOWN: Final = 1000
_EVENT_BYTES: Final = 64 * 1024
_RETRY_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0)


class Interrupted(BaseException):
    """The execution was cancelled, timed out or was taken away.

    Raised by every call of a `SyncContext`, and by whatever an async agent still wants to do that
    would go on record. Not an `Exception`, so that an agent's own error handling lets it
    through.
    """


class Parked(BaseException):
    """Raised where a run waits, when all of it waits: the run ends, and goes on in another one.

    Not an `Exception`, so that an agent's own error handling lets it through. Code that catches
    `BaseException` must raise it again. The clean-up of `finally` blocks happens, and happens again
    in the run that goes on.
    """


class StepLimit(Exception):
    """The execution has taken as many steps as its `max_steps` allows."""


class Home:
    """The way from an agent's loop or thread to the event loop that the store lives on.

    Args:
        loop: That loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._posted: deque[Coroutine[Any, Any, None]] = deque()
        self._lock = threading.Lock()
        self._awake = False
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, work: Coroutine[Any, Any, None]) -> None:
        """Start this over there, in the order of posting; nobody waits for it."""
        with self._lock:
            self._posted.append(work)
            if self._awake:
                return
            self._awake = True
        # In a context of its own: what the store begins on this occasion may live for longer, and
        # is not within the step that it happens to be written from.
        self.loop.call_soon_threadsafe(self._start, context=Context())

    def _start(self) -> None:
        with self._lock:
            self._awake = False
            posted, self._posted = self._posted, deque()
        for work in posted:
            task = self.loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


@dataclass(frozen=True, slots=True)
class Site:
    """What all runs of a worker share.

    Attributes:
        store: Where steps and events go.
        home: The way to it.
        lease: The worker's right to what it runs.
        clock: Tells the time.
        threads: Where the plain functions of steps run.
        park_after: How long all of a run must wait before it is parked, in seconds.
        replay_only: Whether a run ends where its record does.
        observer: Notes what really happens.
    """

    store: Store
    home: Home
    lease: Lease
    clock: Clock
    threads: DaemonThreads
    park_after: float
    replay_only: bool = False
    observer: Observer = field(default_factory=lambda: Observer(None))


class Journal:
    """What the journals of async and of plain runs share.

    Args:
        claim: The right to run.
        site: Where it runs.

    Attributes:
        interrupted: Whether the run is no longer wanted.
        mismatch: What is wrong, where the code does not fit its record.
        parked: What it waits for, once it has been parked.
        beyond: The first step that is not on record, where the run ends there.
    """

    def __init__(self, claim: Claim, site: Site) -> None:
        self.claim = claim
        self.store = site.store
        self.lease = site.lease
        self.now = site.clock.now
        self.interrupted = False
        self.mismatch: JournalMismatch | None = None
        self.parked: Sequence[Step] | None = None
        self.beyond: Step | None = None
        self.observer = site.observer
        self._replay_only = site.replay_only
        self._home = site.home
        self._recorded: dict[str, Step] = {}
        self._begun: dict[str, Step] = {}
        self._places: frozenset[str] = frozenset()
        # Over there: the writes that are under way, and what is to be shown behind which of them.
        self._writes: dict[int, None] = {}
        self._begun_writes = 0
        self._shown: deque[tuple[int, LiveEvent]] = deque(maxlen=_MOST_SHOWN)
        self._entered = 0
        self._emitted = 0

    @property
    def execution(self) -> Execution:
        """The execution as it was claimed."""
        return self.claim.execution

    @property
    def has_record(self) -> bool:
        """Whether there may be something to load."""
        return self.execution.attempt > 1 or self.execution.step_count > 0

    async def fetch(self) -> Sequence[Step]:
        """Read what is on record. To be run over there."""
        execution_id = self.execution.id
        steps = await self._persist(lambda: self.store.steps(execution_id))
        self._places = frozenset(await self._persist(lambda: self.store.places(execution_id)))
        self._recorded = {step.id: step for step in steps if step.is_recorded}
        self._begun = {step.id: step for step in steps if not step.is_recorded}
        return [step for step in steps if step.is_recorded]

    def enter(self, kind: str, name: str) -> str:
        """Number the next step of the current task.

        Raises:
            StepLimit: If the execution may take no more.
            Interrupted: If the run is no longer wanted.
            RuntimeError: If it is called outside of the agent's run, or within a step.
        """
        if current_step.get(None) is not None:
            raise RuntimeError(
                f"{kind} {name!r} is within a step, and a step has no steps of its own: call it"
                " from the agent, and pass the step what it needs"
            )
        scope = current.get(None)
        if scope is None:
            raise RuntimeError(
                f"{kind} {name!r}: call it from the agent, not from a thread of its own"
            )
        if self.interrupted:
            raise Interrupted(self.execution.id)
        if self.parked is not None:
            raise Parked(self.execution.id)
        self._entered += 1
        limit = self.execution.max_steps
        if limit is not None and self._entered > limit:
            raise StepLimit(
                f"step {name!r} would be number {self._entered}, and max_steps is {limit}"
            )
        return scope.step()

    def known(self, step: Step) -> Step | None:
        """What is on record of a step: its outcome, or that it has begun.

        Args:
            step: The step as the code has it now.

        Raises:
            JournalMismatch: If another step is on record in its place.
        """
        known = self._recorded.get(step.id) or self._begun.get(step.id)
        if self._replay_only and (known is None or not known.is_recorded):
            self.beyond = self.beyond or step
            raise Parked(self.execution.id)
        if known is None:
            return None
        if (known.kind, known.name) != (step.kind, step.name):
            self.differ(
                f"step {step.id} is on record as {known.kind} {known.name!r}, and now is"
                f" {step.kind} {step.name!r}"
            )
        if known.fingerprint != step.fingerprint and not known.shared:
            self.differ(
                f"step {step.id} ({step.name!r}) is on record with other arguments"
                f" ({known.fingerprint or 'none'}, and now {step.fingerprint or 'none'})"
            )
        return known

    def differ(self, what: str) -> None:
        """The code does not fit its record.

        Raises:
            JournalMismatch: Always.
        """
        self.mismatch = JournalMismatch(f"{what}: the agent's code has changed since")
        raise self.mismatch

    def step(self, step_id: str, kind: str, name: str, **fields: Any) -> Step:
        """A journal entry that begins now."""
        attempt = self.execution.attempt
        return Step(
            step_id, kind, name, "started", attempt=attempt, started_at=self.now(), **fields
        )

    def ended(self, step: Step, result: Any, error: dict[str, Any] | None) -> Step:
        """A journal entry with its outcome, now."""
        return step._replace(
            status="completed" if error is None else "failed",
            result=result,
            error=error,
            ended_at=max(step.started_at, self.now()),
        )

    async def _commit_wait(self, step: Step, child: Execution | None) -> None:
        """Put on record what the run waits for, and the child with it if that is one."""
        claim = self.claim
        if child is None:
            await self.store.wait(claim.execution.id, claim.fence, step)
        else:
            await self.store.spawn(claim.fence, step, child)

    def timed_out(self, step: Step) -> Step:
        """A wait whose time has come, with its outcome."""
        if step.kind == "sleep":
            return self.ended(step, None, None)
        if step.kind == "approval":
            return self.ended(step, {"approved": False, "reason": "expired"}, None)
        error = TimeoutError(f"nobody has answered {step.name!r} in time")
        return self.ended(step, None, error_of(error))

    def begin(self, step: Step) -> None:
        """Tell that a step has begun."""
        claim = self.claim
        self.post(lambda: self.store.enter(claim.execution.id, claim.fence, step))

    def emit(self, event: NewEvent) -> None:
        """Record an event, unless an earlier attempt has; bounded, so that a loop fills no disk.

        Raises:
            ValueError: If its data is not JSON, or too much of it.
        """
        scope = current_step.get(None) or current.get(None)
        place = None if scope is None else scope.place()
        self._emitted += 1
        if self._emitted > _EVENT_LIMIT or place in self._places:
            return
        if self._emitted == _EVENT_LIMIT:
            message = f"This run has logged {_EVENT_LIMIT} times; the rest is left out."
            event = NewEvent("log", {"level": "warning", "message": message, "fields": {}})
        data = as_json(event.data, f"the data of a {event.type!r} event")
        if len(json.dumps(data)) > _EVENT_BYTES:
            raise ValueError(f"an event holds {_EVENT_BYTES} bytes at most")
        if event.type == "message":
            self._home.post(self._forget_shown())
        claim = self.claim
        events = [NewEvent(event.type, data, place)]
        self.post(lambda: self.store.append(claim.execution.id, claim.fence, events))

    def retried(self, step: Step, error: dict[str, Any], delay: float) -> None:
        """Record that a step has failed, and is tried again in so many seconds."""
        data = {
            "id": step.id,
            "name": step.name,
            "tries": step.tries,
            "delay_seconds": delay,
            "error": {"type": error["type"], "message": error["message"]},
        }
        claim, events = self.claim, [NewEvent("step.retried", data)]
        self.post(lambda: self.store.append(claim.execution.id, claim.fence, events))

    def show(self, kind: str, data: dict[str, Any]) -> None:
        """Show something to whoever watches just now; it is not recorded."""
        event = LiveEvent(self.execution.id, kind, data, self.now())

        async def tell() -> None:
            self._shown.append((self._begun_writes, event))
            self._tell_shown()

        if not self.interrupted:
            self._home.post(tell())

    async def _forget_shown(self) -> None:
        """A message is whole: what has not been shown of it by now need not be."""
        self._shown.clear()

    def _tell_shown(self) -> None:
        """Tell what is shown live, but nothing before what was written before it. Over there."""
        while self._shown and self._shown[0][0] < next(iter(self._writes), math.inf):
            self.store.broadcast([self._shown.popleft()[1]])

    def post(self, write: Callable[[], Awaitable[Any]]) -> None:
        """Write, in order; nobody waits for it."""
        if not self.interrupted:
            self._home.post(self._attempt(write, lambda _: None))

    def send(
        self, write: Callable[[], Awaitable[T]], tell: Callable[[T | BaseException], object]
    ) -> None:
        """Write, in order, and tell what came of it. Not to be called off once it is sent.

        Args:
            write: The write.
            tell: Called over there with its result, or with what it raised.
        """
        self._home.post(self._attempt(write, tell))

    async def _attempt(
        self, write: Callable[[], Awaitable[T]], tell: Callable[[T | BaseException], object]
    ) -> None:
        self._begun_writes += 1
        number = self._begun_writes
        self._writes[number] = None
        try:
            tell(await self._persist(write))
        except FencedOut as error:
            # A run that was fenced off is told so elsewhere; what it writes goes nowhere.
            self.interrupted = True
            tell(error)
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
            tell(error)
        finally:
            del self._writes[number]
            self._tell_shown()

    async def _persist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write, and try again for as long as the store cannot and the run is wanted."""
        delays = itertools.chain(_RETRY_SECONDS, itertools.repeat(_RETRY_SECONDS[-1]))
        while True:
            try:
                return await write()
            except Unavailable:
                if self.interrupted:
                    raise
                await asyncio.sleep(next(delays))
