"""Following executions: their events as they come, and the ends of many."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moderately.client._sync import io
from moderately.client._sync.bound import BoundExecution
from moderately.client._sync.feed import Feed
from moderately.client._sync.resource import BaseResource
from moderately.client._sync.streaming import TeamEventStream, execution_stream
from moderately.client.crowd import Crowd
from moderately.client.errors import (
    APIError,
    CursorResetError,
)
from moderately.client.pages import read_page
from moderately.client.replies import read_execution
from moderately.client.requests import (
    Request,
    list_request,
)
from moderately.client.team_events import TeamCursor, team_query
from moderately.client.waiting import Deadline, Look, outcome_error
from moderately.protocol import routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from moderately.client._sync.streaming import EventStream
    from moderately.client.models import AgentExecution
    from moderately.client.replies import RawReply

__all__ = ["ExecutionFollowing"]


class ExecutionFollowing(BaseResource):
    """Follows executions."""

    def wait_many(
        self,
        execution_ids: Iterable[str],
        *,
        timeout: float | None = None,
        poll_interval: float = 2.0,
        raise_on_failure: bool = False,
    ) -> list[BoundExecution]:
        """Wait until all of these executions have ended. One stream does for any number.

        Args:
            execution_ids: Their ids.
            timeout: How long to wait at most, in seconds: a hard deadline. For ever by default.
            poll_interval: As of `as_completed`.
            raise_on_failure: Raise an error for the first that failed or was cancelled.

        Returns:
            The executions as they ended, in the order of the ids.

        Raises:
            TimeoutError: If the deadline passes first; `executions` is how all were seen last.
            ModeratelyError: As of `wait_for_completion`.

        Example:
            >>> ids = [execution.id for execution in created]
            >>> for execution in client.agent_executions.wait_many(ids, timeout=600):
            ...     print(execution.id, execution.status)
        """
        order = list(execution_ids)
        ended = self.as_completed(
            order, timeout=timeout, poll_interval=poll_interval, raise_on_failure=raise_on_failure
        )
        found = {execution.id: execution for execution in ended}
        return [found[execution_id] for execution_id in order]

    def as_completed(
        self,
        execution_ids: Iterable[str],
        *,
        timeout: float | None = None,
        poll_interval: float = 2.0,
        raise_on_failure: bool = False,
    ) -> Iterator[BoundExecution]:
        """Yield these executions as they end. One stream does for any number.

        Args:
            execution_ids: Their ids.
            timeout: How long to wait for all of them at most, in seconds: a hard deadline. For ever
                by default.
            poll_interval: How often to look at all of them where a service has no stream of the
                team's events, in seconds.
            raise_on_failure: Raise an error for one that failed or was cancelled.

        Yields:
            Each execution once, as it ended.

        Raises:
            TimeoutError: If the deadline passes first; `executions` is how all were seen last.
            ModeratelyError: As of `wait_for_completion`.

        Example:
            >>> for execution in client.agent_executions.as_completed(ids, timeout=600):
            ...     print(execution.id, execution.status)
        """
        crowd = Crowd(
            execution_ids, timeout=timeout, poll_interval=poll_interval, now=time.monotonic()
        )
        feed = self._feed(crowd.cursor())
        try:
            while crowd.is_waiting:
                # What ends before the stream has begun is found by looking after that.
                if feed is not None and (not crowd.has_looks or not feed.has_begun):
                    feed = self._listen(crowd, feed)
                else:
                    for execution in self._look_around(crowd, is_polling=feed is None):
                        if raise_on_failure and (failure := outcome_error(execution)):
                            raise failure
                        yield execution
                if crowd.is_waiting and crowd.deadline.left(time.monotonic()) <= 0:
                    raise crowd.late(time.monotonic())
        finally:
            if feed is not None:
                feed.close()

    def _feed(self, cursor: TeamCursor | None) -> Feed | None:
        return None if cursor is None else Feed(self._transport, cursor)

    def _listen(self, crowd: Crowd, feed: Feed) -> Feed | None:
        """Hear who ends; says where to listen further, if anywhere."""
        try:
            crowd.heard(feed.bring(), time.monotonic())
        except APIError as error:
            feed.close()
            crowd.look_around(time.monotonic())
            is_reset = isinstance(error, CursorResetError)
            return self._feed(crowd.cursor()) if is_reset else None
        return feed

    def _look_around(self, crowd: Crowd, *, is_polling: bool) -> Sequence[BoundExecution]:
        """Look once; returns those that have ended."""
        begun, chance = time.monotonic(), random.random()  # noqa: S311 - for spreading only
        asked = crowd.look(begun) or (crowd.rest(begun, chance) if is_polling else None)
        if asked is None:
            return []
        ended: Sequence[AgentExecution] = []
        try:
            ended, reply = self._look_at_crowd(crowd, asked)
            pause = crowd.pause(asked, reply, time.monotonic(), chance)
        except APIError as error:
            pause = crowd.failed(error, asked, time.monotonic(), chance)
        if pause and crowd.is_waiting:
            io.sleep(min(pause, crowd.deadline.left(time.monotonic())))
        return [self._bound(execution) for execution in ended]

    def _look_at_crowd(
        self, crowd: Crowd, asked: Look
    ) -> tuple[Sequence[AgentExecution], RawReply]:
        if asked.query is None:
            reply = self._look(asked.execution_id or "", asked, crowd.deadline)
            return crowd.saw(asked, [self._read(reply)]), reply
        reply = self._transport.send(
            list_request(routes.EXECUTIONS, **asked.query),
            deadline=crowd.deadline.for_requests,
            max_retries=0,
        )
        page = read_page(reply, self._bound, asked.query)
        return crowd.saw(asked, page.items, page.next_query), reply

    def stream(
        self,
        execution_id: str,
        *,
        after: int = 0,
        timeout: float | None = None,
        live: bool = False,
    ) -> EventStream:
        """Stream an execution's events: those on record, then the others as they come.

        Each comes once, and none is missing: a lost connection is taken up again where it broke
        off. The stream ends with the event that ends the execution.

        Args:
            execution_id: Its id.
            after: The number of the last event that you have; 0 for all.
            timeout: How long it may take, in seconds: a hard deadline. For ever by default.
            live: Whether to get what is live only, too: tokens, and the starts of steps. Such an
                event has `is_live`, and no number; it is lost to whoever does not listen.

        Raises:
            TimeoutError: While iterating: if the deadline passes first.
            NotFoundError: While iterating: if there is none.
            APIConnectionError: While iterating, without a `timeout`: if the service is away for
                longer than a minute, or ten where it had been there.
            ValueError: If an argument cannot be.

        Example:
            >>> for event in client.agent_executions.stream("exec_…"):
            ...     print(event.seq, event.type, event.data)
        """
        return execution_stream(
            self._transport, execution_id, after=after, timeout=timeout, live=live
        )

    def stream_all(
        self,
        *,
        agent_id: str | None = None,
        status: str | Sequence[str] | None = None,
        execution_ids: Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> TeamEventStream:
        """Stream the events of all the team's executions, in the order of their commits.

        Each comes once, and none is missing: a lost connection is taken up again where it broke
        off. The stream has no end.

        Args:
            agent_id: Only this agent's executions.
            status: Only events after which the execution has this status, or one of these:
                `["completed", "failed", "cancelled"]` are the ends.
            execution_ids: Only these executions, 100 at the most.
            metadata: Only executions with these labels.
            after: Where to begin: the `cursor` of an event or of a stream, or `start` for the first
                event on record. By default, now.
            timeout: How long it may take, in seconds: a hard deadline. For ever by default.

        Raises:
            TimeoutError: While iterating: if the deadline passes.
            CursorResetError: While iterating: if the service does not know `after`, since its
                database was restored or pruned; `cursor` is the newest place.
            NotFoundError: While iterating: if the service has no such stream.
            APIConnectionError: While iterating, without a `timeout`: if the service is away for
                longer than a minute, or ten where it had been there.
            ValueError: If an argument cannot be.

        Example:
            >>> with client.agent_executions.stream_all(status="failed") as events:
            ...     for event in events:
            ...         print(event.execution_id, event.data["error"], event.cursor)
        """
        cursor = TeamCursor(
            team_query(agent_id, status, execution_ids, metadata),
            after=after,
            deadline=Deadline(timeout, time.monotonic()),
        )
        return TeamEventStream(self._transport, cursor)

    def _bound(self, found: Mapping[str, Any]) -> BoundExecution:
        """An execution that knows its client."""
        return BoundExecution(found, self._transport)

    def _read(self, reply: RawReply) -> BoundExecution:
        return self._bound(read_execution(reply))

    def _look(self, execution_id: str, asked: Look, deadline: Deadline) -> RawReply:
        request = Request("GET", routes.execution(execution_id))
        if asked.hold:
            request = replace(request, headers={routes.PREFER: f"wait={asked.hold:.3f}"})
        return self._transport.send(
            request, hold=asked.hold, deadline=deadline.for_requests, max_retries=0
        )
