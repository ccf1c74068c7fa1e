"""The geometry of a timeline."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.domain.execution import Event, Execution, Step
from moderately.protocol.vocabulary import Status
from moderately.web.spans import Scale, Span, spans_of
from moderately.web.timeline import Timeline, timeline
from moderately.web.views import under_way

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def at(seconds: float) -> int:
    return START + int(seconds * SECOND)


def execution(ended: float | None = 10, **changes: Any) -> Execution:
    return Execution(
        id="exec_1",
        team_id="t",
        agent_id="a",
        agent_version="1",
        status=Status.RUNNING if ended is None else Status.COMPLETED,
        created_at=START,
        updated_at=START,
        metadata={},
        completed_at=None if ended is None else at(ended),
        **changes,
    )


def event(kind: str, seconds: float, **data: Any) -> Event:
    return Event("exec_1", 1, kind, data, at(seconds))


def step(step_id: str, name: str, begin: float, end: float | None, **facts: Any) -> Step:
    status = facts.pop("status", "completed" if end is not None else "waiting")
    return Step(
        step_id,
        facts.pop("kind", "step"),
        name,
        status,
        position=1,
        started_at=at(begin),
        ended_at=None if end is None else at(end),
        **facts,
    )


def rows(found: Timeline) -> list[tuple[str, int]]:
    return [(row.label, row.depth) for block in found.blocks for row in block.rows]


STARTED = [event("execution.created", 0), event("execution.started", 0, attempt=1, worker_id="w")]


def test_bars_lie_where_their_times_are() -> None:
    found = timeline(execution(), [step("0/1", "a", 1, 3), step("0/2", "b", 3, 10)], STARTED, 0)
    [first, second] = found.blocks[0].rows
    assert [(bar.left, bar.right) for bar in first.bars] == [(0.1, pytest.approx(0.3))]
    assert [(bar.left, bar.right) for bar in second.bars] == [(pytest.approx(0.3), 1.0)]
    assert [tick.label for tick in found.ticks] == ["0", "2s", "4s", "6s", "8s", "10s"]
    assert found.is_true


def test_tries_of_a_step_and_the_delays_between_them_are_bars() -> None:
    events = [
        *STARTED,
        event("step.retried", 2, id="0/1", tries=1, delay_seconds=1),
        event("step.retried", 5, id="0/1", tries=2, delay_seconds=2),
    ]
    found = timeline(execution(), [step("0/1", "a", 0, 10, tries=3)], events, 0)
    bars = found.blocks[0].rows[0].bars
    assert [(bar.kind, round(bar.left, 3), round(bar.right, 3)) for bar in bars] == [
        ("retried", 0.0, 0.2),
        ("delay", 0.2, 0.3),
        ("retried", 0.3, 0.5),
        ("delay", 0.5, 0.7),
        ("completed", 0.7, 1.0),
    ]
    assert bars[-1].label == "completed, try 3: 3.0s"


def test_tasks_are_lanes_below_the_task_that_spawned_them() -> None:
    steps = [
        step("0.2/1", "right", 1, 3),
        step("0.2/2", "and on", 3, 4),
        step("0/1", "first", 0, 1),
        step("0.10/1", "last", 3, 4),
        step("0.2.1/1", "inner", 2, 3),
        step("0/2", "then", 5, 6),
    ]
    assert rows(timeline(execution(), steps, STARTED, 0)) == [
        *[("main task", 0), ("first", 1), ("then", 1)],
        *[("task 2", 1), ("right", 2), ("and on", 2), ("inner", 2), ("last", 1)],
    ]


def test_steps_of_one_name_in_a_row_share_a_line() -> None:
    steps = [step(f"0/{n}", f"page {n}", n, n + 1) for n in range(1, 6)]
    found = timeline(execution(), [*steps, step("0/6", "end", 7, 8)], STARTED, 0)
    assert rows(found) == [("page …", 0), ("end", 0)]
    shared = found.blocks[0].rows[0]
    assert (shared.detail, len(shared.bars), len(shared.rows)) == ("5 steps", 5, 5)


def test_attempts_and_waits_between_them_are_bands() -> None:
    message = {"message": "It waits for an answer to 'number'."}
    events = [
        *STARTED,
        event("execution.paused", 2, reason="waiting_for_input", blocked_on=message),
        event("execution.resumed", 5),
        event("execution.started", 6, attempt=2, worker_id="v"),
    ]
    spans = spans_of(execution(), events, 0)
    assert [(s.kind, s.label, (s.end - s.start) / SECOND, s.attempt) for s in spans] == [
        ("running", "attempt 1", 2, 1),
        ("paused", "waits for an answer to 'number'", 3, 1),
        ("queued", "waits for a worker", 1, 1),
        ("running", "attempt 2", 4, 2),
    ]
    assert [span.worker_id for span in spans] == ["w", None, None, "v"]


def test_a_long_wait_leaves_room_for_the_work() -> None:
    week = 7 * 86400
    events = [
        *STARTED,
        event("execution.paused", 2, blocked_on={}),
        event("execution.started", week, attempt=2),
    ]
    found = timeline(execution(week + 2), [step("0/1", "a", 0, 2)], events, 0)
    assert not found.is_true
    assert found.blocks[0].rows[0].bars[0].right >= 0.4
    assert found.ticks[0].label == "0"
    assert any("7d" in tick.label for tick in found.ticks)


def test_what_has_not_ended_reaches_to_now() -> None:
    found = timeline(execution(None), [step("0/1", "a", 5, None)], STARTED, at(20))
    assert found.duration == 20 * SECOND
    assert found.blocks[0].rows[0].bars[0] == ("waiting", 0.25, 1.0, "waiting: 15.0s")


def test_two_thousand_steps_are_folded_and_quickly_laid_out() -> None:
    steps = [step(f"0/{n}", f"{'abc'[n % 3]}", n, n + 1) for n in range(1, 2001)]
    begun = time.perf_counter()
    found = timeline(execution(2002), steps, STARTED, 0)
    assert time.perf_counter() - begun < 1
    assert [block.is_folded for block in found.blocks] == [False] + [True] * 19
    assert sum(len(block.rows) for block in found.blocks) == 2000


def test_a_lane_of_many_steps_has_few_bars() -> None:
    steps = [step(f"0/{n}", "a", n / 100, n / 100 + 0.005) for n in range(1, 1001)]
    [row] = timeline(execution(), steps, STARTED, 0).blocks[0].rows
    assert len(row.bars) <= 401
    assert len(row.rows) == 1000


KINDS = ["queued", "running", "waiting", "paused", "retrying"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 10**12)), min_size=1))
def test_a_scale_keeps_order_and_fills_the_axis(parts: list[tuple[str, int]]) -> None:
    spans, start = [], START
    for kind, length in parts:
        spans.append(Span(kind, "", start, start + length))
        start += length
    scale = Scale(spans)
    times = sorted({START - 5, *(s.start for s in spans), *(s.end for s in spans), start + 5})
    places = [scale.at(one) for one in times]
    assert places == sorted(places)
    assert places[0] >= 0
    assert places[-1] <= 1 + 1e-9


def test_odd_journals_are_laid_out_too() -> None:
    odd = [step("0/1", "a", -100, -50, shared=True), step("", "b", 5, 4), step("x/y", "c", 0, 99)]
    found = timeline(execution(0), odd, [event("step.retried", 0, id=None)], 0)
    bars = [bar for block in found.blocks for row in block.rows for bar in row.bars]
    assert all(0 <= bar.left <= bar.right <= 1 for bar in bars)


def test_a_step_that_runs_has_a_bar_up_to_now() -> None:
    began = {"name": "second", "effects": "idempotent", "started_at": at(4)}
    running = execution(ended=None, in_flight={"0/2": began, "0/1": {**began, "name": "first"}})
    journal = [step("0/1", "first", 0, 4)]
    steps = [*journal, *under_way(running, journal)]
    found = timeline(running, steps, STARTED, at(8))
    assert rows(found) == [("first", 0), ("second", 0)]
    [bar] = found.blocks[0].rows[1].bars
    assert (bar.kind, bar.left, bar.right) == ("running", 0.5, 1.0)
