"""Domain nouns as the wire's objects."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, cast

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.execution import FOREVER, Event, Execution, Step
from moderately.domain.listing import ExecutionList
from moderately.domain.log import LiveEvent
from moderately.protocol.wire import (
    AgentObject,
    AgentVersionObject,
    CurrentStep,
    ErrorObject,
    EventObject,
    EventPage,
    ExecutionObject,
    ExecutionPage,
    PageInfo,
    StepObject,
    TeamEventObject,
    TeamEventPage,
    Usage,
)
from moderately.service import EventList, TeamPage, Told

__all__ = [
    "agent_object",
    "event_object",
    "event_page",
    "execution_object",
    "execution_page",
    "live_object",
    "page_info",
    "step_object",
    "team_event_object",
    "team_event_page",
    "timestamp",
    "version_object",
]

_TIMES: Final = ("started_at", "run_at", "wake_at")
_OWN: Final = frozenset({"log", "custom", "message"})


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def timestamp(microseconds: int) -> str:
    """UTC, ISO 8601, with microseconds and `Z`.

    Example:
        >>> timestamp(1_700_000_000_000_001)
        '2023-11-14T22:13:20.000001Z'
    """
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest:06d}Z"


def _optional(microseconds: int | None) -> str | None:
    return None if microseconds is None else timestamp(microseconds)


def execution_object(execution: Execution) -> ExecutionObject:
    """An execution for the wire."""
    run_at = execution.run_at
    return {
        "id": execution.id,
        "agent_id": execution.agent_id,
        "agent_version": execution.agent_version,
        "status": execution.status.value,
        "is_terminal": execution.status.is_terminal,
        "status_reason": execution.status_reason,
        "blocked_on": execution.blocked_on,
        "input_data": execution.input_data,
        "output_data": execution.output_data,
        "error": cast("ErrorObject | None", execution.error),
        "metadata": dict(execution.metadata),
        "usage": cast("Usage", {"steps": execution.step_count, **(execution.usage or {})}),
        "current_step": _current_step(execution),
        "attempt": execution.attempt,
        "priority": execution.priority,
        "timeout_seconds": execution.timeout_seconds,
        "max_steps": execution.max_steps,
        "retry": execution.retry,
        "retries": execution.retries,
        "concurrency_key": execution.concurrency_key,
        "parent_id": execution.parent_id,
        "forked_from": execution.forked_from,
        "run_at": None if run_at is None or run_at == FOREVER else timestamp(run_at),
        "created_at": timestamp(execution.created_at),
        "updated_at": timestamp(execution.updated_at),
        "started_at": _optional(execution.started_at),
        "paused_at": _optional(execution.paused_at),
        "completed_at": _optional(execution.completed_at),
        "failed_at": _optional(execution.failed_at),
        "cancelled_at": _optional(execution.cancelled_at),
    }


def _current_step(execution: Execution) -> CurrentStep | None:
    if not execution.in_flight:
        return None
    step_id, step = next(reversed(execution.in_flight.items()))
    return {"id": step_id, "name": step["name"]}


def page_info(page: int, page_size: int, total: int) -> PageInfo:
    """Where a page stands among all of them."""
    pages = -(-total // page_size)
    return {
        "page": page,
        "page_size": page_size,
        "total_items": total,
        "total_pages": pages,
        "has_next_page": page < pages,
        "has_previous_page": page > 1,
    }


def execution_page(found: ExecutionList, page: int, page_size: int) -> ExecutionPage:
    """A page of executions for the wire."""
    return {
        "items": [execution_object(execution) for execution in found.items],
        "pagination": page_info(page, page_size, found.total),
        "next_cursor": found.next_cursor,
    }


def step_object(step: Step) -> StepObject:
    """A step for the wire."""
    ended = step.ended_at
    return {
        "id": step.id,
        "kind": step.kind,
        "name": step.name,
        "status": step.status,
        "position": step.position or None,
        "fingerprint": step.fingerprint,
        "effects": step.effects,
        "result": step.result,
        "error": step.error,
        "attempt": step.attempt,
        "tries": step.tries,
        "wait": None if step.wait is None else _with_times(step.wait),
        "started_at": timestamp(step.started_at),
        "ended_at": _optional(step.ended_at),
        "duration_ms": None if ended is None else (ended - step.started_at) / 1000,
    }


def _with_times(data: dict[str, Any]) -> dict[str, Any]:
    """The same, its times as text."""
    times = {name: timestamp(data[name]) for name in _TIMES if isinstance(data.get(name), int)}
    return {**data, **times} if times else data


def event_object(event: Event) -> EventObject:
    """An event for the wire."""
    # What an agent's own code has put into an event is left as it is.
    data = event.data if event.type in _OWN else _with_times(event.data)
    return {
        "execution_id": event.execution_id,
        "seq": event.seq,
        "type": event.type,
        "data": data,
        "created_at": timestamp(event.created_at),
    }


def live_object(event: LiveEvent, after: int) -> EventObject:
    """A live-only event for the wire, with the number of the newest recorded one before it."""
    return {
        "execution_id": event.execution_id,
        "seq": None,
        "after": after,
        "is_live": True,
        "type": event.type,
        "data": event.data,
        "created_at": timestamp(event.created_at),
    }


def team_event_object(told: Told) -> TeamEventObject:
    """An event on the team's stream."""
    event, touch = told.event, told.touch
    if not isinstance(event, Event) or touch is None:
        raise TypeError("the team's stream has recorded events only, each of a commit")
    return {**event_object(event), "agent_id": touch.agent_id, "status": touch.status.value}


def team_event_page(page: TeamPage) -> TeamEventPage:
    """Events of the team for the wire."""
    return {
        "items": [team_event_object(told) for told in page.told],
        "next_after": page.place.encode(),
    }


def event_page(found: EventList, after: int) -> EventPage:
    """Events for the wire."""
    items = [event_object(event) for event in found.items]
    return {
        "items": items,
        "next_after": found.items[-1].seq if items else after,
        "is_terminal": found.is_terminal,
    }


def version_object(version: AgentVersion) -> AgentVersionObject:
    """A version of an agent for the wire."""
    return {
        "agent_id": version.agent_id,
        "version": version.version,
        "description": version.description,
        "input_schema": version.input_schema,
        "output_schema": version.output_schema,
        "timeout_seconds": version.timeout_seconds,
        "max_concurrency": version.max_concurrency,
        "fingerprint": version.fingerprint,
        "created_at": timestamp(version.created_at),
    }


def agent_object(agent: Agent) -> AgentObject:
    """An agent for the wire."""
    newest: dict[str, Any] = dict(version_object(agent.newest))
    for name in ("agent_id", "fingerprint", "created_at"):
        del newest[name]
    return cast(
        "AgentObject",
        {
            "id": agent.id,
            "name": agent.id,
            "source": "code",
            **newest,
            "is_available": agent.is_available,
            "created_at": timestamp(agent.created_at),
            "updated_at": timestamp(agent.updated_at),
        },
    )
