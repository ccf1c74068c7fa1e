"""The executions of a fake service: what became of each by now."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moderately.testing.states import State, cancelled, pending

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FakeExecution", "timestamp"]

_TIMES = {
    "running": "started_at",
    "paused": "paused_at",
    "completed": "completed_at",
    "failed": "failed_at",
    "cancelled": "cancelled_at",
}
_EVENTS = {"running": "execution.started", "pending": "execution.released"}


def timestamp(seconds: float) -> str:
    """UTC, ISO 8601, with microseconds and `Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class FakeExecution:
    """An execution that follows a script.

    Args:
        execution_id: Its id.
        body: What it was created with.
        script: Its states, in order.
        now: The time, in seconds since 1970.
        log: Gets each event, as the team's stream tells of it.

    Attributes:
        events: What is on record.
        live: What was live only.
    """

    def __init__(
        self,
        execution_id: str,
        body: dict[str, Any],
        script: Sequence[State],
        now: float,
        log: list[dict[str, Any]],
    ) -> None:
        self.created_at = now
        self.events: list[dict[str, Any]] = []
        self.live: list[dict[str, Any]] = []
        self._log = log
        self.fields: dict[str, Any] = {
            **dict.fromkeys(_UNSET),
            "id": execution_id,
            "agent_id": body["agent_id"],
            "agent_version": "1",
            "status": "pending",
            "is_terminal": False,
            "input_data": body.get("input_data"),
            "metadata": body.get("metadata") or {},
            "usage": {"steps": 0},
            "attempt": 0,
            "priority": body.get("priority") or 0,
            "timeout_seconds": body.get("timeout_seconds"),
            "max_steps": body.get("max_steps"),
            "retry": body.get("retry"),
            "retries": 0,
            "concurrency_key": body.get("concurrency_key"),
            "created_at": timestamp(now),
            "updated_at": timestamp(now),
        }
        self._script = [*script]
        self._until = now
        self._note("execution.created", {"agent_id": body["agent_id"], "agent_version": "1"}, now)
        if self._script and self._script[0].status == "pending":
            self._until = now + self._script.pop(0).seconds

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return bool(self.fields["is_terminal"])

    def advance(self, now: float) -> None:
        """Go on with the script as far as the time allows."""
        while self._script and not self.is_terminal and now >= self._until:
            following = self._script.pop(0)
            self._enter(following, self._until)
            self._until += following.seconds

    def next_change(self) -> float:
        """When the script goes on, in seconds since 1970."""
        return self._until if self._script and not self.is_terminal else math.inf

    def cancel(self, reason: str | None, now: float) -> None:
        """End it."""
        self._enter(cancelled(reason), now)

    def resume(self, now: float) -> None:
        """Answer what it asks: the script goes on."""
        self._enter(pending(), now)
        self._until = now

    def _enter(self, state: State, now: float) -> None:
        self.fields |= {"status_reason": None, "blocked_on": None}
        self.fields |= {"status": state.status, "is_terminal": state.is_terminal, **state.fields}
        self.fields["updated_at"] = timestamp(now)
        if state.status in _TIMES:
            self.fields[_TIMES[state.status]] = timestamp(now)
        if state.status == "running":
            self.fields["attempt"] += 1
        if state.output is not None:
            self.fields["output_data"] = state.output(self.fields["input_data"])
        shown = {"reason": self.fields["status_reason"], "attempt": self.fields["attempt"]}
        data = {name: value for name, value in shown.items() if value is not None}
        kind = _EVENTS.get(state.status, f"execution.{state.status}")
        self._note(kind, data | dict(state.fields), now)

    def emit(self, kind: str, data: dict[str, Any], now: float, *, live: bool) -> None:
        """Let the agent tell something, on record or live only."""
        if live:
            event = {"seq": None, "after": len(self.events), "is_live": True}
            self.live.append(self._event(kind, data, now) | event)
        else:
            self._note(kind, data, now)

    def _note(self, kind: str, data: dict[str, Any], now: float) -> None:
        self.events.append(self._event(kind, data, now))
        told = {name: self.fields[name] for name in ("agent_id", "status", "metadata")}
        self._log.append(self.events[-1] | told)

    def _event(self, kind: str, data: dict[str, Any], now: float) -> dict[str, Any]:
        return {
            "execution_id": self.fields["id"],
            "seq": len(self.events) + 1,
            "type": kind,
            "data": data,
            "created_at": timestamp(now),
        }


_UNSET = (
    "status_reason",
    "blocked_on",
    "output_data",
    "error",
    "current_step",
    "parent_id",
    "forked_from",
    "run_at",
    "started_at",
    "paused_at",
    "completed_at",
    "failed_at",
    "cancelled_at",
)
