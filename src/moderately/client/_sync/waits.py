"""Waiting for an execution, and running one."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from moderately.client._sync import io
from moderately.client._sync.following import ExecutionFollowing
from moderately.client.errors import (
    APIError,
    ConflictError,
)
from moderately.client.requests import (
    Request,
    create_request,
    identifier,
    post_request,
)
from moderately.client.waiting import Look, OnEnd, OnPaused, Wait, outcome_error
from moderately.protocol import routes
from moderately.protocol.vocabulary import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moderately.client._sync.bound import BoundExecution

__all__ = ["ExecutionWaits"]

_CANCEL_SECONDS: Final = 5.0


class ExecutionWaits(ExecutionFollowing):
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

    def _ended(self, error: ConflictError) -> BoundExecution | None:
        """The execution as a conflict tells of it."""
        return None if error.execution is None else self._bound(error.execution)

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
