"""What an agent's code may call: `Context` in an async function, `SyncContext` in a plain one."""

import asyncio
import contextvars
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, overload

from moderately.domain.execution import Claim, NewEvent
from moderately.protocol.vocabulary import IDENTIFIER_LIMIT
from moderately.runtime.journal import Journal

__all__ = ["Context", "Interrupted", "SyncContext"]

P = ParamSpec("P")
T = TypeVar("T")

_LEVELS = ("debug", "info", "warning", "error")


class Interrupted(BaseException):
    """Raised by a `SyncContext` when its execution was cancelled, timed out or was taken away.

    Not an `Exception`, so that an agent's own error handling lets it through.
    """


class _Base:
    def __init__(self, claim: Claim, journal: Journal, deadline: float | None) -> None:
        self._execution = claim.execution
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
        self._journal.emit(
            NewEvent("log", {"level": level, "message": str(message), "fields": fields})
        )

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
        self._journal.emit(NewEvent("progress", {"fraction": fraction, "message": str(message)}))


class Context(_Base):
    """What an async agent gets as its first argument.

    Example:
        >>> @agent
        ... async def summarise(ctx: Context, url: str) -> str:
        ...     page = await ctx.step("fetch", fetch, url)
        ...     ctx.progress(0.5, "fetched")
        ...     return page[:100]
    """

    @overload
    async def step(
        self, name: str, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def step(
        self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    async def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run a function as a step: its result is recorded, and a later attempt does not repeat it.

        Args:
            name: What to call it.
            fn: The function. A plain one runs in a thread.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What it returns; from the record, in a later attempt.

        Raises:
            Exception: What the function raises.
            TypeError: If its result is not JSON.
        """
        step_id = self._journal.enter(_checked(name))
        recorded = self._journal.recorded(step_id, name, fn)
        if recorded is not None:
            return recorded.value
        self._journal.begin(step_id, name)
        started = time.time_ns()
        try:
            if inspect.iscoroutinefunction(fn):
                result = await fn(*args, **kwargs)
            else:
                result = await self._journal.in_thread(
                    contextvars.copy_context().run, fn, *args, **kwargs
                )
                if inspect.isawaitable(result):
                    result = await result
        except Exception as error:
            await self._journal.fail_step(step_id, name, error, started)
            raise
        await self._journal.complete_step(step_id, name, result, started)
        return result


class SyncContext(_Base):
    """What a plain agent gets as its first argument: `Context`, with calls that block.

    Example:
        >>> @agent
        ... def count(ctx: SyncContext, path: str) -> int:
        ...     return ctx.step("read", lambda: len(open(path).read()))
    """

    def step(self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function as a step; see `Context.step`.

        Raises:
            Interrupted: If the run is no longer wanted.
            TypeError: If the function is an async one, or its result is not JSON.
        """
        if inspect.iscoroutinefunction(fn):
            raise TypeError("a plain agent takes plain steps; make the agent async")
        self._check()
        step_id = self._journal.enter(_checked(name))
        recorded = self._journal.recorded(step_id, name, fn)
        if recorded is not None:
            return recorded.value  # type: ignore[no-any-return]
        self._journal.begin(step_id, name)
        started = time.time_ns()
        try:
            result = fn(*args, **kwargs)
        except Exception as error:
            self._wait(self._journal.fail_step(step_id, name, error, started))
            raise
        self._wait(self._journal.complete_step(step_id, name, result, started))
        return result

    def log(self, message: str, *, level: str = "info", **fields: Any) -> None:
        """Record a message among the execution's events; see `Context.log`."""
        self._check()
        super().log(message, level=level, **fields)

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Record how far the run has come; see `Context.progress`."""
        self._check()
        super().progress(fraction, message)

    def _check(self) -> None:
        if self.cancelled:
            raise Interrupted(self.execution_id)

    def _wait(self, write: Any) -> None:
        try:
            asyncio.run_coroutine_threadsafe(write, self._journal.home).result()
        finally:
            self._check()


def _checked(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= IDENTIFIER_LIMIT:
        raise ValueError(f"a step's name has 1 to {IDENTIFIER_LIMIT} characters")
    return name
