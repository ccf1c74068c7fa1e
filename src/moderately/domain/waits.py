"""What executions wait for, and how a wait ends. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from moderately.domain.errors import Conflict, InvalidRequest
from moderately.domain.execution import FOREVER, Execution, Step
from moderately.protocol.vocabulary import Status

__all__ = [
    "EFFECT_IN_DOUBT",
    "PEOPLE",
    "blocked_on",
    "child_outcome",
    "find_wait",
    "pause_reason",
    "run_at",
    "settled",
    "waits_for",
]

EFFECT_IN_DOUBT: Final = "effect_in_doubt"

PEOPLE: Final = frozenset({"input", "approval", EFFECT_IN_DOUBT})
"""The kinds of wait that only a person ends."""

_REASONS: Final = {
    EFFECT_IN_DOUBT: EFFECT_IN_DOUBT,
    "approval": "waiting_for_approval",
    "input": "waiting_for_input",
}
_MESSAGES: Final = {
    "sleep": "sleeps",
    "agent": "waits for execution {execution_id}",
    "input": "waits for an answer to {name!r}",
    "approval": "waits for somebody to approve {name!r}",
    EFFECT_IN_DOUBT: "was interrupted within the unsafe step {name!r}: say whether it has happened",
}


def blocked_on(waits: Sequence[Step]) -> dict[str, Any]:
    """What to show of an execution that waits.

    Args:
        waits: What it waits for, one or more.
    """
    first = min(waits, key=lambda wait: (waits_for(wait) not in PEOPLE, wait.id))
    shown = []
    for wait in waits:
        facts = {key: value for key, value in (wait.wait or {}).items() if key != "wake_at"}
        shown.append({"id": wait.id, "kind": waits_for(wait), "name": wait.name, **facts})
    facts = {"name": first.name, **(first.wait or {})}
    kind = waits_for(first)
    return {
        "kind": kind,
        "message": f"It {_MESSAGES[kind].format(**facts)}.",
        "waits": shown,
    }


def waits_for(wait: Step) -> str:
    """What kind of thing a wait waits for."""
    return EFFECT_IN_DOUBT if wait.kind == "step" else wait.kind


def pause_reason(waits: Sequence[Step]) -> str | None:
    """Why an execution with these waits is paused; None if it waits for no person."""
    kinds = {waits_for(wait) for wait in waits}
    return next((reason for kind, reason in _REASONS.items() if kind in kinds), None)


def run_at(waits: Sequence[Step]) -> int:
    """When the first of these waits ends by itself; `FOREVER` if none does."""
    return min((wait.wake_at for wait in waits if wait.wake_at is not None), default=FOREVER)


def find_wait(execution: Execution, waits: Sequence[Step], wanted: str | None) -> Step:
    """Find the wait that an answer is meant for.

    Args:
        execution: The execution.
        waits: What it waits for.
        wanted: A wait's id or name; None where there is only one.

    Raises:
        Conflict: If it does not wait for a person.
        InvalidRequest: If no wait, or more than one, is meant.
    """
    open_waits = [wait for wait in waits if waits_for(wait) in PEOPLE]
    if not open_waits:
        raise Conflict(
            f"Execution {execution.id} is {execution.status.value} and waits for no answer."
        )
    names = ", ".join(repr(wait.name) for wait in open_waits)
    if wanted is None:
        if len(open_waits) > 1:
            raise InvalidRequest.field("wait", f"is required: one of {names}")
        return open_waits[0]
    found = [wait for wait in open_waits if wanted in (wait.id, wait.name)]
    if len(found) != 1:
        raise InvalidRequest.field("wait", f"names no wait, or several; there are {names}")
    return found[0]


def settled(wait: Step, result: Any, error: dict[str, Any] | None, now: int) -> Step:
    """A wait with its outcome."""
    return wait._replace(
        status="completed" if error is None else "failed",
        result=result,
        error=error,
        ended_at=max(now, wait.started_at),
    )


def child_outcome(wait: Step, child: Execution, now: int) -> Step:
    """A parent's wait for a child, as the child's end settles it.

    Args:
        wait: The parent's step.
        child: The child, ended.
        now: The time, in microseconds.
    """
    if child.status is Status.COMPLETED:
        return settled(wait, child.output_data, None, now)
    reason = child.status_reason
    message = (child.error or {}).get("message") or reason or child.status.value
    error = {"type": "ChildFailed", "message": f"{child.id} {child.status.value}: {message}"}
    return settled(wait, None, error, now)
