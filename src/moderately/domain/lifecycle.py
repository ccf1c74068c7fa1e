"""The lifecycle: one table that decides every change of an execution.

    pending ──► running ──► completed | failed | cancelled
       ▲           │ ▲
       └─ retry ───┘ └──► paused ──► pending
    cancel: from pending, running and paused, straight to cancelled

`decide` takes an execution and a command and gives the execution as it is afterwards, with the
events to record. A store writes both in one transaction, or neither. A terminal status is in no
row of the table, so that nothing leads out of it. A command with a fence comes from a run, and is
refused unless the run is the execution's newest and it is running.
"""

from collections.abc import Mapping
from typing import Any, Final

from moderately.domain.commands import (
    Cancel,
    Command,
    Complete,
    Enter,
    Expire,
    Fail,
    Move,
    Note,
    Park,
    Pause,
    Record,
    Release,
    RetryLater,
    Settle,
    Spawn,
    Start,
    Wait,
    Wake,
)
from moderately.domain.errors import ExecutionTerminal, FencedOut, IllegalTransition
from moderately.domain.execution import Execution, NewEvent, Step
from moderately.protocol.vocabulary import Status

__all__ = ["TRANSITIONS", "as_created", "created_event", "decide", "started_event"]


TRANSITIONS: Final[dict[tuple[Status, type[Command]], Status]] = {
    (Status.PENDING, Start): Status.RUNNING,
    (Status.PENDING, Wake): Status.PENDING,
    (Status.PENDING, Settle): Status.PENDING,
    (Status.PENDING, Move): Status.PENDING,
    (Status.PENDING, Expire): Status.FAILED,
    (Status.PENDING, Cancel): Status.CANCELLED,
    (Status.RUNNING, Enter): Status.RUNNING,
    (Status.RUNNING, Record): Status.RUNNING,
    (Status.RUNNING, Wait): Status.RUNNING,
    (Status.RUNNING, Spawn): Status.RUNNING,
    (Status.RUNNING, Settle): Status.RUNNING,
    (Status.RUNNING, Note): Status.RUNNING,
    (Status.RUNNING, Complete): Status.COMPLETED,
    (Status.RUNNING, Fail): Status.FAILED,
    (Status.RUNNING, RetryLater): Status.PENDING,
    (Status.RUNNING, Release): Status.PENDING,
    (Status.RUNNING, Park): Status.PENDING,
    (Status.RUNNING, Pause): Status.PAUSED,
    (Status.RUNNING, Cancel): Status.CANCELLED,
    (Status.PAUSED, Wake): Status.PENDING,
    (Status.PAUSED, Settle): Status.PENDING,
    (Status.PAUSED, Move): Status.PAUSED,
    (Status.PAUSED, Cancel): Status.CANCELLED,
}

_USED: Final = ("input_tokens", "output_tokens", "cost")

Changes = dict[str, Any]
Effect = tuple[Changes, list[NewEvent]]


