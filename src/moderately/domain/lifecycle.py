"""The lifecycle: one table that decides every change of status.

    pending ──► running ──► completed | failed | cancelled
       ▲           │
       └─ release ─┘
    cancel: from pending, running and paused, straight to cancelled

`decide` takes an execution and a command and gives the execution as it is afterwards, with the
event to record. A store writes both in one transaction, or neither. A terminal status is in no
row of the table, so that nothing leads out of it.
"""

from dataclasses import dataclass
from typing import Any, Final

from moderately.domain.errors import ExecutionTerminal, FencedOut, IllegalTransition
from moderately.domain.execution import Execution, Failure, NewEvent
from moderately.protocol.vocabulary import Status

__all__ = [
    "TRANSITIONS",
    "Cancel",
    "Command",
    "Complete",
    "Fail",
    "Release",
    "Start",
    "as_created",
    "created_event",
    "decide",
]


@dataclass(frozen=True, slots=True)
class Start:
    """A worker takes a pending execution; the fence goes up by one."""


@dataclass(frozen=True, slots=True)
class Complete:
    """The run that holds the fence ended with a result."""

    fence: int
    output: Any


@dataclass(frozen=True, slots=True)
class Fail:
    """The run that holds the fence ended with an error."""

    fence: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Release:
    """The run that holds the fence is given up; another one goes on. `reason` is one sentence."""

    fence: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody wants no more of it. Needs no fence: a cancel is final whoever runs it."""

    reason: str | None = None


Command = Start | Complete | Fail | Release | Cancel

TRANSITIONS: Final[dict[tuple[Status, type[Command]], Status]] = {
    (Status.PENDING, Start): Status.RUNNING,
    (Status.PENDING, Cancel): Status.CANCELLED,
    (Status.RUNNING, Complete): Status.COMPLETED,
    (Status.RUNNING, Fail): Status.FAILED,
    (Status.RUNNING, Release): Status.PENDING,
    (Status.RUNNING, Cancel): Status.CANCELLED,
    (Status.PAUSED, Cancel): Status.CANCELLED,
}


def decide(execution: Execution, command: Command, now: int) -> tuple[Execution, NewEvent]:
    """Apply a command to an execution.

    Args:
        execution: The execution as it stands.
        command: What is to happen.
        now: The time, in microseconds since the epoch.

    Returns:
        The execution as it is afterwards, and the event that tells of it. The event's number is
        the new `event_seq`.

    Raises:
        FencedOut: If the command carries a fence that is not the execution's, or comes from a run
            that is no longer running.
        ExecutionTerminal: If the execution has ended.
        IllegalTransition: If the table has no such transition.

    Example:
        >>> after, event = decide(execution, Cancel("no longer needed"), now=1_000_000)
        >>> after.status, event.type
        (<Status.CANCELLED: 'cancelled'>, 'execution.cancelled')
    """
    fence = getattr(command, "fence", None)
    if fence is not None and (execution.status is not Status.RUNNING or fence != execution.fence):
        raise FencedOut(execution.id)
    if execution.status.is_terminal:
        raise ExecutionTerminal(execution)
    status = TRANSITIONS.get((execution.status, type(command)))
    if status is None:
        raise IllegalTransition(f"{type(command).__name__} does not apply to {execution.status}")
    changes, event = _effects(execution, command, now)
    after = execution._replace(
        status=status, updated_at=now, event_seq=execution.event_seq + 1, **changes
    )
    return after, event


def _effects(execution: Execution, command: Command, now: int) -> tuple[dict[str, Any], NewEvent]:
    match command:
        case Start():
            attempt = execution.attempt + 1
            return {
                "fence": execution.fence + 1,
                "attempt": attempt,
                "started_at": execution.started_at or now,
                "status_reason": None,
            }, NewEvent("execution.started", {"attempt": attempt})
        case Complete(output=output):
            return {
                "output_data": output,
                "completed_at": now,
                "current_step": None,
            }, NewEvent("execution.completed", {})
        case Fail(failure=failure):
            error = failure.to_json()
            return {
                "error": error,
                "status_reason": failure.code,
                "failed_at": now,
            }, NewEvent("execution.failed", {"error": error})
        case Release(reason=reason):
            return {
                "status_reason": reason,
                "current_step": None,
            }, NewEvent("execution.released", {"reason": reason})
        case Cancel(reason=reason):
            return {
                "status_reason": reason,
                "cancelled_at": now,
            }, NewEvent("execution.cancelled", {"reason": reason, "step": execution.current_step})


def created_event(execution: Execution) -> NewEvent:
    """The first event of an execution."""
    return NewEvent(
        "execution.created",
        {"agent_id": execution.agent_id, "agent_version": execution.agent_version},
    )


def as_created(execution: Execution) -> Execution:
    """The execution as it was at its creation, whatever became of it: what a repeated create gets.

    Args:
        execution: The execution as it stands.
    """
    return Execution(
        id=execution.id,
        team_id=execution.team_id,
        agent_id=execution.agent_id,
        agent_version=execution.agent_version,
        status=Status.PENDING,
        created_at=execution.created_at,
        updated_at=execution.created_at,
        input_data=execution.input_data,
        metadata=execution.metadata,
        priority=execution.priority,
        timeout_seconds=execution.timeout_seconds,
        max_steps=execution.max_steps,
        parent_id=execution.parent_id,
        event_seq=1,
    )
