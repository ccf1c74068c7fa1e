"""Runs agents: async ones on an event loop of their own, plain ones in threads.

The service's event loop never runs an agent's code, so that an agent that blocks delays no reply.
"""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import uvloop
from pydantic import ValidationError

from moderately.domain.agents import AgentVersion
from moderately.domain.execution import Claim, Failure
from moderately.domain.lifecycle import Complete, Fail
from moderately.domain.ports import Outcome, Store
from moderately.runtime.agents import AgentDefinition
from moderately.runtime.context import Context, Interrupted, SyncContext
from moderately.runtime.journal import Home, Journal, StepLimit, as_json, task_factory
from moderately.runtime.threads import DaemonThreads

__all__ = ["LocalRunner"]

Done = Callable[[Claim, Outcome | None], None]

_MESSAGE_LIMIT: Final = 10_000
_STEP_THREADS: Final = 32


class _Run:
    """One claim that is being run."""

    __slots__ = ("claim", "definition", "done", "has_begun", "journal", "task")

    def __init__(
        self, claim: Claim, definition: AgentDefinition, journal: Journal, done: Done
    ) -> None:
        self.claim = claim
        self.definition = definition
        self.journal = journal
        self.done = done
        self.has_begun = False
        self.task: asyncio.Task[None] | None = None


class LocalRunner:
    """`moderately.domain.ports.Runner` in this process. Make it on the store's event loop.

    Args:
        definitions: The agents, by id.
        store: Where their steps and events go.
        threads: How many plain agents run at once.
    """

    def __init__(
        self, definitions: Mapping[str, AgentDefinition], store: Store, *, threads: int
    ) -> None:
        self._definitions = definitions
        self._store = store
        self._home = Home(asyncio.get_running_loop())
        self._agent_threads = DaemonThreads(threads, "agent")
        self._step_threads = DaemonThreads(_STEP_THREADS, "step")
        self._runs: dict[tuple[str, int], _Run] = {}
        self._loop = uvloop.new_event_loop()
        self._loop.set_task_factory(task_factory)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._loop.run_forever, name="agents", daemon=True)
        self._thread.start()

    def agents(self) -> Mapping[str, AgentVersion]:
        """The agents that can run here."""
        return {agent_id: found.version for agent_id, found in self._definitions.items()}

    def is_blocking(self, agent_id: str) -> bool:
        """Whether the agent's function is a plain one, which holds a thread while it runs."""
        return not self._definitions[agent_id].is_async

    def start(self, claims: Sequence[Claim], done: Done) -> None:
        """Run these; `done` is called from any thread as each one's code ends."""
        awaiting = []
        for claim in claims:
            definition = self._definitions[claim.execution.agent_id]
            journal = Journal(claim, self._store, self._home, self._step_threads)
            run = _Run(claim, definition, journal, done)
            self._runs[claim.execution.id, claim.fence] = run
            if definition.is_async:
                awaiting.append(run)
            else:
                self._agent_threads.submit(lambda run=run: self._run_plain(run))  # type: ignore[misc]
        if awaiting:
            self._loop.call_soon_threadsafe(self._spawn, awaiting)

    def interrupt(self, execution_id: str, fence: int) -> None:
        """Stop a run as soon as its code allows."""
        run = self._runs.get((execution_id, fence))
        if run is not None and not run.journal.interrupted:
            run.journal.interrupted = True
            self._loop.call_soon_threadsafe(_cancel, run)

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

    async def _run_async(self, run: _Run) -> None:
        outcome: Outcome | None = None
        run.has_begun = True
        try:
            run.journal.enter_scope()
            await run.journal.open()
            context = Context(run.claim, run.journal, _deadline(run))
            if not run.journal.interrupted:
                arguments, fields = _arguments(run)
                outcome = _complete(
                    run, await run.definition.function(context, *arguments, **fields)
                )
        except BaseException as error:  # noqa: BLE001 - whatever an agent raises ends its run only
            outcome = _fail(run, error)
        self._end(run, outcome)

    def _run_plain(self, run: _Run) -> None:
        contextvars.copy_context().run(self._run_in_thread, run)

    def _run_in_thread(self, run: _Run) -> None:
        outcome: Outcome | None = None
        try:
            run.journal.enter_scope()
            asyncio.run_coroutine_threadsafe(run.journal.open(), self._home.loop).result()
            context = SyncContext(run.claim, run.journal, _deadline(run))
            if not run.journal.interrupted:
                arguments, fields = _arguments(run)
                outcome = _complete(run, run.definition.function(context, *arguments, **fields))
        except BaseException as error:  # noqa: BLE001 - whatever an agent raises ends its run only
            outcome = _fail(run, error)
        self._end(run, outcome)

    def _end(self, run: _Run, outcome: Outcome | None) -> None:
        self._runs.pop((run.claim.execution.id, run.claim.fence), None)
        run.done(run.claim, None if run.journal.interrupted else outcome)


def _cancel(run: _Run) -> None:
    # A task that is cancelled before its first step would never tell that the run has ended; it
    # looks for itself whether it is still wanted.
    if run.task is not None and run.has_begun:
        run.task.cancel()


def _deadline(run: _Run) -> float | None:
    timeout = run.claim.timeout
    return None if timeout is None else time.monotonic() + timeout


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


def _fail(run: _Run, error: BaseException) -> Outcome | None:
    if isinstance(error, Interrupted) or run.journal.interrupted:
        return None
    if isinstance(error, StepLimit):
        return Fail(run.claim.fence, Failure("step_limit", str(error)))
    if isinstance(error, _InvalidInput):
        return _invalid(run, "invalid_input", "input_data", error.cause)
    message = str(error)[:_MESSAGE_LIMIT] or type(error).__name__
    return Fail(run.claim.fence, Failure("agent_error", message, type(error).__name__))


def _invalid(run: _Run, code: str, what: str, error: ValidationError) -> Outcome:
    details = [
        {"field": ".".join([what, *map(str, found["loc"])]), "message": found["msg"]}
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = details[0]
    message = f"{what} does not fit its type: {first['field']}: {first['message']}"
    return Fail(run.claim.fence, Failure(code, message, details=tuple(details)))
