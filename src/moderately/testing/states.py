"""What a fake execution goes through: a script of states, each for a while.

[pending(0.1), running(0.2), completed({"answer": 42})]
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["State", "cancelled", "completed", "failed", "paused", "pending", "running", "state"]


@dataclass(frozen=True, slots=True)
class State:
    """A state of a fake execution.

    Attributes:
        status: The status.
        seconds: How long it lasts, where another one follows.
        is_terminal: Whether the execution has ended with it.
        fields: Further fields of the execution.
        output: Makes `output_data` of the input; None for none.
    """

    status: str
    seconds: float = 0.0
    is_terminal: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    output: Callable[[Any], Any] | None = None


def pending(seconds: float = 0.0) -> State:
    """Waits to be started, for so many seconds."""
    return State("pending", seconds)


def running(seconds: float = 0.0) -> State:
    """Runs, for so many seconds; for ever where nothing follows."""
    return State("running", seconds)


def paused(name: str = "review", seconds: float = math.inf) -> State:
    """Waits for a person to answer `name`; for ever by default, or for so many seconds."""
    message = f"waits for an answer to {name!r}"
    wait = {"id": name, "kind": "input", "name": name, "message": message}
    fields = {"status_reason": "waiting_for_input"}
    return State("paused", seconds, fields=fields | {"blocked_on": _blocked_on(message, wait)})


def _blocked_on(message: str, wait: Mapping[str, Any]) -> dict[str, Any]:
    return {"message": message, "waits": [dict(wait)]}


def completed(output: Any = None) -> State:
    """Has completed, with this output; or with what a function makes of the input."""
    if callable(output):
        return State("completed", is_terminal=True, output=output)
    return State("completed", is_terminal=True, output=lambda _: output)


def failed(message: str = "no luck", code: str = "agent_error") -> State:
    """Has failed, for this reason."""
    error = {"code": code, "message": message}
    return State("failed", is_terminal=True, fields={"error": error})


def cancelled(reason: str | None = None) -> State:
    """Has been cancelled, for this reason."""
    return State("cancelled", is_terminal=True, fields={"status_reason": reason})


def state(status: str, seconds: float = 0.0, *, is_terminal: bool = False, **fields: Any) -> State:
    """Any other state: one that today's service does not know, say."""
    return State(status, seconds, is_terminal, fields)
