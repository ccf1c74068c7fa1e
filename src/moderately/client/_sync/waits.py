"""Waiting for executions: for one, for many, for their events."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from moderately.client._sync import io
from moderately.client._sync.bound import BoundExecution
from moderately.client._sync.feed import Feed
from moderately.client._sync.resource import BaseResource
from moderately.client._sync.streaming import TeamEventStream, execution_stream
from moderately.client.crowd import Crowd
from moderately.client.errors import (
    APIError,
    ConflictError,
    CursorResetError,
)
from moderately.client.pages import read_page
from moderately.client.replies import read_execution
from moderately.client.requests import (
    Request,
    create_request,
    identifier,
    list_request,
    post_request,
)
from moderately.client.team_events import TeamCursor, team_query
from moderately.client.waiting import Deadline, Look, OnEnd, OnPaused, Wait, outcome_error
from moderately.protocol import routes
from moderately.protocol.vocabulary import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from moderately.client._sync.streaming import EventStream
    from moderately.client.models import AgentExecution
    from moderately.client.replies import RawReply

__all__ = ["ExecutionWaits"]

_CANCEL_SECONDS: Final = 5.0


class ExecutionWaits(BaseResource):
    """Waits for executions."""

    def wait_for_completion(
        self,
        execution_id: str,
        *,
        timeout: float | None = None,
        poll_interval: float = 2.0,
        on_paused: OnPaused = "wait",
        on_timeout: OnEnd = "leave",
        on_interrupt: OnEnd = "leave",
        raise_on_failure: bool = False,
    ) -> BoundExecution:
        """Wait until an execution has ended.

        The service tells at once; one that does not hold replies is asked quickly at first, then
        every `poll_interval`. Lost connections, 429 and 5xx are waited out.

        Args:
            execution_id: Its id.
            timeout: How long to wait at most, in seconds: a hard deadline over requests, retries,
                pauses and slow replies. For ever by default. 0 looks once.
            poll_interval: How often to ask a service that does not hold replies, in seconds.
            on_paused: What to do when the execution waits for a person: go on waiting (a warning is
                logged), `"return"` it, or `"raise"` `ExecutionPausedError`.
            on_timeout: When the time is up, `"leave"` the execution running, or `"cancel"` it: that
                may take 5 seconds more.
            on_interrupt: When the waiting code is interrupted (`KeyboardInterrupt`,
                `CancelledError`), `"leave"` the execution running, or `"cancel"` it first.
            raise_on_failure: Raise an error for an execution that failed or was cancelled.

        Returns:
            The execution as it ended.

        Raises:
            TimeoutError: If the deadline passes first; it carries the execution as seen last.
            ExecutionFailedError: If it failed, with `raise_on_failure`.
            ExecutionCancelledError: If it was cancelled, with `raise_on_failure`.
            ExecutionPausedError: If it is paused, with `on_paused="raise"`.
            NotFoundError: If there is none.
            APIConnectionError: Without a `timeout`: if the service is away for longer than a
                minute, or ten where it had been there.
            ValueError: If an argument cannot be.

        Example:
            >>> execution = client.agent_executions.wait_for_completion("exec_…", timeout=60)
            >>> print(execution.status, execution.output_data)
        """
        wait = Wait(
            identifier(execution_id),
            timeout=timeout,
            poll_interval=poll_interval,
            on_paused=on_paused,
            on_timeout=on_timeout,
            on_interrupt=on_interrupt,
            now=time.monotonic(),
        )
        return self._finish(wait, raise_on_failure=raise_on_failure)

    def run(
        self,
        *,
        agent_id: str,
        input_data: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        poll_interval: float = 2.0,
        on_paused: OnPaused = "wait",
        on_timeout: OnEnd = "leave",
        on_interrupt: OnEnd = "leave",
        raise_on_failure: bool = False,
        idempotency_key: str | None = None,
        **properties: Any,
    ) -> BoundExecution:
        """Create an execution and wait until it has ended.

        Args:
            agent_id: Which agent to run.
            input_data: Its input.
            timeout: How long both may take, in seconds, as of `wait_for_completion`.
            poll_interval: As of `wait_for_completion`.
            on_paused: As of `wait_for_completion`.
            on_timeout: As of `wait_for_completion`.
            on_interrupt: As of `wait_for_completion`.
            raise_on_failure: As of `wait_for_completion`.
            idempotency_key: As of `create`.
            **properties: As of `create`.

        Returns:
            The execution as it ended.

        Raises:
            ModeratelyError: As of `create` and `wait_for_completion`.

        Example:
            >>> done = client.agent_executions.run(
            ...     agent_id="research", input_data={"question": "Why?"}, timeout=60
            ... )
        """
        wait = Wait(
            "",
            timeout=timeout,
            poll_interval=poll_interval,
            on_paused=on_paused,
            on_timeout=on_timeout,
            on_interrupt=on_interrupt,
            now=time.monotonic(),
        )
        request = create_request(agent_id, input_data, properties, idempotency_key)
        try:
            reply = self._transport.send(request, deadline=wait.deadline.for_requests)
            wait.execution = self._read(reply)
        except APIError as error:
            if wait.deadline.left(time.monotonic()) <= 0:
                raise wait.late(time.monotonic()) from error
            raise
        wait.execution_id = wait.execution.id
        return self._finish(wait, raise_on_failure=raise_on_failure)

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

    def _ended(self, error: ConflictError) -> BoundExecution | None:
        """The execution as a conflict tells of it."""
        return None if error.execution is None else self._bound(error.execution)

    def _read(self, reply: RawReply) -> BoundExecution:
        return self._bound(read_execution(reply))

    def _finish(self, wait: Wait, *, raise_on_failure: bool) -> BoundExecution:
        """Wait, and do what is to be done when it ends otherwise."""
        try:
            found = self._wait(wait)
        except Exception:
            raise
        except BaseException as interrupt:
            if wait.on_interrupt == "cancel":
                io.shielded(partial(self._give_up, wait, interrupt), _CANCEL_SECONDS)
            raise
        if found is None:
            late = wait.late(time.monotonic())
            found = self._give_up(wait, late) if wait.on_timeout == "cancel" else None
            if found is None:
                raise late
            if not found.is_terminal or found.status == Status.CANCELLED:
                raise wait.late(time.monotonic())
        failure = outcome_error(found) if raise_on_failure and found.is_terminal else None
        if failure is not None:
            raise failure
        return found

    def _wait(self, wait: Wait) -> BoundExecution | None:
        """Look until it is over; None if the time is up before."""
        while True:
            chance = random.random()  # noqa: S311 - for spreading only
            begun = time.monotonic()
            asked = Look(begun, wait.hold(begun))
            try:
                reply = self._look(wait.execution_id, asked, wait.deadline)
                found = self._read(reply)
            except APIError as error:
                pause: float | None = wait.failed(error, asked, time.monotonic(), chance)
            else:
                pause = wait.saw(found, reply, asked, time.monotonic(), chance)
                if pause is None:
                    return found
            left = wait.deadline.left(time.monotonic())
            io.sleep(min(pause or 0.0, left))
            if wait.deadline.left(time.monotonic()) <= 0:
                return None

    def _look(self, execution_id: str, asked: Look, deadline: Deadline) -> RawReply:
        request = Request("GET", routes.execution(execution_id))
        if asked.hold:
            request = replace(request, headers={routes.PREFER: f"wait={asked.hold:.3f}"})
        return self._transport.send(
            request, hold=asked.hold, deadline=deadline.for_requests, max_retries=0
        )

    def _give_up(self, wait: Wait, first: BaseException) -> BoundExecution | None:
        """Cancel what was waited for. What goes wrong with that never hides the first error.

        Returns:
            The execution as it ended; None if that is not known.
        """
        deadline = time.monotonic() + _CANCEL_SECONDS
        found: BoundExecution | None
        try:
            found = self._cancel(wait.execution_id, "the caller gave up waiting", deadline)
        except ConflictError as error:
            # It ended just now.
            found = self._ended(error)
        except Exception as error:  # noqa: BLE001 - the first error is the one to raise
            first.add_note(f"Execution {wait.execution_id} could not be cancelled: {error}")
            return None
        wait.execution = found or wait.execution
        return found

    def _cancel(
        self, execution_id: str, reason: str | None, deadline: float | None
    ) -> BoundExecution:
        """Cancel an execution. That a retry finds it cancelled already is as it should be."""
        path = routes.execution_cancel(identifier(execution_id))
        body = None if reason is None else {"reason": reason}
        request = post_request(path, body, is_repeatable=True)
        reply = self._transport.send(request, deadline=deadline)
        try:
            return self._read(reply)
        except ConflictError as error:
            found = self._ended(error)
            if reply.tries > 1 and found is None:
                look = Request("GET", routes.execution(execution_id))
                found = self._read(self._transport.send(look, deadline=deadline))
            if reply.tries > 1 and found is not None and found.status == Status.CANCELLED:
                return found
            raise
