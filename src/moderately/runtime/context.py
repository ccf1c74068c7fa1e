"""What an agent's code may call: `Context` in an async function, `SyncContext` in a plain one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, overload
from uuid import UUID

from moderately.domain.retry import Retry
from moderately.runtime.async_journal import AsyncJournal
from moderately.runtime.calls import Approval, Calls, Effects, StepOptions
from moderately.runtime.journal import Interrupted, Journal, Parked
from moderately.runtime.scope import current_step
from moderately.runtime.sync_journal import SyncJournal, drive
from moderately.runtime.telling import Telling

__all__ = ["Approval", "Context", "Interrupted", "Parked", "SyncContext"]

T = TypeVar("T")


class _Base(Telling):
    def __init__(self, journal: Journal, deadline: float | None) -> None:
        super().__init__(journal)
        self._execution = journal.execution
        self._deadline = deadline

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.execution_id}>"

    @property
    def execution_id(self) -> str:
        """The execution's id."""
        return self._execution.id

    @property
    def agent_id(self) -> str:
        """The agent's id."""
        return self._execution.agent_id

    @property
    def input(self) -> dict[str, Any]:
        """The execution's input, as it was sent."""
        return self._execution.input_data or {}

    @property
    def metadata(self) -> dict[str, str]:
        """The caller's labels."""
        return dict(self._execution.metadata)

    @property
    def attempt(self) -> int:
        """Which run of the execution this is, from 1."""
        return self._execution.attempt

    @property
    def step_key(self) -> str:
        """The idempotency key of the step that calls this: the same each time that it runs.

        Raises:
            RuntimeError: If it is not called from within a step.
        """
        step = current_step.get(None)
        if step is None:
            raise RuntimeError("step_key is for the function that a step runs")
        return step.key

    @property
    def cancelled(self) -> bool:
        """Whether the run is no longer wanted. What it still does is not recorded."""
        return self._journal.interrupted

    @property
    def deadline(self) -> float | None:
        """When the run times out, on `time.monotonic()`; None if never."""
        return self._deadline

    def time_left(self) -> float | None:
        """Seconds until the run times out, 0 at the least; None if it never does."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())


class Context(_Base):
    """What an async agent gets as its first argument.

    Example:
        >>> @agent
        ... async def summarise(ctx: Context, url: str) -> str:
        ...     page = await ctx.step("fetch", fetch, url)
        ...     ctx.progress(0.5, "fetched")
        ...     return page[:100]
    """

    def __init__(self, journal: AsyncJournal, deadline: float | None) -> None:
        super().__init__(journal, deadline)
        self._calls = Calls(journal)

    @overload
    async def step(
        self,
        name: str,
        fn: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        retry: Retry | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the word for it
        effects: Effects = "idempotent",
        **kwargs: Any,
    ) -> T: ...
    @overload
    async def step(
        self,
        name: str,
        fn: Callable[..., T],
        /,
        *args: Any,
        retry: Retry | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the word for it
        effects: Effects = "idempotent",
        **kwargs: Any,
    ) -> T: ...
    async def step(
        self,
        name: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        retry: Retry | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the word for it
        effects: Effects = "idempotent",
        **kwargs: Any,
    ) -> Any:
        """Run a function as a step: its outcome is recorded, and no later attempt repeats it.

        A step that was interrupted, by a crash for instance, runs again in the next attempt, with
        the same `ctx.step_key`; one with `effects="unsafe"` does not: the execution pauses, and a
        person says whether it happened.

        Args:
            name: What to call it.
            fn: The function. A plain one runs in a thread.
            *args: Its arguments.
            retry: When to try again if it raises; never by default.
            timeout: How long one try may take, in seconds; for ever by default.
            effects: `pure` (no effect), `idempotent` (may be repeated under the same key) or
                `unsafe` (must not be repeated unasked).
            **kwargs: Its keyword arguments.

        Returns:
            What it returns; from the record, in a later attempt: then as JSON, made what the
            function's return annotation says.

        Raises:
            Exception: What the function raises; in a later attempt, an equal one.
            TimeoutError: If the last try took too long.
            NotJson: If its result is not JSON.
        """
        return await self._calls.step(name, fn, args, kwargs, StepOptions(retry, timeout, effects))

    async def sleep(self, seconds: float) -> None:
        """Sleep durably: a restart does not begin it anew, and a long sleep holds no memory.

        Args:
            seconds: How long.
        """
        await self._calls.sleep(seconds)

    async def now(self) -> datetime:
        """The time (UTC), the same in every attempt."""
        return await self._calls.now()

    async def random(self) -> float:
        """A random number from 0 to 1, the same in every attempt."""
        return await self._calls.random()

    async def uuid(self) -> UUID:
        """A random UUID, the same in every attempt."""
        return await self._calls.uuid()

    async def wait_for_input(
        self,
        name: str,
        *,
        schema: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the word for it
    ) -> Any:
        """Pause until somebody answers by `resume`.

        Args:
            name: What is asked, as a name for the answer.
            schema: What the answer must be: a type, or a JSON Schema; anything by default.
            timeout: How long to wait, in seconds; for ever by default.

        Returns:
            The answer.

        Raises:
            TimeoutError: If nobody has answered in time.
        """
        return await self._calls.wait_for_input(name, schema, timeout)

    async def approve(
        self,
        name: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        message: str = "",
        expires_in: float | None = None,
    ) -> Approval:
        """Pause until somebody says yes or no by `resume`, and with which arguments.

        Args:
            name: What is to be approved.
            arguments: With what it would be done.
            message: What to tell the person.
            expires_in: After how many seconds it counts as a no; never by default.
        """
        return await self._calls.approve(name, arguments, message, expires_in)

    async def run_agent(
        self,
        agent_id: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the field's own word
        *,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the word for it
    ) -> Any:
        """Run another agent as an execution of its own, and wait for its result.

        Args:
            agent_id: Which agent.
            input: Its input.
            metadata: Its labels.
            timeout: How long it may take, in seconds; the agent's own timeout by default.

        Raises:
            ChildFailed: If it fails or is cancelled.
            LookupError: If there is no such agent.
        """
        return await self._calls.run_agent(agent_id, input, metadata, timeout)

    async def shielded(self, work: Awaitable[T]) -> T:
        """Finish something even if the run is cancelled meanwhile, within the grace for that.

        Args:
            work: What to finish.

        Raises:
            asyncio.CancelledError: Once it has finished, if the run was cancelled.
        """
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            raise


class SyncContext(_Base):
    """What a plain agent gets as its first argument: `Context`, with calls that block.

    Every call raises `Interrupted` once the run is no longer wanted.

    Example:
        >>> @agent
        ... def count(ctx: SyncContext, path: str) -> int:
        ...     return ctx.step("read", lambda: len(open(path).read()))
    """

    def __init__(self, journal: SyncJournal, deadline: float | None) -> None:
        super().__init__(journal, deadline)
        self._sync = journal
        self._calls = Calls(journal)

    def step(
        self,
        name: str,
        fn: Callable[..., T],
        /,
        *args: Any,
        retry: Retry | None = None,
        timeout: float | None = None,
        effects: Effects = "idempotent",
        **kwargs: Any,
    ) -> T:
        """Run a function as a step; see `Context.step`."""
        self._sync.check()
        found: T = drive(
            self._calls.step(name, fn, args, kwargs, StepOptions(retry, timeout, effects))
        )
        return found

    def sleep(self, seconds: float) -> None:
        """Sleep durably; see `Context.sleep`."""
        drive(self._calls.sleep(seconds))

    def now(self) -> datetime:
        """The time (UTC), the same in every attempt."""
        return drive(self._calls.now())

    def random(self) -> float:
        """A random number from 0 to 1, the same in every attempt."""
        return drive(self._calls.random())

    def uuid(self) -> UUID:
        """A random UUID, the same in every attempt."""
        return drive(self._calls.uuid())

    def wait_for_input(self, name: str, *, schema: Any = None, timeout: float | None = None) -> Any:
        """Pause until somebody answers; see `Context.wait_for_input`."""
        return drive(self._calls.wait_for_input(name, schema, timeout))

    def approve(
        self,
        name: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        message: str = "",
        expires_in: float | None = None,
    ) -> Approval:
        """Pause until somebody says yes or no; see `Context.approve`."""
        return drive(self._calls.approve(name, arguments, message, expires_in))

    def run_agent(
        self,
        agent_id: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the field's own word
        *,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Run another agent, and wait for its result; see `Context.run_agent`."""
        return drive(self._calls.run_agent(agent_id, input, metadata, timeout))

    def token(self, text: str) -> None:
        """Show a piece of what a model is writing; see `Context.token`."""
        self._sync.check()
        super().token(text)

    def _emit(self, kind: str, data: dict[str, Any]) -> None:
        self._sync.check()
        super()._emit(kind, data)
