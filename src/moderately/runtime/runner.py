"""Runs agents: async ones on an event loop of their own, plain ones in threads.

The service's event loop never runs an agent's code, so that an agent that blocks delays no reply.
"""

import asyncio
import contextvars
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from moderately.domain.agents import AgentVersion
from moderately.domain.execution import Claim, Failure, Step
from moderately.domain.lifecycle import Complete, Fail, Park, Pause, RetryLater
from moderately.domain.ports import Clock, Lease, Outcome, Store
from moderately.domain.retry import Retry
from moderately.domain.waits import blocked_on, pause_reason, run_at
from moderately.runtime.agents import AgentDefinition
from moderately.runtime.async_journal import AsyncJournal
from moderately.runtime.context import Context, SyncContext
from moderately.runtime.journal import Home, Interrupted, Journal, Site, StepLimit
from moderately.runtime.observer import Observer
from moderately.runtime.scope import AgentLoop, task_factory
from moderately.runtime.sync_journal import SyncJournal
from moderately.runtime.threads import DaemonThreads
from moderately.runtime.values import JournalMismatch, NotJson, as_json, step_of

__all__ = ["LocalRunner", "RunnerOptions"]

_log = logging.getLogger(__name__)

Done = Callable[[Claim, Outcome | None], None]

_MESSAGE_LIMIT: Final = 10_000
_STEP_THREADS: Final = 32
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """How runs behave.

    Attributes:
        threads: How many plain agents run at once.
        park_after: How long all of a run must wait before it is parked, in seconds.
        cancel_grace: What an interrupted run gets for its clean-up, in seconds.
        replay_only: Whether runs end where their records do, without performing any step.
        chaos_log: Where to note what really happens; nowhere when None.
    """

    threads: int = 32
    park_after: float = 1.0
    cancel_grace: float = 5.0
    replay_only: bool = False
    chaos_log: Path | None = None


@dataclass(slots=True, eq=False)
class _Run:
    """One claim that is being run."""

    claim: Claim
    definition: AgentDefinition
    done: Done
    journal: AsyncJournal | SyncJournal | None = None
    task: asyncio.Task[None] | None = None
    interrupted: bool = False
    lingers: bool = False
    settled: list[Step] = field(default_factory=list)


