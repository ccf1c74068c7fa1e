"""Rows to nouns and back. Payloads are JSON text."""

import json
from collections.abc import Sequence
from typing import Any, Final

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.errors import Conflict
from moderately.domain.execution import Event, Execution, Step
from moderately.domain.keys import Key
from moderately.domain.log import Commit, Touch
from moderately.domain.workers import Worker
from moderately.protocol.vocabulary import Status
from moderately.store.unit import EventRow, Unit

__all__ = [
    "BLOB_LIMIT",
    "EXECUTION_COLUMNS",
    "STEPS",
    "changed_row",
    "check_schemas",
    "commit_row",
    "event_row",
    "execution_row",
    "read_agent",
    "read_commit",
    "read_event",
    "read_execution",
    "read_key",
    "read_step",
    "read_version",
    "read_worker",
    "step_row",
    "to_json",
    "write_version",
]

Row = Sequence[Any]

EXECUTION_COLUMNS: Final = ", ".join(Execution._fields)
STEPS: Final = (
    "s.id, s.kind, s.name, s.status, coalesce(s.position, 0), s.fingerprint, s.effects,"
    " coalesce(s.result, b.data), s.error, s.attempt, s.tries, s.started_at, s.ended_at, s.wait,"
    " s.shared FROM steps AS s"
    " LEFT JOIN blobs AS b ON b.execution_id = s.execution_id AND b.step_id = s.id"
)
BLOB_LIMIT: Final = 64 * 1024
"""The longest result that lies among the steps, in characters of JSON."""

_encode: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_STATUSES: Final = {status.value: status for status in Status}


def to_json(value: Any) -> str:
    """JSON text. Every character beyond ASCII is escaped, so that every JSON string is kept."""
    return _encode(value)


def _text(value: Any) -> str | None:
    return None if value is None else _encode(value)


