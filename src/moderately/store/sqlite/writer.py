"""Group commit: writes that arrive together share one transaction, and one sync to disk.

A write is a coroutine over a `Unit`. All that were submitted by the time the connection is free run
one after the other on the event loop, in memory but for what they must read; then a thread writes
what the unit has gathered, a few statements for all of it, and commits. While that goes on, the
next batch gathers.

Each write is all or nothing. One that is refused (a `DomainError` and its like) must not have put
anything yet, and fails alone; if it has, or if anything unexpected comes up, the whole batch is
rolled back and its writes run again, each in a transaction of its own. A failed commit fails every
write in it.
"""

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from moderately.domain.errors import Unavailable
from moderately.domain.execution import Execution
from moderately.domain.ports import Clock
from moderately.protocol.vocabulary import Status
from moderately.store.sqlite.flush import Flush, Statement
from moderately.store.sqlite.source import SQLiteSource
from moderately.store.unit import REFUSALS, Unit

__all__ = ["Writer", "unavailable"]

T = TypeVar("T")

_BATCH_LIMIT: Final = 512
_LAZY_SECONDS: Final = 0.002
_BUSY_RETRY_SECONDS: Final = 0.005
_BUSY_LIMIT_SECONDS: Final = 10.0
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


class _Changed(Exception):
    """A row was not as it was read: somebody else writes to the database."""


@dataclass(slots=True, eq=False)
class _Write:
    operation: Callable[[Unit], Coroutine[Any, Any, Any]]
    future: asyncio.Future[Any]
    alone: bool = False
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class _Batch:
    writes: Sequence[_Write]
    unit: Unit
    statements: Sequence[Statement] = field(default_factory=list)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    work.close()
    raise RuntimeError("a write on SQLite has nothing to wait for")


class Writer:
    """Runs writes on the one connection that may write.

    Args:
        connection: The connection, in autocommit mode (`isolation_level=None`).
        queries: The named queries.
        clock: Tells the time.
        on_commit: Called on the event loop after each commit that changed something, with its unit.
        at: Called between any two things that a write does, with a name for the place: for tests
            that crash there.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        queries: dict[str, str],
        clock: Clock,
        on_commit: Callable[[Unit], None],
        at: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._at = at
        self._source = SQLiteSource(connection, queries)
        self._statements = Flush(queries)
        self._clock = clock
        self._on_commit = on_commit
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
    def live(self) -> Mapping[str, Execution]:
        """What runs, as it was last committed."""
        return self._source.live

    @property
    def failed(self) -> bool:
        """Whether the newest transaction could not be committed."""
        return self._failed

    def submit(
        self, operation: Callable[[Unit], Coroutine[Any, Any, T]], *, lazy: bool = False
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

    def submit_sql(
        self, operation: Callable[[sqlite3.Connection], T], *, lazy: bool = False
    ) -> asyncio.Future[T]:
        """Queue a write that executes SQL by itself, on the event loop: for rare and short ones."""

        async def work(unit: Unit) -> T:
            del unit
            return operation(self._connection)

        return self.submit(work, lazy=lazy)

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
        batch = _Batch(self._take(), Unit(self._source, self._clock))
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
        connection, unit = self._connection, batch.unit
        for write in batch.writes:
            written = connection.total_changes + unit.size()
            try:
                write.result = _run(write.operation(unit))
            except REFUSALS as error:
                if connection.total_changes + unit.size() != written:
                    return self._abandon(batch, error)
                write.error = error
            except sqlite3.OperationalError as error:
                self._failed = True
                return self._abandon(batch, unavailable(error), all_of_it=True)
            except Exception as error:  # noqa: BLE001 - its caller gets it, whatever it is
                return self._abandon(batch, error)
        try:
            batch.statements = self._statements(unit)
        except Exception as error:  # noqa: BLE001 - as above
            return self._abandon(batch, error)
        return True

    def _abandon(self, batch: _Batch, error: Exception, *, all_of_it: bool = False) -> bool:
        """Roll a batch back. Its writes run again one by one, unless none can succeed."""
        self._source.live.clear()
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
            error: Exception | None = None
            try:
                self._at("gathered")
                for statement in batch.statements:
                    self._write(statement)
                    self._at("statement")
                self._connection.execute("COMMIT")
                self._at("committed")
            except Exception as caught:  # noqa: BLE001 - its callers get it, whatever it is
                error = caught
            self._loop.call_soon_threadsafe(self._committed, batch, error)

    def _write(self, statement: Statement) -> None:
        written = self._connection.execute(statement.sql, statement.parameters).rowcount
        if statement.rows is not None and written != statement.rows:
            raise _Changed(f"{written} of {statement.rows} rows written")

    def _committed(self, batch: _Batch, error: Exception | None) -> None:
        self._failed = isinstance(error, sqlite3.OperationalError)
        if isinstance(error, sqlite3.OperationalError):
            self._abandon(batch, unavailable(error), all_of_it=True)
        elif error is not None:
            self._abandon(batch, error)
        else:
            self._keep(batch.unit)
            for write in batch.writes:
                if write.future.done():
                    continue
                if write.error is not None:
                    write.future.set_exception(write.error)
                else:
                    write.future.set_result(write.result)
            if batch.unit.changes:
                self._on_commit(batch.unit)
        self._next()

    def _keep(self, unit: Unit) -> None:
        live = self._source.live
        for execution in unit.inserted.values():
            if execution.status is Status.RUNNING:
                live[execution.id] = execution
        for _, execution in unit.updated.values():
            if execution.status is Status.RUNNING:
                live[execution.id] = execution
            else:
                live.pop(execution.id, None)

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
