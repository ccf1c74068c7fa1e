"""Paths and headers of the wire, each written once."""

from typing import Final
from urllib.parse import quote

__all__ = [
    "AGENTS",
    "EVENTS",
    "EVENTS_VERSION",
    "EXECUTIONS",
    "IDEMPOTENCY_KEY",
    "IDEMPOTENT_REPLAYED",
    "LAST_EVENT_ID",
    "PREFER",
    "PREFERENCE_APPLIED",
    "REQUEST_ID",
    "RETRY_AFTER",
    "agent",
    "agent_versions",
    "execution",
    "execution_cancel",
    "execution_events",
    "execution_fork",
    "execution_move",
    "execution_resume",
    "execution_steps",
]

AGENTS: Final = "/agents"
EVENTS: Final = "/events"
EXECUTIONS: Final = "/agent-executions"

EVENTS_VERSION: Final = "Events-Version"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
IDEMPOTENT_REPLAYED: Final = "Idempotent-Replayed"
LAST_EVENT_ID: Final = "Last-Event-ID"
PREFER: Final = "Prefer"
PREFERENCE_APPLIED: Final = "Preference-Applied"
REQUEST_ID: Final = "X-Request-Id"
RETRY_AFTER: Final = "Retry-After"


def _segment(identifier: str) -> str:
    # `quote` leaves dots alone, and a URL library resolves `.` and `..` as path steps.
    return "%2E" * len(identifier) if identifier in {".", ".."} else quote(identifier, safe="")


def agent(agent_id: str) -> str:
    """The path of one agent, its id percent-quoted."""
    return f"{AGENTS}/{_segment(agent_id)}"


def agent_versions(agent_id: str) -> str:
    """The path of an agent's versions."""
    return f"{agent(agent_id)}/versions"


def execution(execution_id: str) -> str:
    """The path of one execution, its id percent-quoted."""
    return f"{EXECUTIONS}/{_segment(execution_id)}"


def execution_cancel(execution_id: str) -> str:
    """The path that cancels an execution."""
    return f"{execution(execution_id)}/cancel"


def execution_resume(execution_id: str) -> str:
    """The path that answers what an execution asks of a person."""
    return f"{execution(execution_id)}/resume"


def execution_fork(execution_id: str) -> str:
    """The path that forks an execution."""
    return f"{execution(execution_id)}/fork"


def execution_move(execution_id: str) -> str:
    """The path that moves an execution to another version of its agent."""
    return f"{execution(execution_id)}/move"


def execution_steps(execution_id: str) -> str:
    """The path of an execution's recorded steps."""
    return f"{execution(execution_id)}/steps"


def execution_events(execution_id: str) -> str:
    """The path of an execution's events."""
    return f"{execution(execution_id)}/events"
