"""Runs agents: async ones on an event loop of their own, plain ones in threads.

The service's event loop never runs an agent's code, so that an agent that blocks delays no reply.
"""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from moderately.domain.agents import AgentVersion
from moderately.domain.execution import Claim, Step
from moderately.domain.ports import Clock, Lease, Outcome
from moderately.domain.storing import Store
from moderately.runtime.agents import AgentDefinition
from moderately.runtime.async_journal import AsyncJournal
from moderately.runtime.context import Context
from moderately.runtime.isolation import AgentProcess
from moderately.runtime.journal import Home, Site
from moderately.runtime.observer import Observer
from moderately.runtime.outcomes import (
    arguments_of,
    completed,
    deadline_of,
    failed,
    final,
    run_plain,
)
from moderately.runtime.scope import AgentLoop, task_factory
from moderately.runtime.sync_journal import SyncJournal
from moderately.runtime.threads import DaemonThreads

__all__ = ["LocalRunner", "RunnerOptions"]

_log = logging.getLogger(__name__)

Done = Callable[[Claim, Outcome | None], None]

_STEP_THREADS: Final = 32


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
    process: AgentProcess | None = None
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
        self._loop.set_exception_handler(_forget)
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
            elif run.definition.isolation == "process":
                run.process = AgentProcess(run.definition, claim, self._site)
                work = partial(self._run_in_process, run, run.process)
                self._agent_threads.submit(work)
            else:
                journal = run.journal = SyncJournal(claim, self._site)
                self._agent_threads.submit(partial(self._run_in_thread, run, journal))
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
        if run.process is not None:
            run.process.settle(step)
        elif isinstance(run.journal, SyncJournal):
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
        if run.process is not None:
            run.process.interrupt()
        if run.definition.is_async:
            self._loop.call_soon_threadsafe(_cancel, run)
        self._site.home.loop.call_later(self._options.cancel_grace, self._linger, run)

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
            # A context of its own: what led here may have begun in another run's step.
            context = contextvars.Context()
            run.task = self._loop.create_task(self._run_async(run), context=context)

    def _linger(self, run: _Run) -> None:
        """The grace of an interrupted run is over."""
        execution = run.claim.execution
        if self._runs.get((execution.id, run.claim.fence)) is not run:
            return
        if run.process is not None:
            run.process.kill()
            return
        run.lingers = True
        _log.warning(
            "%s of agent %r was interrupted and still runs; it keeps its slot",
            execution.id,
            execution.agent_id,
        )
        if run.task is not None:
            self._loop.call_soon_threadsafe(run.task.cancel)

    async def _run_async(self, run: _Run) -> None:
        outcome: Outcome | None = None
        journal = AsyncJournal(run.claim, self._site, self._loop)
        run.journal = journal
        journal.interrupted = run.interrupted
        try:
            journal.enter_scope()
            await journal.open()
            for step in run.settled:
                journal.settle(step)
            context = Context(journal, deadline_of(run.claim, journal))
            if not journal.interrupted:
                arguments, fields = arguments_of(run.definition, run.claim)
                result = await run.definition.function(context, *arguments, **fields)
                outcome = completed(run.definition, run.claim, result)
                journal.mismatch = journal.mismatch or journal.left_over()
        except BaseException as error:  # noqa: BLE001 - whatever an agent raises ends its run only
            outcome = failed(run.definition, run.claim, error, journal.now())
        journal.close()
        await _end_tasks(journal)
        self._end(run, final(run.claim, journal, outcome))

    def _run_in_thread(self, run: _Run, journal: SyncJournal) -> None:
        context = contextvars.copy_context()
        self._end(run, context.run(run_plain, run.definition, run.claim, journal))

    def _run_in_process(self, run: _Run, process: AgentProcess) -> None:
        self._end(run, process.run())

    def _end(self, run: _Run, outcome: Outcome | None) -> None:
        self._runs.pop((run.claim.execution.id, run.claim.fence), None)
        run.done(run.claim, None if run.interrupted else outcome)


async def _end_tasks(journal: AsyncJournal) -> None:
    """End what the agent has left running."""
    if len(journal.run.tasks) == 1:
        return
    left = journal.run.tasks - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)


def _forget(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What an agent's task raised and nobody awaited: its traceback is in no log of ours."""
    del loop
    _log.debug("in an agent's code: %s", context.get("message"))


def _cancel(run: _Run) -> None:
    # A task that is cancelled before its first step would never tell that the run has ended; it
    # looks for itself whether it is still wanted.
    if run.task is not None and run.journal is not None:
        run.task.cancel()


def _settle(run: _Run, step: Step) -> None:
    if isinstance(run.journal, AsyncJournal):
        run.journal.settle(step)
    else:
        run.settled.append(step)
