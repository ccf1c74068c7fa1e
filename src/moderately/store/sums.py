"""Rows of reports to nouns."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from moderately.domain.reports import Queue, Run, Slot
from moderately.protocol.vocabulary import Status

__all__ = ["SAMPLE", "by_status", "make_queues", "make_runs", "make_slots"]

SAMPLE: Final = 50
"""Of how many executions a slot tells how long they took: enough for a plot, and soon read."""

Row = Sequence[Any]


def by_status(rows: Iterable[Row]) -> dict[Status, int]:
    """Numbers by status, from rows of a status and a number."""
    found: dict[str, int] = {row[0]: row[1] for row in rows}
    return {status: found.get(status.value, 0) for status in Status}


def make_queues(pending: Iterable[Row], waiting: Iterable[Row]) -> list[Queue]:
    """Queues from the rows of `pending_by_agent` and `waiting_by_agent`."""
    ready = {agent_id: (number, oldest) for agent_id, number, oldest in waiting}
    queues = []
    for agent_id, total in pending:
        number, oldest = ready.get(agent_id, (0, None))
        queues.append(Queue(agent_id, number, max(total - number, 0), oldest))
    return queues


def make_slots(
    since: int, width: int, number: int, ends: Iterable[Row], spans: Mapping[int, Sequence[float]]
) -> list[Slot]:
    """Slots from the rows of `ends_by_slot`, and spans by the number of their slot."""
    ended: defaultdict[int, dict[Status, int]] = defaultdict(dict)
    for slot, status, count in ends:
        ended[slot][Status(status)] = count
    return [
        Slot(since + index * width, ended.get(index, {}), spans.get(index, ()))
        for index in range(number)
    ]


def make_runs(rows: Iterable[Row]) -> list[Run]:
    """Runs from the rows of `recent_runs`."""
    return [
        Run(row[0], Status(row[1]), row[2], row[3], row[4], json.loads(row[5] or "{}"))
        for row in rows
    ]
