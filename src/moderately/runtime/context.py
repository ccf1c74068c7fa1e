"""What an agent's code may call: `Context` in an async function, `SyncContext` in a plain one."""

import asyncio
import math
import operator
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, overload
from uuid import UUID

from moderately.domain.execution import NewEvent
from moderately.domain.retry import Retry
from moderately.runtime.async_journal import AsyncJournal
from moderately.runtime.calls import Approval, Calls, Effects, StepOptions, checked
from moderately.runtime.journal import Interrupted, Journal, Parked
from moderately.runtime.scope import current_step
from moderately.runtime.sync_journal import SyncJournal, drive

__all__ = ["Approval", "Context", "Interrupted", "Parked", "SyncContext"]

T = TypeVar("T")

_LEVELS = ("debug", "info", "warning", "error")
_ROLES = ("system", "user", "assistant", "tool")


class _Base:
    def __init__(self, journal: Journal, deadline: float | None) -> None:
        self._execution = journal.execution
        self._journal = journal
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
