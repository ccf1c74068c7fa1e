"""What events tell: the type names and, for each, the shape of its `data`.

The version says what a reader may rely on: under one version no type and no field changes its
meaning or goes away; types and fields are only added. A reader passes over what it does not know.
"""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NotRequired

from moderately.protocol.wire import ErrorObject

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:
    # Only this one tells Pydantic which fields are required.
    from typing_extensions import TypedDict

__all__ = [
    "END_FRAME",
    "EVENTS_VERSION",
    "EVENT_DATA",
    "LIVE_FRAME",
    "LIVE_TYPES",
    "OPEN_FRAME",
    "CancelledData",
    "CreatedData",
    "CustomData",
    "EmptyData",
    "FailedData",
    "FailureSummary",
    "InFlightStep",
    "LogData",
    "MessageData",
    "MovedData",
    "ParkedData",
    "PausedData",
    "ProgressData",
    "ReleasedData",
    "RetriedData",
    "StartedData",
    "StepCompletedData",
    "StepDroppedData",
    "StepFailedData",
    "StepRetriedData",
    "StepStartedData",
    "TokenData",
    "ToolCall",
    "WaitStartedData",
]

EVENTS_VERSION: Final = 1
"""The version of everything in this file."""

LIVE_FRAME: Final = "live"
"""The name, on a stream, of an event that is live only: never stored, never repeated."""

END_FRAME: Final = "end"
"""The name of what ends an execution's stream."""

OPEN_FRAME: Final = "open"
"""The name of what begins the team's stream."""


class EmptyData(TypedDict):
    """`execution.completed` and `execution.resumed`: the type says it all."""


class CreatedData(TypedDict):
    """`execution.created`: it is on record."""

    agent_id: str
    agent_version: str
    parent_id: NotRequired[str]
    forked_from: NotRequired[str]


class StartedData(TypedDict):
    """`execution.started`: a worker has taken it up."""

    attempt: int
    worker_id: str


class ParkedData(TypedDict):
    """`execution.parked`: it waits, and holds no worker meanwhile."""

    blocked_on: dict[str, Any]


class PausedData(TypedDict):
    """`execution.paused`: it waits for a person, a budget or a version."""

    reason: str | None
    blocked_on: dict[str, Any] | None


class RetriedData(TypedDict):
    """`execution.retried`: an attempt failed, and another follows at `run_at`."""

    error: ErrorObject
    attempt: int
    run_at: NotRequired[str]


class ReleasedData(TypedDict):
    """`execution.released`: its worker let go of it, and another takes it up."""

    reason: str


MovedData = TypedDict("MovedData", {"from": str, "to": str})
MovedData.__doc__ = "`execution.moved`: it goes on under another version of its agent."


class FailedData(TypedDict):
    """`execution.failed`: it ended with an error."""

    error: ErrorObject


class InFlightStep(TypedDict):
    """A step that was at work when its execution was cancelled."""

    id: str
    name: str
    in_doubt: bool


class CancelledData(TypedDict):
    """`execution.cancelled`: it was ended from outside. `in_doubt` steps may have had an effect."""

    reason: str | None
    in_flight: list[InFlightStep]


class FailureSummary(TypedDict):
    """An exception, without its traceback."""

    type: str
    message: str


class StepStartedData(TypedDict):
    """`step.started`: on record for an unsafe step, live only for any other."""

    id: str
    name: str
    kind: NotRequired[str]
    effects: NotRequired[str]
    attempt: NotRequired[int]


class StepRetriedData(TypedDict):
    """`step.retried`: try number `tries` failed, and another follows in so many seconds."""

    id: str
    name: str
    tries: int
    delay_seconds: float
    error: FailureSummary


class StepCompletedData(TypedDict):
    """`step.completed`: its result is on record, and it never runs again."""

    id: str
    name: str
    kind: NotRequired[str]
    started_at: NotRequired[str]
    duration_ms: NotRequired[float]
    attempt: NotRequired[int]
    tries: NotRequired[int]


class StepFailedData(StepCompletedData):
    """`step.failed`: its error is on record."""

    error: FailureSummary


class StepDroppedData(TypedDict):
    """`step.dropped`: a person said that it has not happened; it runs again."""

    id: str
    name: str
    kind: NotRequired[str]


class WaitStartedData(TypedDict):
    """`wait.started`: what it waits for. The `step.completed` of the same id ends it.

    `kind` is `sleep`, `input`, `approval`, `agent`, or `step` for an unsafe step in doubt.
    """

    id: str
    kind: str
    name: str
    attempt: NotRequired[int]
    wake_at: NotRequired[str]
    schema: NotRequired[dict[str, Any] | None]
    message: NotRequired[str | None]
    arguments: NotRequired[dict[str, Any] | None]
    execution_id: NotRequired[str]
    in_doubt: NotRequired[bool]


class LogData(TypedDict):
    """`log`: what the agent has to say."""

    level: str
    message: str
    fields: dict[str, Any]


class ProgressData(TypedDict):
    """`progress`: how far it is, from 0 to 1."""

    fraction: float | None
    message: str | None


class CustomData(TypedDict):
    """`custom`: the agent's own."""

    name: str
    data: Any


class ToolCall(TypedDict):
    """A tool that a model asks for."""

    id: str
    name: str
    arguments: Any


class MessageData(TypedDict):
    """`message`: one of a conversation with a model. `cost` is in US dollars."""

    role: str
    content: Any
    step: NotRequired[str]
    model: NotRequired[str]
    tool_calls: NotRequired[list[ToolCall]]
    tool_call_id: NotRequired[str]
    input_tokens: NotRequired[int]
    output_tokens: NotRequired[int]
    cost: NotRequired[float]


class TokenData(TypedDict):
    """`token`: a piece of a model's text, live only. The `message` that follows is the whole."""

    text: str
    step: NotRequired[str]


EVENT_DATA: Final[Mapping[str, type]] = MappingProxyType(
    {
        "execution.created": CreatedData,
        "execution.started": StartedData,
        "execution.parked": ParkedData,
        "execution.paused": PausedData,
        "execution.resumed": EmptyData,
        "execution.retried": RetriedData,
        "execution.released": ReleasedData,
        "execution.moved": MovedData,
        "execution.completed": EmptyData,
        "execution.failed": FailedData,
        "execution.cancelled": CancelledData,
        "step.started": StepStartedData,
        "step.retried": StepRetriedData,
        "step.completed": StepCompletedData,
        "step.failed": StepFailedData,
        "step.dropped": StepDroppedData,
        "wait.started": WaitStartedData,
        "log": LogData,
        "progress": ProgressData,
        "custom": CustomData,
        "message": MessageData,
        "token": TokenData,
    }
)
"""The shape of an event's `data`, by its type."""

LIVE_TYPES: Final = frozenset({"step.started", "token"})
"""The types that may be live only. `token` always is; `step.started` is unless it is unsafe."""
