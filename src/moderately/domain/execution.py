"""An execution and what belongs to it. Times are microseconds since the epoch, UTC."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from moderately.protocol.vocabulary import Status

__all__ = ["Claim", "Event", "Execution", "Failure", "NewEvent", "NewExecution", "Step"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an execution failed.

    Attributes:
        code: `agent_error`, `invalid_input`, `invalid_output`, `timeout` or `step_limit`.
        message: One sentence for a person.
        type: The name of the exception's class, where there was one.
        details: One entry per wrong field, where fields were wrong.
    """

    code: str
    message: str
    type: str | None = None
    details: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The failure as it goes to the wire and to the store."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.type is not None:
            found["type"] = self.type
        if self.details:
            found["details"] = list(self.details)
        return found


@dataclass(frozen=True, slots=True)
class NewExecution:
    """What a caller asks for.

    Attributes:
        agent_id: Which agent to run.
        input_data: Its input.
        metadata: The caller's own labels.
        priority: Higher goes first.
        timeout_seconds: How long it may run; the agent's own timeout when None.
        max_steps: How many steps it may take; no limit when None.
    """

    agent_id: str
    input_data: dict[str, Any] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    priority: int = 0
    timeout_seconds: float | None = None
    max_steps: int | None = None


class Execution(NamedTuple):
    """One run of an agent on one input, as the store holds it.

    A named tuple, since one is made for each read and each change of status: it costs a fifth of a
    frozen dataclass.

    Attributes:
        fence: The token of the newest claim; 0 before the first. Every write of a run must match.
        event_seq: The sequence number of the newest event.
        (the others are described by the wire)
    """

    id: str
    team_id: str
    agent_id: str
    agent_version: str
    status: Status
    created_at: int
    updated_at: int
    metadata: dict[str, str]
    input_data: dict[str, Any] | None = None
    output_data: Any = None
    error: dict[str, Any] | None = None
    status_reason: str | None = None
    blocked_on: dict[str, Any] | None = None
    current_step: dict[str, str] | None = None
    step_count: int = 0
    attempt: int = 0
    priority: int = 0
    timeout_seconds: float | None = None
    max_steps: int | None = None
    parent_id: str | None = None
    fence: int = 0
    event_seq: int = 0
    started_at: int | None = None
    paused_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    cancelled_at: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run an execution, until somebody else claims it.

    Attributes:
        execution: The execution as it was claimed.
        fence: The token that every write of this run carries.
        timeout: How long the run may take, in seconds; None for ever.
    """

    execution: Execution
    fence: int
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A recorded step of an execution.

    Attributes:
        id: The step's path: the tasks down to it in spawn order, then its number (`0.2/3`).
        name: What the agent calls it.
        status: `completed` or `failed`.
        result: What it returned, as JSON.
        error: `{"type", "message"}` and the agent's own `traceback`, for its team only.
        attempt: The attempt of the execution in which it ran.
        started_at: When it began.
        ended_at: When it ended.
    """

    id: str
    name: str
    status: str
    result: Any
    error: dict[str, Any] | None
    attempt: int
    started_at: int
    ended_at: int


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened, before the store has numbered it."""

    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an execution; `seq` counts from 1 without a gap."""

    execution_id: str
    seq: int
    type: str
    data: dict[str, Any]
    created_at: int
