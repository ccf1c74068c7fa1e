"""Agents and their immutable versions."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Agent", "AgentVersion"]


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """An immutable version of an agent.

    Attributes:
        agent_id: The agent; for one defined in code, its name.
        version: The version's name, `1` by default.
        description: What the agent is for.
        input_schema: JSON Schema (draft 2020-12) of the input.
        output_schema: JSON Schema of the output.
        timeout_seconds: How long a run may take by default.
        max_concurrency: How many of the agent's executions run at once at most.
        max_concurrency_per_key: How many of those with the same concurrency key.
        rate: How often its executions may start, as `10/m`.
        retry: The retry policy, as JSON.
        fingerprint: A digest of the source, for information only.
        created_at: When it was first seen, in microseconds.
    """

    agent_id: str
    version: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    timeout_seconds: float | None = None
    max_concurrency: int | None = None
    max_concurrency_per_key: int | None = None
    rate: str | None = None
    retry: dict[str, Any] | None = None
    fingerprint: str = ""
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent with its newest version.

    Attributes:
        id: Its id; for one defined in code, its name.
        newest: The version that new executions get.
        is_available: Whether a running worker serves it.
        created_at: When it was first seen, in microseconds.
        updated_at: When its newest version was first seen.
    """

    id: str
    newest: AgentVersion
    is_available: bool
    created_at: int
    updated_at: int
