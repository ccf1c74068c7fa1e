"""The resources: what can be done with executions and agents."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from moderately.client._sync import io
from moderately.client.decisions import (
    Request,
    create_request,
    encode,
    is_cancelled_already,
    keyed_request,
    list_request,
    poll_delay,
    read_agent_page,
    read_execution_page,
    read_json,
    retry_delay,
    wait_seconds,
)
from moderately.client.errors import (
    APIConnectionError,
    ConflictError,
    RateLimitError,
    ServerError,
    TimeoutError,  # noqa: A004
)
from moderately.client.models import Agent, AgentExecution, PaginatedResponse
from moderately.protocol import routes

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping

    from moderately.client._sync.transport import Transport

__all__ = ["AgentExecutions", "Agents", "BaseResource"]

_LONGEST_OUTAGE: Final = 60.0
_SHORTEST_LOOK: Final = 0.25


class BaseResource:
    """A part of the API.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _call(self, request: Request, *, hold: float = 0.0) -> Any:
        reply, _ = self._transport.send(request, hold=hold)
        return read_json(reply)


class AgentExecutions(BaseResource):
    """Executions: runs of agents, each on one input."""

    def retrieve(self, execution_id: str) -> AgentExecution:
        """Retrieve an execution.

        Args:
            execution_id: Its id.

        Raises:
            NotFoundError: If there is none.
        """
        request = Request("GET", routes.execution(_identifier(execution_id)))
        return AgentExecution(self._call(request))

    def create(
        self,
        *,
        agent_id: str,
        input_data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        **properties: Any,
    ) -> AgentExecution:
        """Create an execution. It is on the service's disk when this returns.

        Args:
            agent_id: Which agent to run.
            input_data: Its input.
            idempotency_key: Makes a repeated create the same one; a random one by default, so
                that a retry after a lost reply never creates two.
            **properties: Further fields: `metadata`, `priority`, `timeout_seconds`, `max_steps`,
                `retry`, `run_at`, `delay_seconds`, `concurrency_key`.

        Raises:
            ValidationError: If a field is wrong, or the input does not fit the agent.
            NotFoundError: If there is no such agent.
            UnprocessableEntityError: If the key was used with another body.

        Example:
            >>> client.agent_executions.create(
            ...     agent_id="research", input_data={"folder": "docs", "question": "Why?"}
            ... )
        """
        request = create_request(agent_id, input_data, properties, idempotency_key)
        return AgentExecution(self._call(request))

    def cancel(self, execution_id: str, *, reason: str | None = None) -> AgentExecution:
        """Cancel an execution. It is final when this returns.

        Args:
            execution_id: Its id.
            reason: Why, for the record.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it had ended already; `execution` is how.
        """
        body = None if reason is None else encode({"reason": reason})
        request = Request("POST", routes.execution_cancel(_identifier(execution_id)), body=body)
        reply, tries = self._transport.send(request)
        try:
            return AgentExecution(read_json(reply))
        except ConflictError as error:
            if error.execution is not None and is_cancelled_already(error, tries):
                return error.execution
            raise

    def resume(
        self, execution_id: str, *, wait: str | None = None, **answer: Any
    ) -> AgentExecution:
        """Answer what an execution asks of a person.

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
            >>> client.agent_executions.resume("exec_…", wait="review", value="go on")
        """
        named = {} if wait is None else {"wait": wait}
        path = routes.execution_resume(_identifier(execution_id))
        return AgentExecution(self._call(Request("POST", path, body=encode(named | answer))))

    def fork(
        self,
        execution_id: str,
        *,
        from_step: int | None = None,
        input_data: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> AgentExecution:
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
        """
        given = {"from_step": from_step, "input_data": input_data, "metadata": metadata}
        body = {name: value for name, value in given.items() if value is not None}
        path = routes.execution_fork(_identifier(execution_id))
        return AgentExecution(self._call(keyed_request(path, body, idempotency_key)))

    def move(self, execution_id: str, *, to: str) -> AgentExecution:
        """Let an execution go on under another version of its agent.

        Args:
            execution_id: Its id.
            to: The version.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it has ended, runs just now, or the agent has no such version.
        """
        path = routes.execution_move(_identifier(execution_id))
        return AgentExecution(self._call(Request("POST", path, body=encode({"to": to}))))

    def delete(self, execution_id: str) -> None:
        """Delete an execution that has ended, with its steps and events.

        Args:
            execution_id: Its id.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it has not ended.
        """
        self._call(Request("DELETE", routes.execution(_identifier(execution_id))))

    def wait_for_completion(
        self,
        execution_id: str,
        *,
        timeout: float | None = None,
        poll_interval: float = 2.0,
    ) -> AgentExecution:
        """Wait until an execution has completed, failed or been cancelled.

        The service tells at once; where it does not hold replies, it is asked every
        `poll_interval`. Lost connections and a service that restarts are waited out.

        Args:
            execution_id: Its id.
            timeout: How long to wait at most, in seconds: a hard deadline. For ever by default.
            poll_interval: How often to ask a service that does not hold replies, in seconds.

        Returns:
            The execution as it ended.

        Raises:
            TimeoutError: If the deadline passes first; the execution goes on.
            NotFoundError: If there is none.
            APIConnectionError: If the service is away for longer than a minute.
            ValueError: If `timeout` or `poll_interval` is negative or not a number.
        """
        _seconds("timeout", timeout)
        _seconds("poll_interval", poll_interval)
        request = Request("GET", routes.execution(_identifier(execution_id)))
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        execution: AgentExecution | None = None
        failures, lost_at = 0, 0.0
        is_first = True
        while is_first or time.monotonic() < deadline:
            # A deadline of zero still gets one short look.
            limit = max(deadline, time.monotonic() + _SHORTEST_LOOK) if is_first else deadline
            is_first = False
            try:
                execution, pause = self._look(request, limit, poll_interval)
            except (APIConnectionError, RateLimitError, ServerError) as error:
                failures += 1
                lost_at = lost_at if failures > 1 else time.monotonic()
                if deadline == math.inf and time.monotonic() - lost_at > _LONGEST_OUTAGE:
                    raise
                pause = retry_delay(failures, getattr(error, "retry_after", None), 1.0)
            else:
                failures = 0
                if execution.is_terminal:
                    return execution
            io.sleep(max(0.0, min(pause, deadline - time.monotonic())))
        raise TimeoutError(
            f"Execution {execution_id} has not ended in {timeout:g} s; it goes on.", execution
        )

    def _look(
        self, request: Request, deadline: float, poll_interval: float
    ) -> tuple[AgentExecution, float]:
        """Look once, held by the service for as long as there is time; and when to look again."""
        hold = wait_seconds(deadline - time.monotonic())
        asked = replace(request, headers={routes.PREFER: f"wait={hold:.3f}"})
        limit = None if deadline == math.inf else deadline
        reply, _ = self._transport.send(asked, hold=hold, deadline=limit)
        return AgentExecution(read_json(reply)), poll_delay(reply, poll_interval)

    def steps(self, execution_id: str) -> builtins.list[dict[str, Any]]:
        """List an execution's recorded steps, in order.

        Args:
            execution_id: Its id.

        Raises:
            NotFoundError: If there is none.
        """
        found = self._call(Request("GET", routes.execution_steps(_identifier(execution_id))))
        return list(found["items"])

    def events(
        self, execution_id: str, *, after: int = 0, limit: int = 100, wait: float | None = None
    ) -> dict[str, Any]:
        """Retrieve an execution's events behind a number.

        Args:
            execution_id: Its id.
            after: The number of the last event that you have.
            limit: How many at most, 1000 at the highest.
            wait: How long to wait for the first, in seconds.

        Returns:
            `items`, `next_after` (send it as `after` to go on), and `is_terminal` (no more follow).

        Raises:
            NotFoundError: If there is none.
        """
        path = routes.execution_events(_identifier(execution_id))
        request = list_request(path, after=after, limit=limit, wait=wait)
        return dict(self._call(request, hold=wait or 0.0))

    # Last, since within a class body it hides the type of the same name.
    def list(
        self,
        *,
        agent_id: str | None = None,
        status: str | builtins.list[str] | None = None,
        page: int = 1,
        page_size: int = 10,
        order_by: str = "created_at",
        order_direction: str = "desc",
        **filters: Any,
    ) -> PaginatedResponse[AgentExecution]:
        """List executions.

        Args:
            agent_id: Only this agent's.
            status: Only this status, or these.
            page: Which page, from 1.
            page_size: How many a page, 1000 at the most.
            order_by: `created_at`, `updated_at`, `started_at`, `completed_at`, `status` or
                `priority`.
            order_direction: `asc` or `desc`.
            **filters: `cursor`, `created_after`, `created_before`.

        Raises:
            ValidationError: If a value will not do.
        """
        request = list_request(
            routes.EXECUTIONS,
            agent_id=agent_id,
            status=status,
            page=page,
            page_size=page_size,
            order_by=order_by,
            order_direction=order_direction,
            **filters,
        )
        return read_execution_page(self._call(request))


class Agents(BaseResource):
    """Agents: what can be run."""

    def retrieve(self, agent_id: str) -> Agent:
        """Retrieve an agent.

        Args:
            agent_id: Its id.

        Raises:
            NotFoundError: If there is none.
        """
        return Agent(self._call(Request("GET", routes.agent(_identifier(agent_id)))))

    def list(self, *, page: int = 1, page_size: int = 10) -> PaginatedResponse[Agent]:
        """List agents by name.

        Args:
            page: Which page, from 1.
            page_size: How many a page, 1000 at the most.

        Raises:
            ValidationError: If a value will not do.
        """
        request = list_request(routes.AGENTS, page=page, page_size=page_size)
        return read_agent_page(self._call(request))


def _identifier(value: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"an id is a string that is not empty; not {value!r}")
    return value


def _seconds(name: str, value: float | None) -> None:
    if value is not None and not value >= 0:
        raise ValueError(f"{name} is a number of seconds, 0 or more; not {value!r}")
