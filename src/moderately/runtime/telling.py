"""What an agent's code may tell: log lines, progress, events of its own, messages, tokens."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from moderately.domain.execution import NewEvent
from moderately.runtime.calls import checked
from moderately.runtime.journal import Journal
from moderately.runtime.scope import current_step

__all__ = ["Telling"]

_LEVELS: Final = ("debug", "info", "warning", "error")
_ROLES: Final = ("system", "user", "assistant", "tool")


class Telling:
    """The part of every context that tells.

    Args:
        journal: The run's journal.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def log(self, message: str, *, level: str = "info", **fields: Any) -> None:
        """Record a message among the execution's events.

        Args:
            message: One line for a person.
            level: `debug`, `info`, `warning` or `error`.
            **fields: Further facts, as JSON.

        Raises:
            ValueError: If there is no such level, or a field is not JSON.
        """
        if level not in _LEVELS:
            raise ValueError(f"level is one of {', '.join(_LEVELS)}; not {level!r}")
        self._emit("log", {"level": level, "message": str(message), "fields": fields})

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Record how far the run has come.

        Args:
            fraction: From 0 to 1; None where it is not known.
            message: What is going on.

        Raises:
            ValueError: If the fraction is not between 0 and 1.
        """
        if fraction is not None and not 0 <= fraction <= 1:
            raise ValueError(f"fraction is between 0 and 1; not {fraction!r}")
        self._emit("progress", {"fraction": fraction, "message": str(message)})

    def emit(self, name: str, data: Any = None) -> None:
        """Record an event of your own, once: a later attempt does not repeat it.

        Args:
            name: What to call it; readers see `custom` with this name.
            data: Its particulars, as JSON.

        Raises:
            ValueError: If the data is not JSON, or over 64 KiB of it.
        """
        self._emit("custom", {"name": checked(name), "data": data})

    def message(
        self,
        content: Any,
        *,
        role: str = "assistant",
        model: str | None = None,
        tool_calls: Sequence[Mapping[str, Any]] = (),
        tool_call_id: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost: float | Decimal | None = None,
    ) -> None:
        """Record a message of a conversation with a model, and what it took.

        Within a step, it counts as the step's; the execution's `usage` adds all of them up.

        Args:
            content: What it says, as JSON.
            role: Whose it is: `system`, `user`, `assistant` or `tool`.
            model: Which model it is from.
            tool_calls: The calls that it asks for: `{"id", "name", "arguments"}` each.
            tool_call_id: Which call it answers.
            input_tokens: What the model has read.
            output_tokens: What the model has written.
            cost: What it has cost, in US dollars; leave it out where that is not known.

        Raises:
            ValueError: If the role is none of these, a number is none or below 0, or something is
                not JSON.

        Example:
            >>> ctx.message("42", model="llama", input_tokens=812, output_tokens=1)
        """
        if role not in _ROLES:
            raise ValueError(f"role is one of {', '.join(_ROLES)}; not {role!r}")
        used = {
            "input_tokens": _used("input_tokens", input_tokens, operator.index),
            "output_tokens": _used("output_tokens", output_tokens, operator.index),
            "cost": _used("cost", cost, float),
        }
        more = {"model": model, "tool_call_id": tool_call_id, **used, **_within()}
        if tool_calls:
            more["tool_calls"] = [dict(call) for call in tool_calls]
        given = {name: value for name, value in more.items() if value is not None}
        self._emit("message", {"role": role, "content": content, **given})

    def token(self, text: str) -> None:
        """Show a piece of what a model is writing to whoever watches just now.

        It is not recorded: `ctx.message` is to follow with the whole.

        Args:
            text: The piece.

        Example:
            >>> async for piece in model.stream(prompt):
            ...     ctx.token(piece)
        """
        self._journal.show("token", {"text": str(text), **_within()})

    def _emit(self, kind: str, data: dict[str, Any]) -> None:
        self._journal.emit(NewEvent(kind, data))


def _used(name: str, given: Any, read: Callable[[Any], float]) -> float | None:
    """What was used, as a number of JSON, of which `usage` is made: a `Decimal` is none there."""
    if given is None:
        return None
    try:
        number = read(given)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} is a number from 0 on; not {given!r}")
    return number


def _within() -> dict[str, Any]:
    """The step that calls, if one does."""
    step = current_step.get(None)
    return {} if step is None else {"step": step.path}