class LocalRunner:
    """`moderately.domain.ports.Runner` in this process. Make it on the store's event loop.

    Args:
        definitions: The agents' versions by id, the newest first.
        store: Where their steps and events go.
        lease: The worker's right to what it runs.
        clock: Tells the time.
        options: How runs behave.
    """

    def __init__(
        self,
        definitions: Mapping[str, Sequence[AgentDefinition]],
        store: Store,
        lease: Lease,
        clock: Clock,
        options: RunnerOptions,
    ) -> None:
        self._definitions = definitions
        self._options = options
        self._site = Site(
            store,
            Home(asyncio.get_running_loop()),
            lease,
            clock,
            DaemonThreads(_STEP_THREADS, "step"),
            options.park_after,
            options.replay_only,
            Observer(options.chaos_log),
        )
        self._agent_threads = DaemonThreads(options.threads, "agent")
        self._runs: dict[tuple[str, int], _Run] = {}
        self._loop = AgentLoop()
        self._loop.set_task_factory(task_factory)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._loop.run_forever, name="agents", daemon=True)
        self._thread.start()

    def agents(self) -> Mapping[str, Sequence[AgentVersion]]:
        """The agents that can run here."""
        return {
            agent_id: [definition.version for definition in found]
            for agent_id, found in self._definitions.items()
        }

    def is_blocking(self, agent_id: str) -> bool:
        """Whether the agent's function is a plain one, which holds a thread while it runs."""
        return not self._definitions[agent_id][0].is_async

    def start(self, claims: Sequence[Claim], done: Done) -> None:
        """Run these; `done` is called from any thread as each one's code ends."""
        awaiting = []
        for claim in claims:
            run = _Run(claim, self._definition(claim), done)
            self._runs[claim.execution.id, claim.fence] = run
            if run.definition.is_async:
                awaiting.append(run)
            else:
                journal = SyncJournal(claim, self._site)
                run.journal = journal
                self._agent_threads.submit(
                    lambda run=run, journal=journal: self._run_plain(run, journal)  # type: ignore[misc]
                )
        if awaiting:
            self._loop.call_soon_threadsafe(self._spawn, awaiting)

    def _definition(self, claim: Claim) -> AgentDefinition:
        found = self._definitions[claim.execution.agent_id]
        version = claim.execution.agent_version
        return next((one for one in found if one.version.version == version), found[0])

    def settle(self, execution_id: str, fence: int, step: Step) -> None:
        """Tell a run that something has come which it waits for."""
        run = self._runs.get((execution_id, fence))
        if run is None:
            return
        if isinstance(run.journal, SyncJournal):
            run.journal.settle(step)
        else:
            self._loop.call_soon_threadsafe(_settle, run, step)

    def interrupt(self, execution_id: str, fence: int) -> None:
        """Stop a run as soon as its code allows."""
        run = self._runs.get((execution_id, fence))
        if run is None or run.interrupted:
            return
        run.interrupted = True
        if run.journal is not None:
            run.journal.interrupted = True
        if run.definition.is_async:
            self._loop.call_soon_threadsafe(self._cancel, run)

    def lingering(self) -> int:
        """How many runs go on although they were interrupted, and their grace is over."""
        return sum(run.lingers for run in self._runs.values())

    def close(self) -> None:
        """Stop the agents' event loop. Code that blocks ends with the process."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=1.0)
        if not self._thread.is_alive():
            self._loop.close()

    def _spawn(self, runs: Sequence[_Run]) -> None:
        for run in runs:
            context = contextvars.copy_context()
            run.task = self._loop.create_task(self._run_async(run), context=context)

    def _cancel(self, run: _Run) -> None:
        # A task that is cancelled before its first step would never tell that the run has ended; it
        # looks for itself whether it is still wanted.
        if run.task is not None and run.journal is not None:
            run.task.cancel()
            self._loop.call_later(self._options.cancel_grace, self._linger, run)

    def _linger(self, run: _Run) -> None:
        if run.task is not None and not run.task.done():
            run.lingers = True
            execution = run.claim.execution
            _log.warning(
                "%s of agent %r was interrupted and still runs; it keeps its slot",
                execution.id,
                execution.agent_id,
            )
            run.task.cancel()

    async def _run_async(self, run: _Run) -> None:
        outcome: Outcome | None = None
        journal = AsyncJournal(run.claim, self._site)
        run.journal = journal
        journal.interrupted = run.interrupted
        try:
            journal.enter_scope()
            await journal.open()
            for step in run.settled:
                journal.settle(step)
            context = Context(journal, _deadline(run, journal))
            if not journal.interrupted:
                arguments, fields = _arguments(run)
                result = await run.definition.function(context, *arguments, **fields)
                outcome = _complete(run, result)
                left = journal.left_over()
                if left is not None and outcome is not None:
                    journal.mismatch = left
        except BaseException as error:  # noqa: BLE001 - whatever an agent raises ends its run only
            outcome = _fail(run, error, journal.now())
        journal.close()
        await _end_tasks(journal)
        self._end(run, journal, outcome)

    def _run_plain(self, run: _Run, journal: SyncJournal) -> None:
        contextvars.copy_context().run(self._run_in_thread, run, journal)

    def _run_in_thread(self, run: _Run, journal: SyncJournal) -> None:
        outcome: Outcome | None = None
        try:
            journal.enter_scope()
            journal.open()
            context = SyncContext(journal, _deadline(run, journal))
            if not journal.interrupted:
                arguments, fields = _arguments(run)
                outcome = _complete(run, run.definition.function(context, *arguments, **fields))
        except BaseException as error:  # noqa: BLE001 - whatever an agent raises ends its run only
            outcome = _fail(run, error, journal.now())
        self._end(run, journal, outcome)

    def _end(self, run: _Run, journal: Journal, outcome: Outcome | None) -> None:
        fence = run.claim.fence
        if journal.mismatch is not None:
            outcome = Fail(fence, Failure("journal_mismatch", str(journal.mismatch)))
        elif journal.beyond is not None:
            name = f"{journal.beyond.id} ({journal.beyond.name!r})"
            message = f"the code comes to step {name}, where the record ends"
            outcome = Fail(fence, Failure("beyond_record", message))
        elif journal.parked is not None:
            outcome = _park(fence, journal.parked)
        self._runs.pop((run.claim.execution.id, fence), None)
        run.done(run.claim, None if journal.interrupted else outcome)


async def _end_tasks(journal: AsyncJournal) -> None:
    """End what the agent has left running."""
    left = {task for task in journal.run.tasks if task is not asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)


def _settle(run: _Run, step: Step) -> None:
    if isinstance(run.journal, AsyncJournal):
        run.journal.settle(step)
    else:
        run.settled.append(step)


def _park(fence: int, waits: Sequence[Step]) -> Park | Pause:
    shown, at, ids = blocked_on(waits), run_at(waits), tuple(step.id for step in waits)
    reason = pause_reason(waits)
    if reason is None:
        return Park(fence, at, shown, ids)
    return Pause(fence, at, shown, ids, reason)


def _deadline(run: _Run, journal: Journal) -> float | None:
    at = run.claim.execution.deadline_at
    return None if at is None else time.monotonic() + (at - journal.now()) / _MICROSECONDS


class _InvalidInput(Exception):
    def __init__(self, cause: ValidationError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _arguments(run: _Run) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        return run.definition.arguments(run.claim.execution.input_data)
    except ValidationError as error:
        raise _InvalidInput(error) from None


def _complete(run: _Run, result: Any) -> Outcome:
    adapter = run.definition.output
    try:
        value = adapter.validate_python(result)
        # Pydantic would make null of NaN: what is no JSON is refused first.
        as_json(value, "the agent's result")
        output = adapter.dump_python(value, mode="json")
    except ValidationError as error:
        return _invalid(run, "invalid_output", "the agent's result", error)
    except ValueError as error:
        return Fail(run.claim.fence, Failure("invalid_output", str(error)))
    return Complete(run.claim.fence, output)


def _fail(run: _Run, error: BaseException, now: int) -> Outcome | None:
    if isinstance(error, Interrupted):
        return None
    fence = run.claim.fence
    if isinstance(error, StepLimit):
        return Fail(fence, Failure("step_limit", str(error)))
    if isinstance(error, _InvalidInput):
        return _invalid(run, "invalid_input", "input_data", error.cause)
    message = str(error)[:_MESSAGE_LIMIT] or type(error).__name__
    failure = Failure("agent_error", message, type(error).__name__, step=step_of(error))
    if isinstance(error, JournalMismatch | NotJson) or not isinstance(error, Exception):
        return Fail(fence, failure)
    execution = run.claim.execution
    stored = execution.retry or run.definition.version.retry
    policy = None if stored is None else Retry.from_json(stored)
    kinds = [kind.__name__ for kind in type(error).__mro__]
    failures = execution.retries + 1
    if policy is None or failures >= policy.attempts or not policy.covers(kinds):
        return Fail(fence, failure)
    delay = policy.delay(failures, random.random())  # noqa: S311 - it spreads retries
    return RetryLater(fence, failure, now + int(delay * _MICROSECONDS))


def _invalid(run: _Run, code: str, what: str, error: ValidationError) -> Outcome:
    details = [
        {"field": ".".join([what, *map(str, found["loc"])]), "message": found["msg"]}
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = details[0]
    message = f"{what} does not fit its type: {first['field']}: {first['message']}"
    return Fail(run.claim.fence, Failure(code, message, details=tuple(details)))
