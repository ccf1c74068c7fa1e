"""Threads for code that blocks."""

import queue
import threading
from collections.abc import Callable

__all__ = ["DaemonThreads"]


class DaemonThreads:
    """A pool of daemon threads: a function that never returns does not keep the process alive.

    Args:
        limit: How many threads at most.
        name: What to call them.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Run this in a thread, as soon as one is free. It must not raise."""
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._threads < self._limit:
                self._threads += 1
                threading.Thread(
                    target=self._run, name=f"{self._name}-{self._threads}", daemon=True
                ).start()
        self._work.put(work)

    def _run(self) -> None:
        while True:
            self._work.get()()
            with self._lock:
                self._idle += 1
