"""What the page of an execution shows, made of the execution, its journal and its events. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from moderately.domain.execution import Event, Execution, Step
from moderately.domain.waits import PEOPLE, waits_for
from moderately.http.wire import event_object
from moderately.web.conversation import Usage
from moderately.web.forms import Form, blank_form, filled_form
from moderately.web.render import TextMode, render_value
from moderately.web.schemas import schema_like

__all__ = [
    "STEPS_A_PAGE",
    "Ask",
    "LogLine",
    "StepRow",
    "ask_form",
    "asks_of",
    "log_lines",
    "raw_url",
    "step_rows",
    "under_way",
]

STEPS_A_PAGE: Final = 200
"""How many steps the table shows at once."""

_STEP_CHARACTERS: Final = 4_000
_LOG_CHARACTERS: Final = 300


class StepRow(NamedTuple):
    """A row of the table of steps.

    Attributes:
        number: Its place, from 1.
        step: The step.
        duration: How long it took, in microseconds; None while it does.
        usage: What its requests to models took.
        result: What it returned, readable; None where it has none, or nothing to see.
        traceback: The agent's own traceback, where it failed with one.
        raw: Where its result is as JSON.
    """

    number: int
    step: Step
    duration: int | None
    usage: Usage
    result: Markup | None
    traceback: str
    raw: str


class LogLine(NamedTuple):
    """A line of the log of events: its number, type, time, and data in short."""

    seq: int
    type: str
    created_at: int
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that a person is asked.

    Attributes:
        wait: The step that waits for the answer.
        kind: `input`, `approval` or `effect_in_doubt`.
        message: What to read before one answers.
        form: The form of the answer's value: the input, or an approval's arguments.
        schema: The schema that the form was made of.
        error: What was wrong with the last answer.
    """

    wait: Step
    kind: str
    message: str
    form: Form
    schema: Any
    error: str = ""


def raw_url(execution_id: str, step_id: str | None = None, *, events: bool = False) -> str:
    """Where an execution, one of its steps, or its newest events are as JSON."""
    path = f"/ui/executions/{quote(execution_id, safe='')}/raw"
    if events:
        return f"{path}?events=1"
    return path if step_id is None else f"{path}?step={quote(step_id, safe='')}"


def under_way(execution: Execution, steps: Sequence[Step]) -> list[Step]:
    """The steps that run just now and are not in the journal: only an unsafe one is before it ends.

    Args:
        execution: The execution.
        steps: Its journal.
    """
    known = {step.id for step in steps}
    return [
        Step(
            step_id,
            "step",
            one["name"],
            "started",
            effects=one["effects"],
            attempt=execution.attempt,
            started_at=one["started_at"],
        )
        for step_id, one in (execution.in_flight or {}).items()
        if step_id not in known and "started_at" in one
    ]


def step_rows(
    execution: Execution,
    steps: Sequence[Step],
    usage: Mapping[str, Usage],
    page: int,
    mode: TextMode,
) -> list[StepRow]:
    """A page of the table of steps."""
    first = (page - 1) * STEPS_A_PAGE
    shown = steps[first : first + STEPS_A_PAGE]
    return [
        _step_row(number, execution, step, usage, mode)
        for number, step in enumerate(shown, first + 1)
    ]


def _step_row(
    number: int, execution: Execution, step: Step, usage: Mapping[str, Usage], mode: TextMode
) -> StepRow:
    raw = raw_url(execution.id, step.id)
    has_result = step.status == "completed" and step.result is not None
    return StepRow(
        number=number,
        step=step,
        duration=None if step.ended_at is None else step.ended_at - step.started_at,
        usage=usage.get(step.id, Usage()),
        result=render_value(step.result, raw_url=raw, mode=mode, characters=_STEP_CHARACTERS)
        if has_result
        else None,
        traceback=str((step.error or {}).get("traceback") or ""),
        raw=raw,
    )


def log_lines(events: Sequence[Event]) -> list[LogLine]:
    """Events, each in one line."""
    return [LogLine(one.seq, one.type, one.created_at, _in_short(one)) for one in events]


def _in_short(event: Event) -> str:
    data = event_object(event)["data"]
    if event.type == "log":
        fields = data.get("fields")
        more = f" {json.dumps(fields, ensure_ascii=False)}" if fields else ""
        text = f"{data.get('level', 'info')}: {data.get('message', '')}{more}"
    elif event.type == "progress":
        fraction = data.get("fraction")
        share = f"{fraction:.0%} " if isinstance(fraction, int | float) else ""
        text = f"{share}{data.get('message') or ''}"
    else:
        text = json.dumps(data, ensure_ascii=False) if data else ""
    return text if len(text) <= _LOG_CHARACTERS else text[:_LOG_CHARACTERS] + "…"


def asks_of(steps: Sequence[Step], raw: str | None = None) -> list[Ask]:
    """What an execution asks of a person.

    Args:
        steps: Its journal.
        raw: The id of the wait whose answer is to be given as JSON.
    """
    waits = [step for step in steps if step.status == "waiting" and waits_for(step) in PEOPLE]
    return [_ask(wait, is_raw=wait.id == raw) for wait in waits]


def _ask(wait: Step, *, is_raw: bool) -> Ask:
    kind, schema = ask_form(wait)
    facts = wait.wait or {}
    if kind == "input":
        form = blank_form(schema, is_raw=is_raw)
    else:
        form = filled_form(schema, facts.get("arguments") or {}, is_raw=is_raw)
    return Ask(wait, kind, str(facts.get("message") or ""), form, schema)


def ask_form(wait: Step) -> tuple[str, Any]:
    """What kind of answer a wait takes, and the schema of the answer's value."""
    kind, facts = waits_for(wait), wait.wait or {}
    if kind == "approval":
        return kind, schema_like(facts.get("arguments") or {})
    return kind, facts.get("schema") if kind == "input" else None
