"""Raw replies: `client.agent_executions.with_raw_response.retrieve(id)`."""

from __future__ import annotations

from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from moderately.client.replies import RawReply, RawResponse

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["as_raw", "capture"]

P = ParamSpec("P")
T = TypeVar("T")

_captured: ContextVar[list[RawReply] | None] = ContextVar("captured", default=None)


def capture(reply: RawReply) -> None:
    """Keep a reply for whoever asked for it raw."""
    found = _captured.get()
    if found is not None:
        found.append(reply)


def as_raw(method: Callable[P, T]) -> Callable[P, RawResponse[T]]:
    """The same method, with the reply as it came beside what was read from it."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> RawResponse[T]:
        found: list[RawReply] = []
        token = _captured.set(found)
        try:
            value = method(*args, **kwargs)
        finally:
            _captured.reset(token)
        return RawResponse(found[-1], value)

    return call
