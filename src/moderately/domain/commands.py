"""The commands: what may happen to an execution. `lifecycle.decide` says what comes of it.

A command with a `fence` comes from a run, and carries the token of its claim.
"""

from dataclasses import dataclass
from typing import Any

from moderately.domain.execution import Failure, NewEvent, Step

__all__ = [
    "Cancel",
    "Command",
    "Complete",
    "Enter",
    "Expire",
    "Fail",
    "Move",
    "Note",
    "Park",
    "Pause",
    "Record",
    "Release",
    "RetryLater",
    "Settle",
    "Spawn",
    "Start",
    "Wait",
    "Wake",
]


@dataclass(frozen=True, slots=True)
class Start:
    """A worker takes a pending execution; the fence goes up by one.

    Attributes:
        worker_id: Which worker.
        agent_version: The version that an execution gets which has not begun; as it is when None.
    """

    worker_id: str | None = None
    agent_version: str | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """The run ended with a result."""

    fence: int
    output: Any


@dataclass(frozen=True, slots=True)
class Fail:
    """The run ended with an error."""

    fence: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The run ended with an error that is worth another attempt, at `run_at`."""

    fence: int
    failure: Failure
    run_at: int


@dataclass(frozen=True, slots=True)
class Release:
    """The run is given up; another one goes on. `reason` is one sentence."""

    fence: int
    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """All that the run does is wait for times and children: it ends, until one of them comes.

    Attributes:
        fence: The run's.
        run_at: When the first of the times comes; `FOREVER` if there is none.
        blocked_on: What it waits for, to show.
        waits: The ids of the steps that wait. If one of them has been settled by now, the
            execution goes on at once.
    """

    fence: int
    run_at: int
    blocked_on: dict[str, Any]
    waits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """As `Park`, but it waits for a person. `reason` is a word, as `waiting_for_input`."""

    fence: int
    run_at: int
    blocked_on: dict[str, Any]
    waits: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Wake:
    """A time has come."""


@dataclass(frozen=True, slots=True)
class Expire:
    """Its time is up while no run holds it."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Move:
    """From now on it runs under another version of its agent."""

    agent_version: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody wants no more of it. Needs no fence: a cancel is final whoever runs it."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    """A step of the run has begun."""

    fence: int
    step: Step


@dataclass(frozen=True, slots=True)
class Record:
    """A step of the run has its outcome."""

    fence: int
    step: Step


@dataclass(frozen=True, slots=True)
class Wait:
    """The run begins to wait; the step says for what."""

    fence: int
    step: Step


@dataclass(frozen=True, slots=True)
class Spawn:
    """The run creates a child, and begins to wait for it."""

    fence: int
    step: Step


@dataclass(frozen=True, slots=True)
class Settle:
    """Something that the execution waits for has come: an answer, or a child's end."""

    step: Step


@dataclass(frozen=True, slots=True)
class Note:
    """Events of the run."""

    fence: int
    events: tuple[NewEvent, ...]


Command = (
    Start
    | Complete
    | Fail
    | RetryLater
    | Release
    | Park
    | Pause
    | Wake
    | Expire
    | Move
    | Cancel
    | Enter
    | Record
    | Wait
    | Spawn
    | Settle
    | Note
)
