"""What was read a moment ago, and need not be read again."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Fresh"]

K = TypeVar("K")
V = TypeVar("V")


class Fresh(Generic[K, V]):
    """Keeps what was read for a while. Those who ask for the same thing at once share one read.

    Args:
        read: Reads a thing; what it raises is kept for nobody.
        seconds: For how long a thing is good.
        monotonic: Tells the time in seconds.
        limit: How many things to keep.
    """

    def __init__(
        self,
        read: Callable[[K], Coroutine[Any, Any, V]],
        seconds: float,
        monotonic: Callable[[], float],
        limit: int = 10_000,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._monotonic = monotonic
        self._limit = limit
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._reading: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """A thing, not older than it is good for."""
        known = self._known.get(key)
        if known is not None and self._monotonic() - known[0] < self._seconds:
            return known[1]
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._renew(key))
            task.add_done_callback(lambda _: self._reading.pop(key))
        return await asyncio.shield(task)

    def clear(self) -> None:
        """Know nothing any more: each thing is read again."""
        self._known.clear()

    async def _renew(self, key: K) -> V:
        asked_at = self._monotonic()
        self._known.pop(key, None)
        value = await self._read(key)
        self._known[key] = (asked_at, value)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return value
