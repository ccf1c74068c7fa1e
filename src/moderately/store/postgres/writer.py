"""Group commit: writes that arrive together share one transaction, and one way to the server.

A write is a coroutine over a `Unit`, as everywhere. A batch of them is at first *quick*: it reads
without locks, or not at all where it knows what runs here, and sends all that it writes as one
statement, which is a transaction of its own. Each change of an execution is guarded by the status,
fence and event number that were read; where another process was first, the database refuses the
whole statement, and the batch runs again within a transaction that locks what it reads, in the
order of the ids. So do at once those writes that look for what they change (claims and their like).

While a batch is under way, the next one gathers. A batch that takes long, since it waits for a lock
or for the network, holds up only the writes to the same executions: these never overtake each
other, and others go on over further connections.

When the connection breaks between the sending of a commit and its answer, nobody knows whether it
has happened. The batch then asks the database, for as long as it takes: a transaction is known by
an event that it records. So no write is ever done twice, and none is reported as lost that was not.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg import errors

from moderately.domain.errors import Unavailable
from moderately.domain.ports import Clock
from moderately.protocol.vocabulary import Status
from moderately.store.postgres.batch import Batch, Stale, Unheard, Write, fail
from moderately.store.postgres.connections import (
    PATIENCE_SECONDS,
    SPACING_SECONDS,
    Connection,
    Connections,
    execute,
    is_lost,
    keeps_from_working,
    unavailable,
)
from moderately.store.postgres.flush import Flush
from moderately.store.postgres.source import PostgresSource
from moderately.store.unit import REFUSALS, Unit

if TYPE_CHECKING:
    from moderately.domain.execution import Execution

__all__ = ["Writer"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_BATCH_LIMIT: Final = 512
_LAZY_SECONDS: Final = 0.002
_SLOW_SECONDS: Final = 0.005
_TRIES: Final = 8
_RETRY_SECONDS: Final = 0.25
_STALE_SECONDS: Final = 0.5
_PASSING: Final = (errors.DeadlockDetected, errors.SerializationFailure)
_CHANGED: Final = "MD001"
_SWEEP_SECONDS: Final = 0.5
_UNKNOWN: Final = (
    "The database was lost before it had confirmed the write, which may have happened or may happen"
    " yet. Try again later, with the same idempotency key."
)


class Writer:
    """Runs writes.

    Args:
        connections: The connections.
        queries: The named queries.
        clock: Tells the time.
        on_commit: Called on the event loop after each commit that changed something, with its unit,
            and when its batch began, on the loop's clock.
        dead: Tells which of the workers that are silent are dead.
        limit: How many batches may be under way at once.
        at: Called between any two things that a write does, with a name for the place: for tests
            that crash there.

    Attributes:
        live: What the workers of this process run, as it was last written.
        workers: These workers.
        failed: Whether the newest batch could not be written.
    """

    def __init__(
        self,
        connections: Connections,
        queries: Mapping[str, str],
        clock: Clock,
        *,
        on_commit: Callable[[Unit, float], None],
        dead: Callable[[Iterable[tuple[str, bool]]], list[str]],
        limit: int,
        at: Callable[[str], None],
    ) -> None:
        self._connections = connections
        self._queries = queries
        self._statements = Flush(dict(queries))
        self._clock = clock
        self._on_commit = on_commit
        self._dead = dead
        self._limit = limit
        self._at = at
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Write] = deque()
        self._under_way: dict[Batch, asyncio.Task[None]] = {}
        self._wake: asyncio.Handle | None = None
        self._wake_at = 0.0
        self._not_before = 0.0
        self._sweep: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self.live: dict[str, Execution] = {}
        self.workers: set[str] = set()
        self.failed = False

    def submit(
        self,
        operation: Callable[[Unit], Coroutine[Any, Any, T]],
        *,
        names: Sequence[str] = (),
        reads: Sequence[str] = (),
        lazy: bool = False,
        locks: bool = False,
        patient: bool = False,
    ) -> Awaitable[T]:
        """Queue a write.

        Args:
            operation: The write.
            names: What it is about: writes with a name in common happen in their order.
            reads: The executions that it will read.
            lazy: Whether it may wait a few milliseconds for company.
            locks: Whether it has to lock what it reads.
            patient: Whether its caller rather waits than is told that it is not known whether the
                write has happened.

        Returns:
            Its result, once it is on disk. A caller that gives up does not undo the write.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            future.set_exception(Unavailable("The service is stopping; try again later."))
            return future
        now = self._loop.time()
        self._waiting.append(Write(operation, names, reads, locks, patient, future, now))
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._tell_the_impatient)
        self._idle.clear()
        self._schedule(_LAZY_SECONDS if lazy else 0.0)
        return future

    async def close(self, seconds: float) -> None:
        """Take no more writes, and wait for those that were taken, for so long at most."""
        self._closed = True
        self._schedule(0.0)
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            _log.warning("%d writes are not known to be on disk", len(self._under_way))
        for task in list(self._under_way.values()):
            task.cancel()
        fail(self._waiting, Unavailable("The service is stopping; try again later."))

    def _schedule(self, delay: float) -> None:
        at = self._loop.time() + delay
        if self._wake is not None:
            if at >= self._wake_at:
                return
            self._wake.cancel()
        self._wake_at = at
        if delay:
            self._wake = self._loop.call_later(delay, self._flush)
        else:
            self._wake = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._wake = None
        while self._waiting and self._is_free():
            now = self._loop.time()
            quick = [batch.begun for batch in self._under_way if not batch.locks]
            not_before = max([self._not_before, *(begun + _SLOW_SECONDS for begun in quick)])
            if (wait := not_before - now) > 0:
                # What comes meanwhile goes together.
                self._schedule(wait)
                return
            writes = self._take()
            if not writes:
                return
            batch = Batch(writes, now, writes[0].locks)
            if len(writes) > 1:
                self._not_before = now + SPACING_SECONDS
            batch.names.update(itertools.chain.from_iterable(w.names for w in writes))
            self._under_way[batch] = self._loop.create_task(self._run(batch))

    def _is_free(self) -> bool:
        # Those that ask what has become of a commit need no connection most of the time.
        return sum(not batch.unheard for batch in self._under_way) < self._limit

    @property
    def is_busy(self) -> bool:
        """Whether more than one batch is under way, so that one may be overtaken by news of it."""
        return len(self._under_way) > 1

    @property
    def is_under_way(self) -> bool:
        """Whether a batch is under way."""
        return bool(self._under_way)

    def _tell_the_impatient(self) -> None:
        """Tell those who have waited for long that they need not wait any more."""
        self._sweep = None
        if not self._waiting and not self._under_way:
            return
        self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._tell_the_impatient)
        old = self._loop.time() - PATIENCE_SECONDS
        late = [w for w in self._waiting if not w.patient and w.submitted_at < old]
        if late:
            fail(late, Unavailable("The database does not answer; nothing was written."))
            self._waiting = deque(w for w in self._waiting if not w.future.done())
        for batch in self._under_way:
            late = [w for w in batch.writes if not w.patient and w.submitted_at < old]
            fail(late, Unavailable(_UNKNOWN))

    def _take(self) -> list[Write]:
        """The writes for the next batch: none that would overtake another about the same."""
        blocked = set(itertools.chain.from_iterable(batch.names for batch in self._under_way))
        taken: list[Write] = []
        left: deque[Write] = deque()
        while self._waiting and len(taken) < _BATCH_LIMIT:
            write = self._waiting.popleft()
            if not blocked.isdisjoint(write.names) or (taken and (write.locks or taken[0].locks)):
                left.append(write)
                blocked.update(write.names)
            else:
                taken.append(write)
        left.extend(self._waiting)
        self._waiting = left
        return taken

    async def _run(self, batch: Batch) -> None:
        try:
            await self._perform(batch)
        except Exception as error:  # noqa: BLE001 - its callers get it, whatever it is
            fail(batch.writes, error)
        finally:
            del self._under_way[batch]
            # Of account where the service stops before it is known.
            fail(batch.writes, Unavailable(_UNKNOWN))
            if self._waiting:
                self._schedule(0.0)
            elif not self._under_way:
                self._idle.set()

    async def _perform(self, batch: Batch) -> None:
        """Write a batch, and tell what came of it."""
        for number in itertools.count():
            try:
                unit: Unit | None = await self._attempt(batch)
            except Exception as error:  # noqa: BLE001 - its callers get it, whatever it is
                if isinstance(error, Unheard) and batch.unit is not None:
                    batch.unheard.append((batch.unit, batch.outcomes()))
                # What was sent before may have come to pass after all.
                unit = await self._committed(batch)
                if unit is None and await self._has_failed(batch, error, number):
                    return
            if unit is not None:
                self._tell(batch, unit)
                return
            # Once more, with locks: what is known of the executions may be wrong.
            batch.locks = True
            for name in batch.names:
                self.live.pop(name, None)

    async def _has_failed(self, batch: Batch, error: Exception, number: int) -> bool:
        """Whether an error is the end of a batch, so that its callers have been told."""
        if isinstance(error, Unheard):
            return False
        is_alone = len(batch.writes) == 1
        if isinstance(error, Stale):
            # After the database was restarted, all connections that were idle are like that.
            if number < _TRIES and self._loop.time() - batch.tried_at < _STALE_SECONDS:
                return False
            error = error.__cause__ if isinstance(error.__cause__, psycopg.Error) else error
        if isinstance(error, errors.UniqueViolation):
            is_passing = is_alone or not batch.locks
        else:
            is_passing = isinstance(error, _PASSING) or getattr(error, "sqlstate", "") == _CHANGED
        if is_passing and number < _TRIES:
            return False
        if keeps_from_working(error):
            self.failed = True
            fail(batch.writes, unavailable(error))
        elif is_alone:
            fail(batch.writes, error)
        else:
            await self._part(batch)
        return True

    async def _part(self, batch: Batch) -> None:
        """Run each write of a batch again alone, so that one fails alone."""
        for write in batch.writes:
            alone = Batch([write], batch.begun, locks=True)
            alone.names.update(write.names)
            await self._perform(alone)

    async def _attempt(self, batch: Batch) -> Unit:
        batch.is_sent, batch.tried_at = False, self._loop.time()
        async with self._connections.use() as connection:
            try:
                return await self._transact(connection, batch)
            except BaseException as error:
                lost = is_lost(connection)
                if batch.locks and not lost:
                    await execute(connection, "ROLLBACK", prepare=False)
                if lost and isinstance(error, psycopg.Error):
                    raise (Unheard if batch.is_sent else Stale) from error
                raise

    async def _transact(self, connection: Connection, batch: Batch) -> Unit:
        source = PostgresSource(
            connection, self._queries, self.live, self._dead, is_locking=batch.locks
        )
        unit = batch.unit = Unit(source, self._clock)
        if batch.locks:
            await execute(connection, "BEGIN", prepare=False)
        await source.prefetch(itertools.chain.from_iterable(w.reads for w in batch.writes))
        for write in batch.writes:
            size = unit.size()
            write.result = write.error = None
            try:
                write.result = await write.operation(unit)
            except REFUSALS as error:
                if unit.size() != size:
                    raise
                write.error = error
        self._at("gathered")
        statements = self._statements(unit)
        batch.is_sent = bool(statements)
        if len(statements) == 1 and not batch.locks:
            sql, parameters = statements[0]
            await execute(connection, sql, parameters)
        elif statements or batch.locks:
            async with connection.pipeline():
                if not batch.locks:
                    await execute(connection, "BEGIN", prepare=False)
                    batch.locks = True
                for sql, parameters in statements:
                    await execute(connection, sql, parameters)
                    self._at("statement")
                await execute(connection, "COMMIT", prepare=False)
        self._at("committed")
        return unit

    async def _committed(self, batch: Batch) -> Unit | None:
        """Which of the units without an answer is on record, if one is; its outcomes are set."""
        for unit, outcomes in batch.unheard:
            if await self._is_on_record(unit):
                for write, (result, error) in zip(batch.writes, outcomes, strict=True):
                    write.result, write.error = result, error
                return unit
        return None

    async def _is_on_record(self, unit: Unit) -> bool:
        if not unit.events:
            return False
        witness = unit.events[-1]
        event = (witness.execution_id, witness.seq, witness.event.type, witness.created_at)
        lock = self._queries["lock_executions"].format(columns="id")
        while True:
            try:
                async with self._connections.use() as connection, connection.transaction():
                    if unit.updated:
                        # If the lost transaction is still open, it holds these until it ends.
                        await execute(connection, lock, (sorted(unit.updated),))
                    cursor = await execute(connection, self._queries["has_event"], event)
                    return await cursor.fetchone() is not None
            except psycopg.Error:
                await asyncio.sleep(_RETRY_SECONDS)

    def _tell(self, batch: Batch, unit: Unit) -> None:
        self.failed = False
        self._keep(unit)
        for write in batch.writes:
            if write.future.done():
                continue
            if write.error is not None:
                write.future.set_exception(write.error)
            else:
                write.future.set_result(write.result)
        if unit.changes:
            self._on_commit(unit, batch.begun)

    def _keep(self, unit: Unit) -> None:
        """Remember what the workers of this process run, as it was last written."""
        written = [*unit.inserted.values(), *(after for _, after in unit.updated.values())]
        for execution in written:
            if execution.status is Status.RUNNING and execution.worker_id in self.workers:
                self.live[execution.id] = execution
            else:
                self.live.pop(execution.id, None)
