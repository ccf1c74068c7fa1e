"""States in words, and records in numbers."""

from typing import Any

import pytest

from moderately.domain.execution import Execution, Step
from moderately.domain.reports import Run
from moderately.protocol.vocabulary import Status
from moderately.web.agents import record_of
from moderately.web.forms import filled_form, read_form
from moderately.web.schemas import schema_like
from moderately.web.views import asks_of
from moderately.web.words import why

SECOND = 1_000_000


def execution(status: Status, **facts: Any) -> Execution:
    return Execution(
        id="exec_1",
        team_id="t",
        agent_id="a",
        agent_version="1",
        status=status,
        created_at=0,
        updated_at=0,
        metadata={},
        **facts,
    )


@pytest.mark.parametrize(
    ("status", "facts", "expected"),
    [
        (Status.COMPLETED, {}, ""),
        (Status.CANCELLED, {"status_reason": "enough"}, "enough"),
        (Status.FAILED, {"status_reason": "timeout"}, "its time was up"),
        (Status.PENDING, {"blocked_on": {"message": "It sleeps."}}, "it sleeps"),
        (Status.PAUSED, {"status_reason": "waiting_for_input"}, "it waits for an answer"),
        (Status.PENDING, {"status_reason": "The service stopped"}, "The service stopped"),
    ],
)
def test_a_state_is_told_in_words(status: Status, facts: dict[str, Any], expected: str) -> None:
    assert why(execution(status, **facts)) == expected


def run(status: Status, seconds: float | None = None, cost: float | None = None) -> Run:
    ended = None if seconds is None else int(seconds * SECOND)
    return Run("exec_1", status, 0, 0, ended, {} if cost is None else {"cost": cost})


def test_a_record_tells_success_durations_and_cost() -> None:
    found = record_of(
        [
            *(run(Status.COMPLETED, seconds) for seconds in range(1, 21)),
            *(run(Status.FAILED, 100, 0.5), run(Status.CANCELLED, 200, 0.25)),
            run(Status.RUNNING),
        ]
    )
    assert (found.count, found.ended, found.cost) == (23, 21, 0.75)
    assert (found.p50, found.p95) == (10 * SECOND, 19 * SECOND)
    assert found.success_rate == pytest.approx(20 / 21)


def test_a_record_of_nothing_tells_nothing() -> None:
    found = record_of([])
    assert (found.count, found.success_rate, found.p50, found.cost) == (0, None, None, None)


def test_only_what_a_person_can_answer_is_asked() -> None:
    steps = [
        Step("0/1", "sleep", "sleep", "waiting", wait={"wake_at": 5}),
        Step("0/2", "agent", "child", "waiting", wait={"execution_id": "exec_2"}),
        Step("0/3", "input", "number", "completed", position=1),
        Step("0/4", "input", "number", "waiting", wait={"schema": {"type": "integer"}}),
        Step("0/5", "approval", "pay", "waiting", wait={"message": "Now?", "arguments": {"n": 1}}),
        Step("0/6", "step", "charge", "waiting", wait={"in_doubt": True}),
        Step("0/7", "input", "any", "waiting", wait={}),
    ]
    asks = asks_of(steps, raw="0/4")
    assert [(ask.kind, ask.wait.id) for ask in asks] == [
        ("input", "0/4"),
        ("approval", "0/5"),
        ("effect_in_doubt", "0/6"),
        ("input", "0/7"),
    ]
    assert [ask.form.is_raw for ask in asks] == [True, False, True, True]
    assert asks[1].message == "Now?"


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": 1, "b": "x", "c": True, "d": 1.5, "e": ["x", "y"], "f": {"g": 1}},
        {"a": None, "b": [], "c": [1, "x"], "d": {"e": {"f": 1}}, "g": [[1]]},
    ],
)
def test_a_schema_like_a_value_makes_a_form_that_holds_it(value: Any) -> None:
    schema = schema_like(value)
    form = filled_form(schema, value)
    posted = {"mode": ["raw" if form.is_raw else "form"]}

    def visit(fields: Any) -> None:
        for field in fields:
            visit(field.fields)
            posted[field.name] = [field.text]

    visit(form.fields)
    assert read_form(schema, posted) == (value, [])
