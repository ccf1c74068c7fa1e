"""An execution and what belongs to it. Times are microseconds since the epoch, UTC."""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from moderately.domain.retry import Retry
from moderately.protocol.vocabulary import Status

__all__ = [
    "FOREVER",
    "Claim",
    "Event",
    "Execution",
    "Failure",
    "NewEvent",
    "NewExecution",
    "NewFork",
    "Step",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an execution failed.

    Attributes:
        code: `agent_error`, `invalid_input`, `invalid_output`, `timeout`, `step_limit` or
            `journal_mismatch`.
        message: One sentence for a person.
        type: The name of the exception's class, where there was one.
        details: One entry per wrong field, where fields were wrong.
        step: The id of the step whose failure it is, where it is one's.
    """

    code: str
    message: str
    type: str | None = None
    details: tuple[dict[str, Any], ...] = ()
    step: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The failure as it goes to the wire and to the store."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.type is not None:
            found["type"] = self.type
        if self.details:
            found["details"] = list(self.details)
        if self.step is not None:
            found["step"] = self.step
        return found


@dataclass(frozen=True, slots=True)
class NewExecution:
    """What a caller asks for.

    Attributes:
        agent_id: Which agent to run.
        input_data: Its input.
        metadata: The caller's own labels.
        priority: Higher goes first.
        timeout_seconds: How long it may take; the agent's own timeout when None or shorter.
        max_steps: How many steps it may take; no limit when None.
        retry: When to try again; the agent's own policy when None.
        run_at: Not before this time, in microseconds; at once when None.
        concurrency_key: Executions of an agent with the same key share the agent's limit for it.
    """

    agent_id: str
    input_data: dict[str, Any] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    priority: int = 0
    timeout_seconds: float | None = None
    max_steps: int | None = None
    retry: Retry | None = None
    run_at: int | None = None
    concurrency_key: str | None = None


@dataclass(frozen=True, slots=True)
class NewFork:
    """What a caller asks of a fork.

    Attributes:
        from_step: The position of the first journal entry that is not shared, from 1; the one that
            failed when None.
        input_data: The new execution's input; the same when None.
        metadata: Its labels; the same when None.
    """

    from_step: int | None = None
    input_data: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None


class Execution(NamedTuple):
    """One run of an agent on one input, as the store holds it.

    A named tuple, since one is made for each read and each change of status: it costs a fifth of a
    frozen dataclass.

    Attributes:
        in_flight: The steps that have begun and are not on record, by id: `{"name", "effects",
            "started_at"}`.
        step_count: The position of the newest journal entry.
        retries: How many attempts have failed and were tried again.
        child_count: How many children it has created.
        retry: The retry policy as JSON.
        parent_step: The id of the parent's step that waits for it.
        forked_from: The execution that it was forked from.
        run_at: Not before this time; `FOREVER` while it waits for something else.
        deadline_at: When its time is up. Time spent paused is added.
        worker_id: The worker that runs it, or ran it last.
        fence: The token of the newest claim; 0 before the first. Every write of a run must match.
        event_seq: The sequence number of the newest event.
        usage: What its steps have used so far, as they told of it.
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
    in_flight: dict[str, dict[str, Any]] | None = None
    retry: dict[str, Any] | None = None
    step_count: int = 0
    attempt: int = 0
    retries: int = 0
    child_count: int = 0
    priority: int = 0
    timeout_seconds: float | None = None
    max_steps: int | None = None
    concurrency_key: str | None = None
    parent_id: str | None = None
    parent_step: str | None = None
    forked_from: str | None = None
    run_at: int | None = None
    deadline_at: int | None = None
    worker_id: str | None = None
    fence: int = 0
    event_seq: int = 0
    started_at: int | None = None
    paused_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    cancelled_at: int | None = None
    usage: dict[str, Any] | None = None


FOREVER: Final = 2**62
"""A `run_at` that never comes: something else ends the wait."""


class Claim(NamedTuple):
    """The right to run an execution, until somebody else claims it.

    Attributes:
        execution: The execution as it was claimed.
        fence: The token that every write of this run carries.
    """

    execution: Execution
    fence: int


class Step(NamedTuple):
    """An entry of an execution's journal.

    Attributes:
        id: Its path: the tasks down to it in spawn order, then its number (`0.2/3`).
        kind: `step`, `sleep`, `now`, `random`, `uuid`, `input`, `approval` or `agent`.
        name: What the agent calls it.
        status: `started` (an unsafe step before it acts), `waiting`, `completed` or `failed`.
        position: Its place in the order of recording, from 1; 0 until it is recorded.
        fingerprint: A digest of the arguments; empty where they have none.
        effects: `pure`, `idempotent` or `unsafe`.
        result: What it returned, as JSON.
        error: `{"type", "message"}` and the agent's own `traceback`, for its team only.
        attempt: The attempt of the execution in which it ran.
        tries: How often it was tried.
        started_at: When it began.
        ended_at: When it ended; None until it has.
        wait: What a wait waits for: `wake_at`, `schema`, `execution_id`, and what a person sees.
        shared: Whether it came with a fork.
    """

    id: str
    kind: str
    name: str
    status: str
    position: int = 0
    fingerprint: str = ""
    effects: str = "idempotent"
    result: Any = None
    error: dict[str, Any] | None = None
    attempt: int = 1
    tries: int = 1
    started_at: int = 0
    ended_at: int | None = None
    wait: dict[str, Any] | None = None
    shared: bool = False

    @property
    def is_recorded(self) -> bool:
        """Whether it has its outcome, which never changes."""
        return self.position > 0

    @property
    def wake_at(self) -> int | None:
        """When a wait ends by itself, in microseconds; None if never."""
        return (self.wait or {}).get("wake_at")


class NewEvent(NamedTuple):
    """Something that happened, before the store has numbered it.

    Attributes:
        type: What.
        data: Its particulars, as JSON.
        place: Where the agent's code emitted it, so that a replay does not emit it again.
    """

    type: str
    data: dict[str, Any]
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an execution; `seq` counts from 1 without a gap."""

    execution_id: str
    seq: int
    type: str
    data: dict[str, Any]
    created_at: int
