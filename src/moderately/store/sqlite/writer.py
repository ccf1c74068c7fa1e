"""Group commit: writes that arrive together share one transaction, and one sync to disk.

A write is a function of a `Transaction`. All that were submitted by the time the connection is
free run one after the other in one `BEGIN IMMEDIATE … COMMIT`; the statements on the event loop
(microseconds each), the commit, which waits for the disk, in a thread of its own. While it waits,
the next batch gathers.

Each write is all or nothing. One that is refused (a `DomainError` and its like) must not have
written yet, and fails alone; if it has, or if anything unexpected comes up, the whole batch is
rolled back and its writes run again, each in a transaction of its own. A failed commit fails every
write in it.
"""

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from moderately.domain.errors import DomainError, FencedOut, IllegalTransition, Unavailable
from moderately.domain.ports import Change, Listener

__all__ = ["Transaction", "Writer", "unavailable"]

T = TypeVar("T")

_BATCH_LIMIT: Final = 512
_LAZY_SECONDS: Final = 0.005
_BUSY_RETRY_SECONDS: Final = 0.005
_BUSY_LIMIT_SECONDS: Final = 10.0
_REFUSALS: Final = (DomainError, FencedOut, IllegalTransition)
_REASONS: Final = {
    sqlite3.SQLITE_FULL: "The disk is full",
    sqlite3.SQLITE_READONLY: "The database cannot be written to",
    sqlite3.SQLITE_BUSY: "The database is locked by another process",
    sqlite3.SQLITE_LOCKED: "The database is locked",
    sqlite3.SQLITE_CORRUPT: "The database file is damaged",
    sqlite3.SQLITE_NOTADB: "The database file is not a database",
}


def unavailable(error: sqlite3.Error) -> Unavailable:
    """Say what keeps the database from working, without its path."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    reason = _REASONS.get(code, "The database does not answer")
    return Unavailable(f"{reason}; nothing was written. Try again later.", retry_after=1)


@dataclass(slots=True)
class Transaction:
    """What a write gets: the connection, and a list for what it changes."""

    connection: sqlite3.Connection
    changes: list[Change] = field(default_factory=list)

    def run(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        return self.connection.execute(sql, parameters)


@dataclass(slots=True, eq=False)
class _Write:
    operation: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    alone: bool = False
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class _Batch:
    writes: Sequence[_Write]
    changes: list[Change]


class Writer:
    """Runs writes on the one connection that may write.

    Args:
        connection: The connection, in autocommit mode (`isolation_level=None`).
        on_commit: Called on the event loop after each commit, with what it changed.
    """

    def __init__(self, connection: sqlite3.Connection, on_commit: Listener) -> None:
        self._connection = connection
        self._on_commit = on_commit
        self._on_rollback: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Write] = deque()
        self._busy = False
        self._busy_since: float | None = None
        self._wake: asyncio.Handle | None = None
        self._wake_is_lazy = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._failed = False
        self._commits: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._commit_all, name="sqlite-commit", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> bool:
        """Whether the newest transaction could not be committed."""
        return self._failed

    def on_rollback(self, forget: Callable[[], None]) -> None:
        """Call this whenever what was written is not kept after all."""
        self._on_rollback = forget

    def submit(
        self, operation: Callable[[Transaction], T], *, lazy: bool = False
    ) -> asyncio.Future[T]:
        """Queue a write.

        Args:
            operation: The write.
            lazy: Whether it may wait a few milliseconds for company.

        Returns:
            Its result, once it is on disk. A caller that gives up does not undo the write.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            future.set_exception(Unavailable("The service is stopping; try again later."))
            return future
        self._waiting.append(_Write(operation, future))
        self._idle.clear()
        if not self._busy:
            self._schedule(lazy=lazy)
        return future

    async def close(self) -> None:
        """Take no more writes, and wait until those that were taken are done."""
        self._closed = True
        if not self._busy and self._waiting:
            self._schedule(lazy=False)
        await self._idle.wait()
        self._commits.put(None)
        await asyncio.to_thread(self._thread.join)

    def _schedule(self, *, lazy: bool) -> None:
        if self._wake is not None:
            if lazy or not self._wake_is_lazy:
                return
            self._wake.cancel()
        self._wake_is_lazy = lazy
        if lazy:
            self._wake = self._loop.call_later(_LAZY_SECONDS, self._flush)
        else:
            self._wake = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._wake = None
        if self._busy or not self._waiting:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._cannot_begin(error)
            return
        self._busy_since = None
        self._busy = True
        batch = _Batch(self._take(), [])
        if self._execute(batch):
            self._commits.put(batch)
        else:
            self._next()

    def _take(self) -> list[_Write]:
        writes = [self._waiting.popleft()]
        while (
            self._waiting
            and len(writes) < _BATCH_LIMIT
            and not writes[0].alone
            and not self._waiting[0].alone
        ):
            writes.append(self._waiting.popleft())
        return writes

    def _cannot_begin(self, error: sqlite3.Error) -> None:
        # Another process (an operator's command) holds the lock: wait for it, without blocking.
        now = self._loop.time()
        self._busy_since = self._busy_since or now
        is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        if is_busy and now - self._busy_since < _BUSY_LIMIT_SECONDS:
            self._wake_is_lazy = False
            self._wake = self._loop.call_later(_BUSY_RETRY_SECONDS, self._flush)
            return
        self._failed = True
        writes, self._waiting = list(self._waiting), deque()
        _fail(writes, unavailable(error))
        self._next()

    def _execute(self, batch: _Batch) -> bool:
        connection = self._connection
        transaction = Transaction(connection, batch.changes)
        for write in batch.writes:
            written, changed = connection.total_changes, len(batch.changes)
            try:
                write.result = write.operation(transaction)
            except _REFUSALS as error:
                if connection.total_changes != written:
                    return self._abandon(batch, error)
                write.error = error
                del batch.changes[changed:]
            except sqlite3.OperationalError as error:
                self._failed = True
                return self._abandon(batch, unavailable(error), all_of_it=True)
            except Exception as error:  # noqa: BLE001 - its caller gets it, whatever it is
                return self._abandon(batch, error)
        return True

    def _abandon(self, batch: _Batch, error: Exception, *, all_of_it: bool = False) -> bool:
        """Roll a batch back. Its writes run again one by one, unless none can succeed."""
        self._on_rollback()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if all_of_it or len(batch.writes) == 1:
            _fail(batch.writes, error)
        else:
            for write in reversed(batch.writes):
                write.alone, write.result, write.error = True, None, None
                self._waiting.appendleft(write)
        return False

    def _commit_all(self) -> None:
        while (batch := self._commits.get()) is not None:
            error: sqlite3.Error | None = None
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error as caught:
                error = caught
            self._loop.call_soon_threadsafe(self._committed, batch, error)

    def _committed(self, batch: _Batch, error: sqlite3.Error | None) -> None:
        self._failed = error is not None
        if error is not None:
            self._abandon(batch, unavailable(error), all_of_it=True)
        else:
            for write in batch.writes:
                if write.future.done():
                    continue
                if write.error is not None:
                    write.future.set_exception(write.error)
                else:
                    write.future.set_result(write.result)
            if batch.changes:
                self._on_commit(batch.changes)
        self._next()

    def _next(self) -> None:
        self._busy = False
        if self._waiting:
            if self._wake is None:
                self._schedule(lazy=False)
        else:
            self._idle.set()


def _fail(writes: Sequence[_Write], error: Exception) -> None:
    for write in writes:
        if not write.future.done():
            write.future.set_exception(error)
