"""The judges of a chaos run see what they are there to see, and nothing else."""

from typing import Any

import pytest

from moderately.cli.histories import History, broken, most_at_once, over_rate
from moderately.cli.verdict import Fault, judge

START, END = "execution.started", "execution.completed"


def at(seconds: float) -> str:
    return f"2026-01-01T00:{int(seconds // 60):02d}:{seconds % 60:09.6f}Z"


def event(kind: str, seconds: float = 0.0, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data, "created_at": at(seconds)}


def step(attempt: int, **fields: Any) -> dict[str, Any]:
    found = {"id": "0/1", "kind": "step", "attempt": attempt, "position": 1, "wait": None}
    return found | fields


def history(*events: dict[str, Any], steps: tuple[dict[str, Any], ...] = ()) -> History:
    numbered = [{"seq": number, **found} for number, found in enumerate(events, 1)]
    return History({"is_terminal": True, "parent_id": None}, numbered, steps)


def ran(*spans: tuple[float, float]) -> History:
    events = [event("execution.created")]
    for attempt, (begun, ended) in enumerate(spans, 1):
        events += [event(START, begun, attempt=attempt), event("execution.parked", ended)]
    return history(*events)


CREATED = event("execution.created")
DONE = event("step.completed", id="0/1")
WHOLE = (CREATED, event(START, attempt=1), event("step.started", id="0/1"), DONE, event(END))


def test_a_whole_record_is_not_broken() -> None:
    assert broken(history(*WHOLE, steps=(step(1),))) == []
    waited = (CREATED, event(START, attempt=1), event("wait.started", id="0/1"))
    waited += (event("execution.parked"), DONE, event(START, attempt=2), event(END))
    assert broken(history(*waited, steps=(step(1, kind="sleep", wait={"wake_at": 1}),))) == []
    doubted = (CREATED, event(START, attempt=1), event("execution.released"))
    doubted += (event(START, attempt=2), event("execution.paused"))
    doubted += (event("step.dropped", id="0/1"), event("execution.resumed"))
    doubted += (event(START, attempt=3), DONE, event(END))
    assert broken(history(*doubted, steps=(step(3),))) == []


@pytest.mark.parametrize(
    ("events", "recorded_in", "seen"),
    [
        ((CREATED, event(START, attempt=1)), 1, "ends"),
        ((*WHOLE, event(END)), 1, "ends"),
        ((*WHOLE, event("log")), 1, "comes from a run that was over"),
        ((CREATED, event("log"), *WHOLE[1:]), 1, "comes from a run that was over"),
        ((CREATED, event(START, attempt=2), *WHOLE[2:]), 2, "attempt 2 in attempt 0"),
        ((*WHOLE[:2], event(START, attempt=2), *WHOLE[2:]), 2, "attempt 2 in attempt 1"),
        (WHOLE, 2, "attempt 2 did in attempt 1"),
        (
            (*WHOLE[:3], event("execution.released"), event(START, attempt=2), *WHOLE[3:]),
            1,
            "attempt 1 did in attempt 2",
        ),
    ],
)
def test_a_write_too_many_is_seen(
    events: tuple[dict[str, Any], ...], recorded_in: int, seen: str
) -> None:
    found = broken(history(*events, steps=(step(recorded_in),)))
    assert any(seen in one for one in found), found


def test_a_gap_is_seen() -> None:
    whole = history(*WHOLE, steps=(step(1),))
    assert broken(History(whole.execution, whole.events[1:], whole.steps))


def test_what_runs_at_once_is_counted_and_a_slot_can_be_given_on() -> None:
    assert most_at_once([ran((0, 1)), ran((1, 2)), ran((2, 3))]) == 1
    assert most_at_once([ran((0, 1.001)), ran((1, 2))]) == 2
    assert most_at_once([ran((0, 1), (5, 6)), ran((2, 3)), ran((5.5, 7))]) == 2


def test_a_rate_allows_a_burst_and_then_its_pace() -> None:
    paced = [0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.75, 60.0, 60.0, 60.0, 60.0]
    assert over_rate([ran((t, t)) for t in paced], 4, 1.0) == pytest.approx(0, abs=1e-6)
    hasty = [0.0] * 6 + [0.1]
    assert over_rate([ran((t, t)) for t in hasty], 4, 1.0) == pytest.approx(2.6, abs=1e-6)


def noted(*lines: tuple[str, int, float], effects: str = "idempotent") -> list[dict[str, Any]]:
    return [
        {"what": what, "pid": pid, "at": at, "execution": "e", "step": "0/1", "effects": effects}
        for what, pid, at in lines
    ]


def judged(lines: list[dict[str, Any]], faults: list[Fault] | None = None) -> Any:
    whole = {"e": history(*WHOLE, steps=(step(1),))}
    return judge(lines, ["e"], whole, kills=1, faults=faults)


def test_a_step_in_flight_may_run_again_once_for_each_fault_of_its_process() -> None:
    twice = noted(("begin", 1, 1.0), ("begin", 2, 3.0), ("recorded", 2, 4.0))
    assert judged(twice, [Fault("kill", 1, 2.0, 2.0)]).is_clean
    assert judged(twice, [Fault("restart", 0, 2.0, 2.0)]).is_clean
    for fault in (Fault("kill", 2, 2, 2), Fault("kill", 1, 5, 5), Fault("cut", 1, 0.1, 0.9)):
        assert judged(twice, [fault]).repeated_in_process == ["e:0/1"]
    thrice = noted(("begin", 1, 1.0), ("begin", 1, 3.0), ("begin", 1, 4.0))
    assert judged(thrice, [Fault("cut", 1, 0.0, 9.0)]).repeated_in_process == ["e:0/1"]
    assert judged(thrice, [Fault("cut", 1, 0.0, 9.0), Fault("kill", 1, 3.5, 3.6)]).is_clean


def test_a_recorded_step_must_not_begin_again_in_the_order_of_time() -> None:
    faults = [Fault("freeze", 1, 0.0, 9.0)]
    late = noted(("begin", 2, 2.0), ("recorded", 2, 3.0), ("begin", 1, 4.0))
    assert judged(late, faults).repeated == ["e:0/1"]
    # It had been begun before, and was written down late.
    assert judged([*late[:2], *noted(("begin", 1, 1.0))], faults).repeated == []


def test_an_unsafe_step_needs_a_word_for_each_repetition() -> None:
    faults = [Fault("kill", 1, 1.5, 1.6), Fault("kill", 1, 3.5, 3.6)]
    asked = [("begin", 1, 1.0), ("word", 0, 2.0), ("begin", 1, 3.0), ("begin", 1, 4.0)]
    assert judged(noted(*asked[:3], effects="unsafe"), faults).is_clean
    assert judged(noted(*asked, effects="unsafe"), faults).repeated_unsafe == ["e:0/1"]


def test_a_step_that_was_on_record_and_is_not_any_more_is_seen() -> None:
    lines = noted(("begin", 1, 1.0), ("recorded", 1, 2.0))
    assert judged(lines).is_clean
    assert judged([{**line, "step": "0/2"} for line in lines]).forgotten == ["e:0/2"]


def test_what_is_lost_stuck_or_too_much_is_seen() -> None:
    whole = history(*WHOLE, steps=(step(1),))
    stuck = History({"is_terminal": False, "parent_id": None}, (), ())
    verdict = judge([], ["a", "b"], {"a": whole, "c": stuck}, kills=0)
    assert (verdict.lost, verdict.stuck, verdict.duplicated) == (["b"], ["c"], 0)
    assert judge([], ["a"], {"a": whole, "c": whole}, kills=0).duplicated == 1
