"""The geometry of a timeline: rows of steps, with bars from 0 to 1. Pure.

A step's id is its path: the tasks down to it, then its number (`0.2/3`). Each task of several steps
is a lane, so that what ran at once lies side by side; its steps are rows below it. Steps of one
name in a row share a line, and what is too long is cut into chunks that a page may fold.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from moderately.domain.execution import Event, Execution, Step
from moderately.web.filters import duration
from moderately.web.spans import Scale, Span, end_of, spans_of

__all__ = ["Bar", "Block", "Row", "Tick", "Timeline", "timeline"]

_RUN: Final = 4
_CHUNK: Final = 100
_OPEN_ROWS: Final = 200
_MOST_TICKS: Final = 7
_MOST_LANE_BARS: Final = 400
_NARROWEST: Final = 0.003
_DIGITS: Final = re.compile(r"\d+")
_SECOND: Final = 1_000_000
_STEPS: Final = (
    *(unit * factor for unit in (100, 1_000, 10_000, 100_000) for factor in (1, 2, 5)),
    *(_SECOND * count for count in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)),
    *(_SECOND * 3600 * count for count in (1, 2, 3, 6, 12, 24, 48, 120, 240, 720, 2400)),
)


class Bar(NamedTuple):
    """A bar in a row.

    Attributes:
        kind: `completed`, `failed`, `waiting`, `running`, `retried` (a try that failed), `delay`
            (before the next try) or `instant`.
        left: Where it begins, from 0 to 1.
        right: Where it ends.
        label: What it tells.
    """

    kind: str
    left: float
    right: float
    label: str

    @property
    def width(self) -> float:
        """How wide it is, and never too narrow to be seen."""
        return max(self.right - self.left, _NARROWEST)

    @property
    def place(self) -> float:
        """Where it is drawn, so that all of it is on the axis."""
        return min(self.left, 1 - self.width)


@dataclass(frozen=True, slots=True)
class Row:
    """A row.

    Attributes:
        label: What it shows: a step's name, or a task.
        detail: The step's path, or how many steps the row stands for.
        depth: How far it is indented.
        bars: Its bars, from left to right.
        step_id: The step; None for a task, and for a row of several.
        rows: The rows of the single steps, for a row of several of one name.
        is_lane: Whether it is a task.
    """

    label: str
    detail: str
    depth: int
    bars: tuple[Bar, ...]
    step_id: str | None = None
    rows: "tuple[Row, ...]" = ()
    is_lane: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that are drawn together; folded where the timeline is long."""

    rows: tuple[Row, ...]
    is_folded: bool = False


class Tick(NamedTuple):
    """A mark on the axis, and its words."""

    left: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A timeline.

    Attributes:
        duration: How long it is, in microseconds.
        bands: The execution's stretches of time: attempts, and waits between them.
        ticks: The marks of its axis.
        blocks: Its rows.
        is_true: Whether equal lengths are equal times; otherwise waits are drawn shorter.
    """

    duration: int
    bands: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    blocks: tuple[Block, ...]
    is_true: bool


def timeline(
    execution: Execution, steps: Sequence[Step], events: Sequence[Event], now: int
) -> Timeline:
    """Lay out what an execution did.

    Args:
        execution: The execution.
        steps: Its journal.
        events: Its events, in order.
        now: The time, in microseconds.
    """
    spans = spans_of(execution, events, now)
    end = end_of(execution, now)
    scale = Scale(spans)
    retries: dict[str, list[Event]] = {}
    for event in events:
        if event.type == "step.retried":
            retries.setdefault(str(event.data.get("id")), []).append(event)
    bars = {step.id: tuple(_bars(step, retries.get(step.id, ()), scale, end)) for step in steps}
    rows = _rows(steps, bars)
    return Timeline(
        duration=end - execution.created_at,
        bands=tuple(_band(span, scale) for span in spans),
        ticks=tuple(_ticks(execution.created_at, end, spans, scale)),
        blocks=tuple(_blocks(rows)),
        is_true=scale.is_true,
    )


def _band(span: Span, scale: Scale) -> Bar:
    label = f"{span.label}: {duration(span.end - span.start)}"
    return Bar(span.kind, scale.at(span.start), scale.at(span.end), label)


def _bars(step: Step, retries: Iterable[Event], scale: Scale, end: int) -> Iterable[Bar]:
    """A step's bars: each try that failed, the delays between them, and what came in the end."""
    begin, tries = step.started_at, 0
    stop = min(step.ended_at if step.ended_at is not None else end, end)
    for event in retries:
        if not begin <= event.created_at <= stop:
            continue
        tries += 1
        what = f"try {tries} failed after {duration(event.created_at - begin)}"
        yield Bar("retried", scale.at(begin), scale.at(event.created_at), what)
        delay = event.data.get("delay_seconds")
        seconds = delay if isinstance(delay, int | float) else 0
        begin = min(stop, event.created_at + int(seconds * _SECOND))
        if begin > event.created_at:
            what = f"tried again after {duration(begin - event.created_at)}"
            yield Bar("delay", scale.at(event.created_at), scale.at(begin), what)
    kind = _kind(step)
    took = duration(stop - begin) if not step.shared else "shared with what it was forked from"
    tried = f", try {step.tries}" if step.tries > 1 else ""
    yield Bar(kind, scale.at(begin), scale.at(max(stop, begin)), f"{kind}{tried}: {took}")