def _optional(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def read_execution(row: Row) -> Execution:
    """An execution from a row of `EXECUTION_COLUMNS`."""
    metadata = row[7]
    return Execution._make(
        (
            *row[:4],
            _STATUSES[row[4]],
            row[5],
            row[6],
            {} if metadata == "{}" else json.loads(metadata),
            _optional(row[8]),
            _optional(row[9]),
            _optional(row[10]),
            row[11],
            _optional(row[12]),
            _optional(row[13]),
            _optional(row[14]),
            *row[15:-1],
            _optional(row[-1]),
        )
    )


def execution_row(one: Execution) -> Row:
    """The parameters of `insert_executions`."""
    return (
        one.id,
        one.team_id,
        one.agent_id,
        one.agent_version,
        one.status.value,
        one.created_at,
        one.updated_at,
        "{}" if not one.metadata else _encode(one.metadata),
        _text(one.input_data),
        _text(one.retry),
        one.step_count,
        one.attempt,
        one.priority,
        one.timeout_seconds,
        one.max_steps,
        one.concurrency_key,
        one.parent_id,
        one.parent_step,
        one.forked_from,
        one.run_at,
        one.deadline_at,
        one.worker_id,
        one.fence,
        one.event_seq,
        one.started_at,
        _text(one.usage),
    )


def changed_row(before: Execution, one: Execution) -> Row:
    """The parameters of `update_executions`."""
    is_completed = one.status is Status.COMPLETED
    return (
        one.id,
        before.status.value,
        before.fence,
        before.event_seq,
        one.agent_version,
        one.status.value,
        one.updated_at,
        _encode(one.output_data) if is_completed else None,
        _text(one.error),
        one.status_reason,
        _text(one.blocked_on),
        _text(one.in_flight),
        one.step_count,
        one.attempt,
        one.retries,
        one.child_count,
        one.run_at,
        one.deadline_at,
        one.worker_id,
        one.fence,
        one.event_seq,
        one.started_at,
        one.paused_at,
        one.completed_at,
        one.failed_at,
        one.cancelled_at,
        _text(one.usage),
    )


def event_row(row: EventRow) -> Row:
    """The parameters of `insert_events`."""
    event = row.event
    data = "{}" if not event.data else _encode(event.data)
    return (row.execution_id, row.seq, event.type, data, event.place, row.created_at)


def commit_row(unit: Unit) -> Row:
    """The parameters of `insert_commit`, for a unit that has events."""
    fresh = [
        (one.team_id, one.agent_id, one.id, 1, one.event_seq, one.status.value)
        for one in unit.inserted.values()
    ]
    changed = [
        (one.team_id, one.agent_id, one.id, before.event_seq + 1, one.event_seq, one.status.value)
        for before, one in unit.updated.values()
        if one.event_seq > before.event_seq
    ]
    return (unit.events[-1].created_at, _encode(fresh + changed))


def read_commit(row: Row) -> Commit:
    """A commit from a row of `list_commits`."""
    touches = tuple(
        Touch(team, agent, name, first, last, _STATUSES[status])
        for team, agent, name, first, last, status in json.loads(row[2])
    )
    return Commit(row[0], row[1], touches)


def read_event(row: Row) -> Event:
    """An event from a row of `list_events`."""
    return Event(row[0], row[1], row[2], json.loads(row[3]), row[4])


def read_step(row: Row) -> Step:
    """A journal entry from a row of `STEPS`."""
    result, error, wait = _optional(row[7]), _optional(row[8]), _optional(row[13])
    return Step._make((*row[:7], result, error, *row[9:13], wait, bool(row[14])))


def step_row(execution_id: str, step: Step) -> tuple[Row, str | None]:
    """The parameters of `write_steps`, and the result where it is too large for them."""
    result = _encode(step.result) if step.status == "completed" else None
    blob = result if result is not None and len(result) > BLOB_LIMIT else None
    row = (
        execution_id,
        step.id,
        step.kind,
        step.name,
        step.status,
        step.position or None,
        step.fingerprint,
        step.effects,
        None if blob is not None else result,
        _text(step.error),
        step.attempt,
        step.tries,
        step.started_at,
        step.ended_at,
        _text(step.wait),
        int(step.shared),
    )
    return row, blob


def read_version(row: Row) -> AgentVersion:
    """A version of an agent from a row of `list_agent_versions`."""
    schemas = json.loads(row[3]), json.loads(row[4])
    return AgentVersion(
        row[0],
        row[1],
        row[2],
        *schemas,
        row[5],
        row[6],
        **json.loads(row[7]),
        fingerprint=row[8],
        created_at=row[9],
    )


def write_version(version: AgentVersion, now: int) -> tuple[Any, ...]:
    """The parameters of `upsert_agent_version`."""
    limits = {
        "max_concurrency_per_key": version.max_concurrency_per_key,
        "rate": version.rate,
        "retry": version.retry,
    }
    return (
        version.agent_id,
        version.version,
        version.description,
        to_json(version.input_schema),
        to_json(version.output_schema),
        version.timeout_seconds,
        version.max_concurrency,
        to_json(limits),
        version.fingerprint,
        now,
    )


def check_schemas(known: AgentVersion | None, version: AgentVersion) -> None:
    """Refuse a version that is on record with other schemas.

    Raises:
        Conflict: If it is.
    """
    if known is None:
        return
    for name in ("input_schema", "output_schema"):
        if getattr(known, name) != getattr(version, name):
            raise Conflict(
                f"Agent {version.agent_id!r} has another {name} than its version"
                f" {version.version!r} on record. Versions never change: give it a new one, as in"
                f' @agent(version="…").'
            )


def read_agent(row: Row) -> Agent:
    """An agent from a row of `list_agents`. Whether it is available, the engine knows."""
    return Agent(row[2], read_version(row[2:]), False, row[0], row[1])


def read_worker(row: Row) -> Worker:
    """A worker from a row of `list_workers`."""
    serves = {agent_id: tuple(versions) for agent_id, versions in json.loads(row[3]).items()}
    return Worker(row[0], row[1], bool(row[2]), serves)


def read_key(row: Row) -> Key:
    """A key from a row of `list_keys`."""
    return Key(*row)
