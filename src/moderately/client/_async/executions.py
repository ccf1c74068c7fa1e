"""Executions: runs of agents, each on one input."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from moderately.client._async.raw import as_raw
from moderately.client._async.waits import AsyncExecutionWaits
from moderately.client.errors import APIError, NotFoundError
from moderately.client.replies import read_json, read_object
from moderately.client.requests import (
    Request,
    create_request,
    identifier,
    keyed_request,
    list_request,
    post_request,
)
from moderately.client.typed_events import typed_event
from moderately.client.waiting import Wait
from moderately.protocol import routes

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence

    from moderately.client._async.bound import AsyncBoundExecution
    from moderately.client._async.io import AsyncListing

__all__ = ["AsyncAgentExecutions", "AsyncRawAgentExecutions"]


class AsyncAgentExecutions(AsyncExecutionWaits):
    """Executions: runs of agents, each on one input."""

    @cached_property
    def with_raw_response(self) -> AsyncRawAgentExecutions:
        """The same calls, with the reply as it came.

        Example:
            >>> raw = await client.agent_executions.with_raw_response.retrieve("exec_…")
            >>> print(raw.status_code, raw.headers["content-type"], raw.parse().status)
        """
        return AsyncRawAgentExecutions(self)

    async def create(
        self,
        *,
        agent_id: str,
        input_data: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        **properties: Any,
    ) -> AsyncBoundExecution:
        """Create an execution. It is on the service's disk when this returns.

        Args:
            agent_id: Which agent to run.
            input_data: Its input.
            idempotency_key: Makes a repeated create the same one; a random one by default, the
                same on each retry, so that a lost reply never makes two.
            **properties: Further fields: `metadata`, `priority`, `timeout_seconds`, `max_steps`,
                `retry`, `run_at`, `delay_seconds`, `concurrency_key`.

        Raises:
            ValidationError: If a field is wrong, or the input does not fit the agent.
            NotFoundError: If there is no such agent.
            UnprocessableEntityError: If the key was used with another body.

        Example:
            >>> execution = await client.agent_executions.create(
            ...     agent_id="research", input_data={"folder": "docs", "question": "Why?"}
            ... )
        """
        request = create_request(agent_id, input_data, properties, idempotency_key)
        return self._read(await self._transport.send(request))

    async def retrieve(self, execution_id: str) -> AsyncBoundExecution:
        """Retrieve an execution.

        Args:
            execution_id: Its id.

        Raises:
            NotFoundError: If there is none.

        Example:
            >>> execution = await client.agent_executions.retrieve("exec_…")
            >>> print(execution.status)
        """
        request = Request("GET", routes.execution(identifier(execution_id)))
        return self._read(await self._transport.send(request))

    async def cancel(
        self,
        execution_id: str,
        *,
        reason: str | None = None,
        wait: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - a hard deadline, as of the waits
    ) -> AsyncBoundExecution:
        """Cancel an execution.

        Args:
            execution_id: Its id.
            reason: Why, for the record.
            wait: Wait until it has ended. Our service ends it before it replies; another one may
                only take note.
            timeout: How long all of this may take, in seconds; by default, as long as the requests
                may.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it had ended already; `execution` is how. That this very call ended
                it, and only the reply was lost, is no conflict.
            TimeoutError: If it has not ended in time.

        Example:
            >>> await client.agent_executions.cancel("exec_…", reason="no longer needed")
        """
        until = Wait(identifier(execution_id), timeout=timeout, now=time.monotonic())
        try:
            found = await self._cancel(execution_id, reason, until.deadline.for_requests)
        except APIError as error:
            if until.deadline.left(time.monotonic()) <= 0:
                raise until.late(time.monotonic()) from error
            raise
        if not wait or found.is_terminal:
            return found
        until.execution = found
        return await self._finish(until, raise_on_failure=False)

    async def resume(
        self, execution_id: str, *, wait: str | None = None, **answer: Any
    ) -> AsyncBoundExecution:
        """Answer what an execution asks of a person.

        It is not sent again after a lost connection: the second might answer the next question.

        Args:
            execution_id: Its id.
            wait: What is answered, by id or name; not needed where only one thing is asked.
            **answer: `value` for an input; `approved`, `arguments` and `reason` for an approval;
                `outcome` (`happened`, `did_not_happen` or `failed`), `result` and `reason` for an
                unsafe step that was interrupted.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it has ended, or asks nothing.
            ValidationError: If the answer does not fit.

        Example:
            >>> await client.agent_executions.resume("exec_…", wait="review", value="go on")
        """
        named = {} if wait is None else {"wait": wait}
        path = routes.execution_resume(identifier(execution_id))
        return self._read(await self._transport.send(post_request(path, named | answer)))

    async def fork(
        self,
        execution_id: str,
        *,
        from_step: int | None = None,
        input_data: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncBoundExecution:
        """Create an execution that shares another one's journal up to a step.

        Args:
            execution_id: The other one's id.
            from_step: The position of the first journal entry that is not shared, from 1; the one
                that failed by default, so that a fork is a retry.
            input_data: Another input.
            metadata: Other labels.
            idempotency_key: Makes a repeated fork the same one; a random one by default.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If there is no such position.
            ValidationError: If the input does not fit the agent.

        Example:
            >>> again = await client.agent_executions.fork("exec_…", from_step=2)
        """
        given = {"from_step": from_step, "input_data": input_data, "metadata": metadata}
        body = {name: value for name, value in given.items() if value is not None}
        path = routes.execution_fork(identifier(execution_id))
        request = keyed_request(path, body, idempotency_key)
        return self._read(await self._transport.send(request))

    async def move(self, execution_id: str, *, to: str) -> AsyncBoundExecution:
        """Let an execution go on under another version of its agent.

        Args:
            execution_id: Its id.
            to: The version.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it has ended, runs just now, or the agent has no such version.

        Example:
            >>> await client.agent_executions.move("exec_…", to="2")
        """
        path = routes.execution_move(identifier(execution_id))
        return self._read(await self._transport.send(post_request(path, {"to": to})))

    async def delete(self, execution_id: str) -> None:
        """Delete an execution that has ended, with its steps and events.

        Args:
            execution_id: Its id.

        Raises:
            NotFoundError: If there is none. That this very call deleted it, and only the reply was
                lost, is no error.
            ConflictError: If it has not ended.

        Example:
            >>> await client.agent_executions.delete("exec_…")
        """
        request = Request("DELETE", routes.execution(identifier(execution_id)))
        reply = await self._transport.send(request)
        try:
            read_json(reply)
        except NotFoundError:
            if reply.tries == 1:
                raise

    async def steps(self, execution_id: str) -> builtins.list[dict[str, Any]]:
        """List an execution's recorded steps, in order.

        Args:
            execution_id: Its id.

        Raises:
            NotFoundError: If there is none.

        Example:
            >>> for step in await client.agent_executions.steps("exec_…"):
            ...     print(step["name"], step["status"], step["duration_ms"])
        """
        request = Request("GET", routes.execution_steps(identifier(execution_id)))
        return [*read_object(await self._transport.send(request), "items")["items"]]

    async def events(
        self, execution_id: str, *, after: int = 0, limit: int = 100, wait: float | None = None
    ) -> dict[str, Any]:
        """Retrieve a page of an execution's events. `stream` yields them as they come.

        Args:
            execution_id: Its id.
            after: The number of the last event that you have.
            limit: How many at most, 1000 at the highest.
            wait: How long to wait for the first, in seconds.

        Returns:
            `items`, `next_after` (send it as `after` to go on), and `is_terminal` (no more follow).

        Raises:
            NotFoundError: If there is none.

        Example:
            >>> page = await client.agent_executions.events("exec_…", after=3, wait=10)
        """
        path = routes.execution_events(identifier(execution_id))
        request = list_request(path, after=after, limit=limit, wait=wait)
        found = read_object(await self._transport.send(request, hold=wait or 0.0), "items")
        return {**found, "items": [typed_event(event) for event in found["items"]]}

    # Last, since within a class body it hides the type of the same name.
    def list(
        self,
        *,
        agent_id: str | None = None,
        status: str | Sequence[str] | None = None,
        page: int = 1,
        page_size: int = 10,
        order_by: str = "created_at",
        order_direction: str = "desc",
        **filters: Any,
    ) -> AsyncListing[AsyncBoundExecution]:
        """List executions. Iterates over all pages.

        Args:
            agent_id: Only this agent's.
            status: Only this status, or these.
            page: Which page, from 1.
            page_size: How many a page, 1000 at the most.
            order_by: `created_at`, `updated_at`, `started_at`, `completed_at`, `status` or
                `priority`.
            order_direction: `asc` or `desc`.
            **filters: `cursor`, `created_after`, `created_before`; `metadata.<key>` by
                `**{"metadata.ticket": "4711"}`.

        Raises:
            ValidationError: If a value will not do.

        Example:
            >>> page = await client.agent_executions.list(page_size=50)
            >>> print(page.pagination.total_items, len(page.items))
            >>> async for execution in client.agent_executions.list(status="failed"):
            ...     print(execution.id, execution.error)
        """
        query = {
            "agent_id": agent_id,
            "status": status,
            "page": page,
            "page_size": page_size,
            "order_by": order_by,
            "order_direction": order_direction,
            **filters,
        }
        return self._list(routes.EXECUTIONS, self._bound, query)


class AsyncRawAgentExecutions:
    """The same calls as of the resource; each returns a `RawResponse`, whose `parse()` is the rest.

    Args:
        resource: The resource.
    """

    def __init__(self, resource: AsyncAgentExecutions) -> None:
        self.create = as_raw(resource.create)
        self.retrieve = as_raw(resource.retrieve)
        self.list = as_raw(resource.list)
        self.cancel = as_raw(resource.cancel)
        self.resume = as_raw(resource.resume)
        self.fork = as_raw(resource.fork)
        self.move = as_raw(resource.move)
        self.delete = as_raw(resource.delete)
        self.steps = as_raw(resource.steps)
        self.events = as_raw(resource.events)