def decide(execution: Execution, command: Command, now: int) -> tuple[Execution, list[NewEvent]]:
    """Apply a command to an execution.

    Args:
        execution: The execution as it stands.
        command: What is to happen.
        now: The time, in microseconds since the epoch.

    Returns:
        The execution as it is afterwards, and the events that tell of it. The number of the last
        one is the new `event_seq`.

    Raises:
        FencedOut: If the command carries a fence that is not the execution's, or comes from a run
            that is no longer running.
        ExecutionTerminal: If the execution has ended.
        IllegalTransition: If the table has no such transition.

    Example:
        >>> after, events = decide(execution, Cancel("no longer needed"), now=1_000_000)
        >>> after.status, events[0].type
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
    changes, events = _EFFECTS[type(command)](execution, command, now)
    if execution.status is Status.PAUSED and status is not Status.PAUSED:
        changes |= _unpaused(execution, now)
        if status is Status.PENDING:
            events.append(NewEvent("execution.resumed", {}))
    after = execution._replace(
        status=status, updated_at=now, event_seq=execution.event_seq + len(events), **changes
    )
    return after, events


def _unpaused(execution: Execution, now: int) -> Changes:
    # Time spent on a person's answer is not the agent's.
    paused, deadline = execution.paused_at or now, execution.deadline_at
    later = None if deadline is None else deadline + max(0, now - paused)
    return {"paused_at": None, "deadline_at": later}


def _start(execution: Execution, command: Start, now: int) -> Effect:
    attempt, seconds = execution.attempt + 1, execution.timeout_seconds
    deadline = execution.deadline_at
    if deadline is None and seconds is not None:
        deadline = now + int(seconds * 1_000_000)
    version = execution.agent_version
    if execution.attempt == 0 and command.agent_version is not None:
        version = command.agent_version
    return {
        "fence": execution.fence + 1,
        "attempt": attempt,
        "agent_version": version,
        "worker_id": command.worker_id,
        "started_at": execution.started_at or now,
        "deadline_at": deadline,
        "status_reason": None,
        "blocked_on": None,
        "run_at": None,
    }, [NewEvent("execution.started", {"attempt": attempt, "worker_id": command.worker_id})]


def _complete(execution: Execution, command: Complete, now: int) -> Effect:
    del execution
    changes = {"output_data": command.output, "completed_at": now, "in_flight": None}
    return changes, [NewEvent("execution.completed", {})]


def _fail(execution: Execution, command: Fail | Expire, now: int) -> Effect:
    del execution
    error = command.failure.to_json()
    return {
        "error": error,
        "status_reason": command.failure.code,
        "blocked_on": None,
        "run_at": None,
        "failed_at": now,
    }, [NewEvent("execution.failed", {"error": error})]


def _retry_later(execution: Execution, command: RetryLater, now: int) -> Effect:
    del now
    error = command.failure.to_json()
    return {
        "status_reason": "retry",
        "retries": execution.retries + 1,
        "run_at": command.run_at,
        "in_flight": None,
        "blocked_on": {
            "kind": "retry",
            "message": f"Attempt {execution.attempt} failed and is tried again.",
            "error": error,
        },
    }, [NewEvent("execution.retried", _again(execution, error, command.run_at))]


def _again(execution: Execution, error: dict[str, Any], run_at: int) -> dict[str, Any]:
    return {"error": error, "attempt": execution.attempt, "run_at": run_at}


def _release(execution: Execution, command: Release, now: int) -> Effect:
    del execution, now
    changes = {"status_reason": command.reason, "in_flight": None}
    return changes, [NewEvent("execution.released", {"reason": command.reason})]


def _park(execution: Execution, command: Park, now: int) -> Effect:
    del execution, now
    changes = {"run_at": command.run_at, "blocked_on": command.blocked_on, "in_flight": None}
    return changes, [NewEvent("execution.parked", {"blocked_on": command.blocked_on})]


def _pause(execution: Execution, command: Pause, now: int) -> Effect:
    del execution
    return {
        "run_at": command.run_at,
        "blocked_on": command.blocked_on,
        "in_flight": None,
        "status_reason": command.reason,
        "paused_at": now,
    }, [NewEvent("execution.paused", {"reason": command.reason, "blocked_on": command.blocked_on})]


def _wake(execution: Execution, command: Wake, now: int) -> Effect:
    del command, now
    reason = None if execution.status is Status.PAUSED else execution.status_reason
    return {"run_at": None, "blocked_on": None, "status_reason": reason}, []


def _move(execution: Execution, command: Move, now: int) -> Effect:
    del now
    moved = {"from": execution.agent_version, "to": command.agent_version}
    return {"agent_version": command.agent_version}, [NewEvent("execution.moved", moved)]


def _cancel(execution: Execution, command: Cancel, now: int) -> Effect:
    in_flight = [
        {"id": step_id, "name": step["name"], "in_doubt": step["effects"] == "unsafe"}
        for step_id, step in (execution.in_flight or {}).items()
    ]
    return {
        "status_reason": command.reason,
        "cancelled_at": now,
        "blocked_on": None,
        "run_at": None,
    }, [NewEvent("execution.cancelled", {"reason": command.reason, "in_flight": in_flight})]


def _enter(execution: Execution, command: Enter, now: int) -> Effect:
    del now
    step = command.step
    entered = {"name": step.name, "effects": step.effects, "started_at": step.started_at}
    changes = {"in_flight": {**(execution.in_flight or {}), step.id: entered}}
    # That any other step has begun is of account only until it ends: its end tells the time.
    return changes, [started_event(step)] if step.effects == "unsafe" else []


def _record(execution: Execution, command: Record, now: int) -> Effect:
    del now
    return {
        "in_flight": _without(execution.in_flight, command.step.id),
        "step_count": execution.step_count + 1,
    }, [_outcome_event(command.step)]


def _wait(execution: Execution, command: Wait | Spawn, now: int) -> Effect:
    del now
    step = command.step
    data = {**_named(step), "attempt": step.attempt, **(step.wait or {})}
    changes: Changes = {"in_flight": _without(execution.in_flight, step.id)}
    if isinstance(command, Spawn):
        changes["child_count"] = execution.child_count + 1
    return changes, [NewEvent("wait.started", data)]


def _settle(execution: Execution, command: Settle, now: int) -> Effect:
    del now
    # A dropped step is none any more: it runs again.
    dropped = command.step.status == "dropped"
    changes: Changes = {"step_count": execution.step_count + (not dropped)}
    if execution.status is not Status.RUNNING:
        changes |= {"run_at": None, "blocked_on": None, "status_reason": None}
    return changes, [_outcome_event(command.step)]


def _note(execution: Execution, command: Note, now: int) -> Effect:
    del now
    messages = [event.data for event in command.events if event.type == "message"]
    if not messages:
        return {}, list(command.events)
    usage = dict(execution.usage or {})
    for data in messages:
        for name in _USED:
            if name in data:
                usage[name] = usage.get(name, 0) + data[name]
    return {"usage": usage or None}, list(command.events)


def _without(
    in_flight: Mapping[str, dict[str, Any]] | None, step_id: str
) -> dict[str, dict[str, Any]] | None:
    return {key: step for key, step in (in_flight or {}).items() if key != step_id} or None


def _named(step: Step) -> dict[str, Any]:
    return {"id": step.id, "name": step.name, "kind": step.kind}


def _outcome_event(step: Step) -> NewEvent:
    data = _named(step)
    if step.ended_at is not None:
        data["started_at"] = step.started_at
        data["duration_ms"] = (step.ended_at - step.started_at) / 1000
        data["attempt"], data["tries"] = step.attempt, step.tries
    if step.error is not None:
        data["error"] = {"type": step.error["type"], "message": step.error["message"]}
    return NewEvent(f"step.{step.status}", data)


def started_event(step: Step) -> NewEvent:
    """That a step has begun: on record for an unsafe one, live only for any other."""
    data = {**_named(step), "effects": step.effects, "attempt": step.attempt}
    return NewEvent("step.started", data)


_EFFECTS: Final[dict[type[Command], Any]] = {
    Start: _start,
    Complete: _complete,
    Fail: _fail,
    RetryLater: _retry_later,
    Release: _release,
    Park: _park,
    Pause: _pause,
    Wake: _wake,
    Expire: _fail,
    Move: _move,
    Cancel: _cancel,
    Enter: _enter,
    Record: _record,
    Wait: _wait,
    Spawn: _wait,
    Settle: _settle,
    Note: _note,
}


def created_event(execution: Execution) -> NewEvent:
    """The first event of an execution."""
    data = {"agent_id": execution.agent_id, "agent_version": execution.agent_version}
    if execution.parent_id is not None:
        data["parent_id"] = execution.parent_id
    if execution.forked_from is not None:
        data["forked_from"] = execution.forked_from
    return NewEvent("execution.created", data)


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
        metadata=execution.metadata,
        input_data=execution.input_data,
        retry=execution.retry,
        priority=execution.priority,
        timeout_seconds=execution.timeout_seconds,
        max_steps=execution.max_steps,
        concurrency_key=execution.concurrency_key,
        parent_id=execution.parent_id,
        parent_step=execution.parent_step,
        forked_from=execution.forked_from,
        event_seq=1,
    )
