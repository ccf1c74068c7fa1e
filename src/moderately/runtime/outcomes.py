"""How runs end: what an agent returns or raises, as a command of the lifecycle."""

import random
import time
from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from moderately.domain.commands import Complete, Fail, Park, Pause, RetryLater
from moderately.domain.execution import Claim, Failure, Step
from moderately.domain.ports import Outcome
from moderately.domain.retry import Retry
from moderately.domain.waits import blocked_on, pause_reason, run_at
from moderately.runtime.agents import AgentDefinition
from moderately.runtime.context import SyncContext
from moderately.runtime.journal import Interrupted, Journal, StepLimit
from moderately.runtime.sync_journal import SyncJournal
from moderately.runtime.values import JournalMismatch, NotJson, as_json, step_of

__all__ = ["arguments_of", "completed", "deadline_of", "failed", "final", "run_plain"]

_MESSAGE_LIMIT: Final = 10_000
_MICROSECONDS: Final = 1_000_000


def run_plain(definition: AgentDefinition, claim: Claim, journal: SyncJournal) -> Outcome | None:
    """Run a plain agent in this thread, to its outcome; None where it was interrupted."""
    outcome: Outcome | None = None
    try:
        journal.enter_scope()
        journal.open()
        context = SyncContext(journal, deadline_of(claim, journal))
        if not journal.interrupted:
            arguments, fields = arguments_of(definition, claim)
            result = definition.function(context, *arguments, **fields)
            outcome = completed(definition, claim, result)
    except BaseException as error:  # noqa: BLE001 - whatever an agent raises ends its run only
        outcome = failed(definition, claim, error, journal.now())
    return final(claim, journal, outcome)


def final(claim: Claim, journal: Journal, outcome: Outcome | None) -> Outcome | None:
    """The outcome of a run: what its journal says goes before what its code has made of that."""
    fence = claim.fence
    if journal.interrupted:
        return None
    if journal.mismatch is not None:
        return Fail(fence, Failure("journal_mismatch", str(journal.mismatch)))
    if journal.beyond is not None:
        name = f"{journal.beyond.id} ({journal.beyond.name!r})"
        message = f"the code comes to step {name}, where the record ends"
        return Fail(fence, Failure("beyond_record", message))
    return outcome if journal.parked is None else _park(fence, journal.parked)


def _park(fence: int, waits: Sequence[Step]) -> Park | Pause:
    shown, at, ids = blocked_on(waits), run_at(waits), tuple(step.id for step in waits)
    reason = pause_reason(waits)
    if reason is None:
        return Park(fence, at, shown, ids)
    return Pause(fence, at, shown, ids, reason)


def deadline_of(claim: Claim, journal: Journal) -> float | None:
    """When a run times out, on `time.monotonic()`."""
    at = claim.execution.deadline_at
    return None if at is None else time.monotonic() + (at - journal.now()) / _MICROSECONDS


class _InvalidInput(Exception):
    def __init__(self, cause: ValidationError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def arguments_of(
    definition: AgentDefinition, claim: Claim
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What to call an agent's function with, behind the context."""
    try:
        return definition.arguments(claim.execution.input_data)
    except ValidationError as error:
        raise _InvalidInput(error) from None


def completed(definition: AgentDefinition, claim: Claim, result: Any) -> Outcome:
    """The outcome of a run that has returned."""
    adapter = definition.output
    try:
        value = adapter.validate_python(result)
        # Pydantic would make null of NaN: what is no JSON is refused first.
        as_json(value, "the agent's result")
        output = adapter.dump_python(value, mode="json")
    except ValidationError as error:
        return _invalid(claim, "invalid_output", "the agent's result", error)
    except ValueError as error:
        return Fail(claim.fence, Failure("invalid_output", str(error)))
    return Complete(claim.fence, output)


def failed(
    definition: AgentDefinition, claim: Claim, error: BaseException, now: int
) -> Outcome | None:
    """The outcome of a run that has raised."""
    if isinstance(error, Interrupted):
        return None
    fence = claim.fence
    if isinstance(error, StepLimit):
        return Fail(fence, Failure("step_limit", str(error)))
    if isinstance(error, _InvalidInput):
        return _invalid(claim, "invalid_input", "input_data", error.cause)
    message = str(error)[:_MESSAGE_LIMIT] or type(error).__name__
    failure = Failure("agent_error", message, type(error).__name__, step=step_of(error))
    if isinstance(error, JournalMismatch | NotJson) or not isinstance(error, Exception):
        return Fail(fence, failure)
    execution = claim.execution
    stored = execution.retry or definition.version.retry
    policy = None if stored is None else Retry.from_json(stored)
    kinds = [kind.__name__ for kind in type(error).__mro__]
    failures = execution.retries + 1
    if policy is None or failures >= policy.attempts or not policy.covers(kinds):
        return Fail(fence, failure)
    delay = policy.delay(failures, random.random())  # noqa: S311 - it spreads retries
    return RetryLater(fence, failure, now + int(delay * _MICROSECONDS))


def _invalid(claim: Claim, code: str, what: str, error: ValidationError) -> Outcome:
    details = [
        {"field": ".".join([what, *map(str, found["loc"])]), "message": found["msg"]}
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = details[0]
    message = f"{what} does not fit its type: {first['field']}: {first['message']}"
    return Fail(claim.fence, Failure(code, message, details=tuple(details)))
