"""Judges the records of executions: whether they hold together, and what ran at once. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

__all__ = ["History", "broken", "most_at_once", "over_rate"]

_ENDS: Final = frozenset({"execution.completed", "execution.failed", "execution.cancelled"})
# What ends a run without ending the execution.
_LEFT: Final = frozenset(
    {"execution.released", "execution.retried", "execution.parked", "execution.paused"}
)
# What may happen while nothing runs: the answers to waits come from outside.
_OUTSIDE: Final = frozenset(
    {
        "execution.created",
        "execution.moved",
        "execution.resumed",
        "execution.failed",
        "execution.cancelled",
        "step.dropped",
    }
)
# Entries that a run makes by itself and at once; waits are settled by others, at any time.
_OWN_KINDS: Final = frozenset({"step", "now", "random", "uuid"})


@dataclass(frozen=True, slots=True)
class History:
    """What is on record of an execution.

    Attributes:
        execution: The execution, as the API shows it.
        events: Its events.
        steps: Its steps.
    """

    execution: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    steps: Sequence[Mapping[str, Any]]


def broken(history: History) -> list[str]:
    """What is wrong with a record, each in a sentence; nothing if it holds together.

    The numbers of the events have no gap, there is exactly one end and it comes last, nothing is
    written by a run that is over, and each step was recorded by the run that it was recorded in.
    """
    numbers = [event["seq"] for event in history.events]
    found = []
    if numbers != list(range(1, len(numbers) + 1)):
        found.append(f"its events are numbered {numbers}")
    types = [event["type"] for event in history.events]
    ends = [number for number, kind in enumerate(types, 1) if kind in _ENDS]
    if ends != [len(types)]:
        found.append(f"of its {len(types)} events, {ends} are ends")
    return found + _strays(history)


def _strays(history: History) -> list[str]:
    """Writes of runs that were over, or not the newest any more."""
    found = []
    steps = {step["id"]: step for step in history.steps}
    attempt, is_running = 0, False
    for event in history.events:
        kind, data, at = event["type"], event["data"], f"event {event['seq']}"
        if kind == "execution.started":
            if is_running or data["attempt"] != attempt + 1:
                found.append(f"{at} begins attempt {data['attempt']} in attempt {attempt}")
            attempt, is_running = data["attempt"], True
            continue
        step = steps.get(data.get("id", "")) if kind in ("step.completed", "step.failed") else None
        is_answer = step is not None and _is_answer(step)
        if not is_running and kind not in _OUTSIDE and not is_answer:
            found.append(f"{at}, {kind}, comes from a run that was over")
        if step is not None and not is_answer and step["attempt"] != attempt:
            found.append(f"{at} records what attempt {step['attempt']} did in attempt {attempt}")
        if kind in _LEFT or kind in _ENDS:
            is_running = False
    return found


def _is_answer(step: Mapping[str, Any]) -> bool:
    return step["kind"] not in _OWN_KINDS or step["wait"] is not None


def _runs(history: History) -> list[tuple[datetime, datetime]]:
    """When it ran: from each start to what ended that run."""
    found, begun = [], None
    for event in history.events:
        at = _at(event)
        if event["type"] == "execution.started":
            begun = at
        elif begun is not None and event["type"] in _LEFT | _ENDS:
            found.append((begun, at))
            begun = None
    return found


def most_at_once(histories: Iterable[History]) -> int:
    """How many of these ran at the same time at the most, by the record."""
    edges = []
    for history in histories:
        for begun, ended in _runs(history):
            edges += [(begun, 1), (ended, -1)]
    most = now = 0
    # At the same moment the end comes first: the slot is given on.
    for _, change in sorted(edges):
        now += change
        most = max(most, now)
    return most


def over_rate(histories: Iterable[History], count: int, period: float) -> float:
    """By how many starts a rate was exceeded at the worst, by the record.

    As many as `count` may come at once, and `count` in each period from there on.

    Args:
        histories: All that the rate is for.
        count: How many starts.
        period: In how many seconds.

    Returns:
        Starts beyond the allowed ones, in the worst of all stretches of time; 0 if none.
    """
    starts = sorted(
        _at(event).timestamp()
        for history in histories
        for event in history.events
        if event["type"] == "execution.started"
    )
    # A bucket that holds `count`, and fills up steadily: what is missing is over the rate.
    level, worst, last = float(count), 0.0, 0.0
    for start in starts:
        level = min(float(count), level + (start - last) * count / period) - 1
        worst, last = max(worst, -level), start
    return worst


def _at(event: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(event["created_at"])
