"""Rows to nouns and back. Payloads are JSON text."""

import json
from collections.abc import Sequence
from typing import Any, Final

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.execution import Event, Execution, Step
from moderately.domain.keys import Key
from moderately.protocol.vocabulary import Status

__all__ = [
    "EXECUTION_COLUMNS",
    "read_agent",
    "read_event",
    "read_execution",
    "read_key",
    "read_step",
    "read_version",
    "to_json",
    "write_execution",
    "write_version",
]

Row = Sequence[Any]

EXECUTION_COLUMNS: Final = (
    "id, team_id, agent_id, agent_version, status, created_at, updated_at, metadata, input_data, "
    "output_data, error, status_reason, current_step, step_count, attempt, priority, "
    "timeout_seconds, max_steps, parent_id, fence, event_seq, started_at, paused_at, "
    "completed_at, failed_at, cancelled_at"
)

_encode: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_STATUSES: Final = {status.value: status for status in Status}


def to_json(value: Any) -> str:
    """JSON text. Every character beyond ASCII is escaped, so that every JSON string is kept."""
    return _encode(value)


def _optional(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def read_execution(row: Row) -> Execution:
    """An execution from a row of `EXECUTION_COLUMNS`."""
    metadata = row[7]
    return Execution(
        row[0],
        row[1],
        row[2],
        row[3],
        _STATUSES[row[4]],
        row[5],
        row[6],
        {} if metadata == "{}" else json.loads(metadata),
        _optional(row[8]),
        _optional(row[9]),
        _optional(row[10]),
        row[11],
        None,
        _optional(row[12]),
        *row[13:],
    )


def write_execution(execution: Execution) -> tuple[Any, ...]:
    """The parameters of `insert_execution`."""
    inputs = execution.input_data
    return (
        execution.id,
        execution.team_id,
        execution.agent_id,
        execution.agent_version,
        execution.status.value,
        execution.created_at,
        execution.updated_at,
        None if inputs is None else to_json(inputs),
        to_json(execution.metadata),
        execution.priority,
        execution.timeout_seconds,
        execution.max_steps,
        execution.parent_id,
        execution.attempt,
        execution.fence,
        execution.event_seq,
        execution.started_at,
    )


def read_event(row: Row) -> Event:
    """An event from a row of `list_events`."""
    return Event(row[0], row[1], row[2], json.loads(row[3]), row[4])


def read_step(row: Row) -> Step:
    """A step from a row of `list_steps`."""
    return Step(row[0], row[1], row[2], _optional(row[3]), _optional(row[4]), *row[5:])


def read_version(row: Row) -> AgentVersion:
    """A version of an agent from a row of `list_agent_versions`."""
    return AgentVersion(row[0], row[1], row[2], json.loads(row[3]), json.loads(row[4]), *row[5:])


def write_version(version: AgentVersion, now: int) -> tuple[Any, ...]:
    """The parameters of `upsert_agent_version`."""
    return (
        version.agent_id,
        version.version,
        version.description,
        to_json(version.input_schema),
        to_json(version.output_schema),
        version.timeout_seconds,
        version.max_concurrency,
        version.fingerprint,
        now,
    )


def read_agent(row: Row) -> Agent:
    """An agent from a row of `list_agents`. Whether it is available, the engine knows."""
    return Agent(row[2], read_version(row[2:]), False, row[0], row[1])


def read_key(row: Row) -> Key:
    """A key from a row of `list_keys`."""
    return Key(*row)
