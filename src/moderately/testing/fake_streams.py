"""What the streams of a fake service say."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from moderately.protocol import events, sse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moderately.testing.fake_executions import FakeExecution

__all__ = ["ExecutionFeed", "FakeFeed", "TeamFeed"]

_RETRY_MS = 1000


class FakeFeed(ABC):
    """What a stream says."""

    first = sse.encode(retry=_RETRY_MS)
    is_over = False

    @abstractmethod
    def news(self) -> list[bytes]:
        """What has come since it was asked last."""

    @property
    def heartbeat(self) -> bytes:
        """What it says where there is no news."""
        return sse.COMMENT


class ExecutionFeed(FakeFeed):
    """The stream of one execution.

    Args:
        execution: Which one.
        after: The number of the last event that is known.
        live: Whether what is live only is told, too.
    """

    def __init__(self, execution: FakeExecution, after: int, *, live: bool) -> None:
        self._execution = execution
        self._after = after
        self._live = len(execution.live) if live else None

    def news(self) -> list[bytes]:
        """What has come since it was asked last."""
        one = self._execution
        found = [event for event in one.events if event["seq"] > self._after]
        if self._live is not None:
            live, self._live = one.live[self._live :], len(one.live)
            # Behind what was on record when it happened.
            found = sorted([*found, *live], key=lambda event: event["seq"] or event["after"] + 0.5)
        self._after = max(self._after, len(one.events))
        frames = [_frame(event) for event in found]
        if one.is_terminal:
            self.is_over = True
            status = {"execution_id": one.fields["id"], "status": one.fields["status"]}
            end = {**status, "last_seq": len(one.events)}
            frames.append(sse.encode(json.dumps(end), event=events.END_FRAME))
        return frames


def _frame(event: dict[str, Any]) -> bytes:
    if event["seq"] is None:
        return sse.encode(json.dumps(event), event=events.LIVE_FRAME)
    return sse.encode(json.dumps(event), id=str(event["seq"]))


class TeamFeed(FakeFeed):
    """The stream of all executions.

    Args:
        log: What happened, in order.
        query: The filters.
        place: How many events are known.
        era: Which cursors are valid.
    """

    def __init__(
        self, log: list[dict[str, Any]], query: Mapping[str, list[str]], place: int, era: int
    ) -> None:
        self._log = log
        self._place = place
        self._era = era
        self._wanted = {
            name: query[name] for name in ("execution_id", "agent_id", "status") if query.get(name)
        }
        self._labels = {
            name.removeprefix("metadata."): values[-1]
            for name, values in query.items()
            if name.startswith("metadata.")
        }
        opened = sse.encode(
            json.dumps({"cursor": self.cursor}), event=events.OPEN_FRAME, id=self.cursor
        )
        self.first = FakeFeed.first + opened

    @property
    def cursor(self) -> str:
        """The place that it has reached."""
        return f"{self._place}.0.{self._era}"

    @property
    def heartbeat(self) -> bytes:
        """What it says where there is no news: its place moves on all the same."""
        return sse.encode(id=self.cursor, comment=True)

    @property
    def has_news(self) -> bool:
        """Whether something has come."""
        return any(map(self._is_wanted, self._log[self._place :]))

    def news(self) -> list[bytes]:
        """What has come since it was asked last."""
        frames = []
        for event in self._log[self._place :]:
            self._place += 1
            if self._is_wanted(event):
                frames.append(sse.encode(json.dumps(_shown(event)), id=self.cursor))
        return frames

    def page(self, limit: int) -> list[dict[str, Any]]:
        """The same as a page."""
        items = []
        for event in self._log[self._place :]:
            self._place += 1
            if self._is_wanted(event):
                items.append(_shown(event))
            if len(items) >= limit:
                break
        return items

    def _is_wanted(self, event: dict[str, Any]) -> bool:
        return (
            all(event[name] in values for name, values in self._wanted.items())
            and self._labels.items() <= event["metadata"].items()
        )


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "metadata"}
