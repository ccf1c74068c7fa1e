"""A class for each type of event, so that a checker knows what its `data` holds.

An event of a type that is not known here stays a plain `ExecutionEvent`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moderately.client.models import ExecutionEvent

if TYPE_CHECKING:
    from moderately.protocol import events

__all__ = [
    "EVENT_CLASSES",
    "CustomEvent",
    "ExecutionCancelledEvent",
    "ExecutionCompletedEvent",
    "ExecutionCreatedEvent",
    "ExecutionFailedEvent",
    "ExecutionMovedEvent",
    "ExecutionParkedEvent",
    "ExecutionPausedEvent",
    "ExecutionReleasedEvent",
    "ExecutionResumedEvent",
    "ExecutionRetriedEvent",
    "ExecutionStartedEvent",
    "LogEvent",
    "MessageEvent",
    "ProgressEvent",
    "StepCompletedEvent",
    "StepDroppedEvent",
    "StepFailedEvent",
    "StepRetriedEvent",
    "StepStartedEvent",
    "TokenEvent",
    "WaitStartedEvent",
    "typed_event",
]


class ExecutionCreatedEvent(ExecutionEvent):
    """`execution.created`: it is on record."""

    if TYPE_CHECKING:
        data: events.CreatedData


class ExecutionStartedEvent(ExecutionEvent):
    """`execution.started`: a worker has taken it up."""

    if TYPE_CHECKING:
        data: events.StartedData


class ExecutionParkedEvent(ExecutionEvent):
    """`execution.parked`: it waits, and holds no worker meanwhile."""

    if TYPE_CHECKING:
        data: events.ParkedData


class ExecutionPausedEvent(ExecutionEvent):
    """`execution.paused`: it waits for a person, a budget or a version."""

    if TYPE_CHECKING:
        data: events.PausedData


class ExecutionResumedEvent(ExecutionEvent):
    """`execution.resumed`: what it waited for has come."""

    if TYPE_CHECKING:
        data: events.EmptyData


class ExecutionRetriedEvent(ExecutionEvent):
    """`execution.retried`: an attempt failed, and another follows."""

    if TYPE_CHECKING:
        data: events.RetriedData


class ExecutionReleasedEvent(ExecutionEvent):
    """`execution.released`: its worker let go of it."""

    if TYPE_CHECKING:
        data: events.ReleasedData


class ExecutionMovedEvent(ExecutionEvent):
    """`execution.moved`: it goes on under another version."""

    if TYPE_CHECKING:
        data: events.MovedData


class ExecutionCompletedEvent(ExecutionEvent):
    """`execution.completed`: it ended well."""

    if TYPE_CHECKING:
        data: events.EmptyData


class ExecutionFailedEvent(ExecutionEvent):
    """`execution.failed`: it ended with an error."""

    if TYPE_CHECKING:
        data: events.FailedData


class ExecutionCancelledEvent(ExecutionEvent):
    """`execution.cancelled`: it was ended from outside."""

    if TYPE_CHECKING:
        data: events.CancelledData


class StepStartedEvent(ExecutionEvent):
    """`step.started`: a step began; live only, unless it is an unsafe one."""

    if TYPE_CHECKING:
        data: events.StepStartedData


class StepRetriedEvent(ExecutionEvent):
    """`step.retried`: a step failed, and is tried again."""

    if TYPE_CHECKING:
        data: events.StepRetriedData


class StepCompletedEvent(ExecutionEvent):
    """`step.completed`: a step's result is on record."""

    if TYPE_CHECKING:
        data: events.StepCompletedData


class StepFailedEvent(ExecutionEvent):
    """`step.failed`: a step's error is on record."""

    if TYPE_CHECKING:
        data: events.StepFailedData


class StepDroppedEvent(ExecutionEvent):
    """`step.dropped`: a step in doubt has not happened, and runs again."""

    if TYPE_CHECKING:
        data: events.StepDroppedData


class WaitStartedEvent(ExecutionEvent):
    """`wait.started`: it waits for something; a request for approval, say."""

    if TYPE_CHECKING:
        data: events.WaitStartedData


class LogEvent(ExecutionEvent):
    """`log`: the agent has something to say."""

    if TYPE_CHECKING:
        data: events.LogData


class ProgressEvent(ExecutionEvent):
    """`progress`: how far it is."""

    if TYPE_CHECKING:
        data: events.ProgressData


class CustomEvent(ExecutionEvent):
    """`custom`: the agent's own."""

    if TYPE_CHECKING:
        data: events.CustomData


class MessageEvent(ExecutionEvent):
    """`message`: one of a conversation with a model."""

    if TYPE_CHECKING:
        data: events.MessageData


class TokenEvent(ExecutionEvent):
    """`token`: a piece of a model's text; live only."""

    if TYPE_CHECKING:
        data: events.TokenData


EVENT_CLASSES: Final[dict[str, type[ExecutionEvent]]] = {
    "execution.created": ExecutionCreatedEvent,
    "execution.started": ExecutionStartedEvent,
    "execution.parked": ExecutionParkedEvent,
    "execution.paused": ExecutionPausedEvent,
    "execution.resumed": ExecutionResumedEvent,
    "execution.retried": ExecutionRetriedEvent,
    "execution.released": ExecutionReleasedEvent,
    "execution.moved": ExecutionMovedEvent,
    "execution.completed": ExecutionCompletedEvent,
    "execution.failed": ExecutionFailedEvent,
    "execution.cancelled": ExecutionCancelledEvent,
    "step.started": StepStartedEvent,
    "step.retried": StepRetriedEvent,
    "step.completed": StepCompletedEvent,
    "step.failed": StepFailedEvent,
    "step.dropped": StepDroppedEvent,
    "wait.started": WaitStartedEvent,
    "log": LogEvent,
    "progress": ProgressEvent,
    "custom": CustomEvent,
    "message": MessageEvent,
    "token": TokenEvent,
}
"""The class of an event, by its type."""


def typed_event(found: dict[str, Any]) -> ExecutionEvent:
    """An event of the wire as an object of its type's class."""
    return EVENT_CLASSES.get(str(found.get("type")), ExecutionEvent)(found)
