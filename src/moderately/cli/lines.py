"""Events as lines for people."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from moderately.cli.output import plain

__all__ = ["Lines", "event_line", "event_style"]

_SHOWN: Final = 200

_STYLES: Final = {
    "execution.completed": "green",
    "execution.failed": "bold red",
    "execution.cancelled": "yellow",
    "execution.paused": "bold yellow",
    "execution.retried": "yellow",
    "step.failed": "red",
    "step.retried": "yellow",
    "step.started": "dim",
    "step.completed": "cyan",
    "wait.started": "magenta",
}
_LEVELS: Final = {"warning": "yellow", "error": "red", "critical": "bold red"}


class Lines:
    """Prints lines, and text that comes in pieces between them.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_within = False

    def line(self, text: str | Text) -> None:
        """Print a line."""
        self.end()
        self._console.print(text if isinstance(text, Text) else Text(plain(text)))

    def end(self) -> None:
        """End a text that came in pieces."""
        if self._is_within:
            self._console.print()
            self._is_within = False

    def piece(self, text: str) -> None:
        """Print a piece of a model's text behind the one before."""
        self._console.print(Text(plain(text)), end="")
        self._is_within = True


def event_style(event: Mapping[str, Any]) -> str:
    """The colour of an event's line."""
    if event["type"] == "log":
        return _LEVELS.get(str(event["data"].get("level")), "")
    return _STYLES.get(event["type"], "")


def event_line(event: Mapping[str, Any]) -> str | None:
    """What an event tells, in a line; None for one that people need not see.

    Args:
        event: The event; `progress` and `token` are shown otherwise where something moves.
    """
    kind, data = event["type"], event["data"]
    try:
        return _LINES[kind](data) if kind in _LINES else f"{kind} {_short(data)}"
    except (KeyError, TypeError, ValueError, AttributeError):
        # Another version of the service may tell it otherwise.
        return f"{kind} {_short(data)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _started(data: dict[str, Any]) -> str:
    attempt = data["attempt"]
    return "started" if attempt == 1 else f"started again, attempt {attempt}"


def _paused(data: dict[str, Any]) -> str:
    asked = ", ".join(wait["name"] for wait in data["blocked_on"]["waits"])
    return f"paused ({data['reason']}: {asked}); moderately executions resume answers it"


def _cancelled(data: dict[str, Any]) -> str:
    reason = data.get("reason")
    return f"cancelled: {reason}" if reason else "cancelled"


def _step_completed(data: dict[str, Any]) -> str | None:
    if data.get("kind", "step") != "step":
        return None
    return f"  step {data['name']} ({data['duration_ms']:.0f} ms)"


def _step_retried(data: dict[str, Any]) -> str:
    seconds = f"{data['delay_seconds']:.3g} s"
    return f"  step {data['name']} is tried again in {seconds}: {data['error']['message']}"


def _wait_started(data: dict[str, Any]) -> str:
    until = f" until {data['wake_at']}" if data.get("wake_at") else ""
    return f"  waits: {data['kind']} {data['name']}{until}"


def _log(data: dict[str, Any]) -> str:
    fields = "".join(f" {name}={value}" for name, value in data["fields"].items())
    return f"  {data['level']}: {data['message']}{fields}"


def _progress(data: dict[str, Any]) -> str:
    share = "" if data.get("fraction") is None else f"{data['fraction']:4.0%} "
    return f"  {share}{data.get('message') or 'running'}"


_LINES: Final[dict[str, Callable[[dict[str, Any]], str | None]]] = {
    "execution.created": lambda data: f"created: {data['agent_id']} {data['agent_version']}",
    "execution.started": _started,
    "execution.released": lambda data: f"handed back: {data['reason']}",
    "execution.parked": lambda data: f"parked: {data['blocked_on']['message']}",
    "execution.paused": _paused,
    "execution.resumed": lambda _: "resumed",
    "execution.retried": lambda data: (
        f"attempt {data['attempt']} failed, and is tried again: {data['error']['message']}"
    ),
    "execution.moved": lambda data: f"moved from version {data['from']} to {data['to']}",
    "execution.completed": lambda _: "completed",
    "execution.failed": lambda data: f"failed: {data['error']['message']}",
    "execution.cancelled": _cancelled,
    "step.started": lambda data: f"  step {data['name']} …",
    "step.completed": _step_completed,
    "step.retried": _step_retried,
    "step.failed": lambda data: f"  step {data['name']} failed: {data['error']['message']}",
    "step.dropped": lambda data: f"  step {data['name']} has not happened, and runs again",
    "wait.started": _wait_started,
    "log": _log,
    "progress": _progress,
    "custom": lambda data: f"  {data['name']}: {data['data']}",
    "message": lambda data: f"  {data['role']}: {_short(data['content'])}",
    "token": lambda data: str(data["text"]),
}
