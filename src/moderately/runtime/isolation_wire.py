"""What a worker and an agent's process say to each other: a line of JSON each."""

import json
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.commands import Complete, Fail, Park, Pause, RetryLater
from moderately.domain.execution import Claim, Execution, Failure, NewEvent, Step
from moderately.domain.ports import Outcome
from moderately.protocol.vocabulary import Status

__all__ = [
    "Line",
    "pack",
    "pack_outcome",
    "read_agent",
    "read_claim",
    "read_event",
    "read_outcome",
    "read_step",
]

_OUTCOMES: Final[dict[str, Any]] = {
    kind.__name__: kind for kind in (Complete, Fail, RetryLater, Park, Pause)
}


class Line:
    """A connection on which each message is a line.

    Args:
        connection: The socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._lock = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message. From any thread. Nothing happens where nobody is left to hear it."""
        data = json.dumps(message).encode() + b"\n"
        try:
            with self._lock:
                self._connection.sendall(data)
        except OSError:
            return

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next message; None once the other side has gone."""
        try:
            line = self._reader.readline()
        except OSError:
            return None
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._connection.close()


def pack(value: Any) -> Any:
    """A noun as JSON."""
    if isinstance(value, Claim):
        return {"execution": pack(value.execution), "fence": value.fence}
    if isinstance(value, Execution):
        return value._asdict() | {"status": value.status.value}
    if isinstance(value, Step | NewEvent):
        return value._asdict()
    if isinstance(value, Agent):
        return asdict(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [pack(one) for one in value]
    return value


def read_claim(value: Mapping[str, Any]) -> Claim:
    """A claim that `pack` wrote."""
    execution = value["execution"]
    status = Status(execution["status"])
    return Claim(Execution(**{**execution, "status": status}), value["fence"])


def read_step(value: Mapping[str, Any]) -> Step:
    """A step that `pack` wrote."""
    return Step(**value)


def read_event(value: Mapping[str, Any]) -> NewEvent:
    """An event that `pack` wrote."""
    return NewEvent(**value)


def read_agent(value: Mapping[str, Any] | None) -> Agent | None:
    """An agent that `pack` wrote."""
    if value is None:
        return None
    return Agent(**{**value, "newest": AgentVersion(**value["newest"])})


def pack_outcome(outcome: Outcome | None) -> dict[str, Any] | None:
    """An outcome as JSON."""
    return None if outcome is None else {"kind": type(outcome).__name__, **asdict(outcome)}


def read_outcome(value: Mapping[str, Any] | None) -> Outcome | None:
    """An outcome that `pack_outcome` wrote."""
    if value is None:
        return None
    fields = dict(value)
    kind = _OUTCOMES[fields.pop("kind")]
    if "failure" in fields:
        failure = fields["failure"]
        details: Sequence[Any] = failure["details"]
        fields["failure"] = Failure(**{**failure, "details": tuple(details)})
    if "waits" in fields:
        fields["waits"] = tuple(fields["waits"])
    outcome: Outcome = kind(**fields)
    return outcome