def _kind(step: Step) -> str:
    if step.kind in {"now", "random", "uuid"}:
        return "instant"
    if step.status == "started":
        return "running"
    if step.kind in {"sleep", "input", "approval"} and step.status == "completed":
        return "waiting"
    return step.status


def _rows(steps: Sequence[Step], bars: Mapping[str, tuple[Bar, ...]]) -> list[Row]:
    """Tasks in the order in which they began, each below the one that spawned it."""
    tasks: dict[str, list[Step]] = {}
    for step in steps:
        tasks.setdefault(_task(step.id), []).append(step)
    if len(tasks) <= 1:
        return [row for found in tasks.values() for row in _steps(_in_order(found), bars, 0)]
    rows: list[Row] = []
    for path in sorted(tasks, key=_numbers):
        found, depth = _in_order(tasks[path]), path.count(".")
        if len(found) == 1:
            rows += _steps(found, bars, depth)
            continue
        drawn = tuple(_merged([bar for step in found for bar in bars[step.id]]))
        label = f"task {path.partition('.')[2]}" if depth else "main task"
        rows.append(Row(label, f"{len(found)} steps", depth, drawn, is_lane=True))
        rows += _steps(found, bars, depth + 1)
    return rows


def _task(step_id: str) -> str:
    return step_id.rpartition("/")[0]


def _numbers(path: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in _DIGITS.findall(path[:400]))


def _in_order(steps: Iterable[Step]) -> list[Step]:
    return sorted(steps, key=lambda step: _numbers(step.id))


def _steps(steps: Sequence[Step], bars: Mapping[str, tuple[Bar, ...]], depth: int) -> Iterable[Row]:
    for name, group in itertools.groupby(steps, key=lambda step: _DIGITS.sub("#", step.name)):
        same = list(group)
        inner = len(same) >= _RUN
        single = tuple(
            Row(step.name, step.id, depth + inner, bars[step.id], step_id=step.id) for step in same
        )
        if not inner:
            yield from single
            continue
        merged = tuple(_merged([bar for row in single for bar in row.bars]))
        yield Row(name.replace("#", "…"), f"{len(same)} steps", depth, merged, rows=single)


def _merged(bars: list[Bar]) -> list[Bar]:
    """Bars of one line, so few that a page can draw them: neighbours of one kind are joined."""
    if len(bars) <= _MOST_LANE_BARS:
        return bars
    found: dict[tuple[str, int], Bar] = {}
    for bar in sorted(bars, key=lambda bar: bar.left):
        place = (bar.kind, int(bar.left * _MOST_LANE_BARS))
        first = found.get(place)
        joined = first._replace(right=max(first.right, bar.right)) if first else bar
        found[place] = joined._replace(label=f"{bar.kind} steps") if first else bar
    return list(found.values())


def _blocks(rows: Sequence[Row]) -> Iterable[Block]:
    """Rows in chunks; a row of several steps is one of its own, since it folds those away."""
    is_long = sum(1 for row in rows if not row.rows) > _OPEN_ROWS
    count = 0
    for is_run, group in itertools.groupby(rows, key=lambda row: bool(row.rows)):
        if is_run:
            yield from (Block((row,)) for row in group)
            continue
        found = list(group)
        for start in range(0, len(found), _CHUNK):
            chunk = tuple(found[start : start + _CHUNK])
            yield Block(chunk, is_folded=is_long and count >= _CHUNK)
            count += len(chunk)


def _ticks(start: int, end: int, spans: Sequence[Span], scale: Scale) -> Iterable[Tick]:
    """Marks at round times since the begin, where time is drawn as it went."""
    idle = [span for span in spans if span.kind != "running"]
    shown = end - start if scale.is_true else sum(s.end - s.start for s in spans if s not in idle)
    step = next((one for one in _STEPS if shown / one <= _MOST_TICKS), _STEPS[-1])
    last = -1.0
    places = range(0, end - start + 1, step) if scale.is_true else _working(start, spans, step)
    for since in places:
        left = scale.at(start + since)
        if left - last >= 0.5 / _MOST_TICKS:
            yield Tick(left, _label(since))
            last = left


def _working(start: int, spans: Sequence[Span], step: int) -> Iterable[int]:
    """Round times within what ran; where it began, for one too short to hold any."""
    for span in spans:
        if span.kind == "running":
            first = -(-(span.start - start) // step) * step
            yield from range(first, span.end - start + 1, step) or (span.start - start,)


def _label(since: int) -> str:
    if since == 0:
        return "0"
    if since < _SECOND:
        return f"{since / 1000:g}ms"
    if since < 60 * _SECOND:
        return f"{since / _SECOND:g}s"
    return duration(since)
