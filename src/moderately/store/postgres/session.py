"""A process's own connection: by it the process hears of others, tells them, and is known to live.

It listens (LISTEN) for what other processes have committed, and says (NOTIFY) what this one has:
after the commit, many at a time, and ids only. As long as it lasts it holds a lock, by whose
absence the others know at once that the process is dead. It needs a session, and so a way around a
pooler that shares sessions. What is missed while it is broken, the others' polling finds.
"""

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import psycopg

from moderately.domain.execution import FOREVER
from moderately.domain.storing import Change
from moderately.protocol.vocabulary import Status
from moderately.store.postgres.connections import (
    SPACING_SECONDS,
    Connection,
    break_off,
    conninfo,
    execute,
    unavailable,
)
from moderately.store.postgres.live import Live

__all__ = ["News", "Session", "news_of"]

_log = logging.getLogger(__name__)

_PING_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
_IDS_IN_A_WORD: Final = 128
_AGENTS_IN_A_WORD: Final = 6
_MOST_UNTOLD: Final = 20_000
_LAST_WORDS_SECONDS: Final = 0.5
_LATER_SECONDS: Final = 0.003
_LIVE_SECONDS: Final = 0.02
_CALM_SECONDS: Final = 3.0

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class News(NamedTuple):
    """What a process has committed.

    Attributes:
        execution_ids: What has changed.
        agent_ids: The agents of which executions may start.
        freed_ids: The agents of which executions have ended.
        due_at: The first time that something waits for, in microseconds.
        workers: Whether a worker has come or gone.
    """

    execution_ids: Collection[str] = ()
    agent_ids: Collection[str] = ()
    freed_ids: Collection[str] = ()
    due_at: int | None = None
    workers: bool = False

    def words(self, sender: str) -> Iterable[str]:
        """The news as notifications, of less than 8,000 bytes each."""
        named = [name.removeprefix("exec_") for name in self.execution_ids]
        parts = (
            (named, _IDS_IN_A_WORD),
            (list(self.agent_ids), _AGENTS_IN_A_WORD),
            (list(self.freed_ids), _AGENTS_IN_A_WORD),
        )
        number = max(1, *(-(-len(part) // size) for part, size in parts))
        for n in range(number):
            lists = [part[n * size : (n + 1) * size] for part, size in parts]
            yield _encode([sender, *lists, None if n else self.due_at, self.workers])

    @classmethod
    def read(cls, word: str) -> tuple[str, "News"]:
        """Who sent a notification, and its news.

        Raises:
            ValueError: If it is not one of ours.
        """
        sender, ids, agents, freed, due_at, workers = json.loads(word)
        due_at = None if due_at is None else int(due_at)
        return sender, cls([f"exec_{name}" for name in ids], agents, freed, due_at, bool(workers))


def news_of(changes: Iterable[Change]) -> tuple[News, bool]:
    """The news of a commit, and whether somebody waits for it, to run something or for an end."""
    ids, agents, freed, due_at, is_urgent = [], set(), set(), FOREVER, False
    for change in changes:
        ids.append(change.execution_id)
        execution = change.execution
        if execution is None or execution.status is Status.RUNNING:
            continue
        is_urgent = True
        if execution.status is Status.PENDING and execution.run_at is None:
            agents.add(change.agent_id)
        else:
            freed.add(change.agent_id)
        times = (execution.run_at, execution.deadline_at)
        due_at = min([due_at, *(at for at in times if at is not None)])
    return News(ids, agents, freed, None if due_at == FOREVER else due_at), is_urgent


class _Untold:
    """News that were not told yet, put together."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._agents: set[str] = set()
        self._freed: set[str] = set()
        self._due_at: int | None = None
        self._workers = False

    def __bool__(self) -> bool:
        has_time = self._due_at is not None
        return bool(self._ids or self._agents or self._freed or has_time or self._workers)

    def add(self, news: News) -> None:
        if len(self._ids) < _MOST_UNTOLD:
            self._ids.update(news.execution_ids)
        self._agents.update(news.agent_ids)
        self._freed.update(news.freed_ids)
        times = [at for at in (self._due_at, news.due_at) if at is not None]
        self._due_at = min(times, default=None)
        self._workers = self._workers or news.workers

    def take(self) -> News | None:
        """Everything; None if there is nothing."""
        if not self:
            return None
        news = News(self._ids, self._agents, self._freed, self._due_at, self._workers)
        self._ids, self._agents, self._freed = set(), set(), set()
        self._due_at, self._workers = None, False
        return news


class Session:
    """The connection, made anew whenever it breaks.

    Args:
        url: Where the database is, without a pooler that shares sessions.
        queries: The named queries.
        live: What it tells and hears of events that are not stored.
        on_news: Called with what another process tells.
        on_back: Called whenever the connection is there again.
        on_lost: Called whenever it has broken.

    Attributes:
        number: The number of the lock that it holds; None while there is no connection.
        calm_at: When, on the monotonic clock, all that were cut off together with this process will
            have come back.
    """

    def __init__(
        self,
        url: str,
        queries: Mapping[str, str],
        live: Live,
        *,
        on_news: Callable[[News], None],
        on_back: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._conninfo = conninfo(url)
        self._queries = queries
        self._live = live
        self._on_news = on_news
        self._on_back = on_back
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._name = secrets.token_hex(4)
        self._untold = _Untold()
        self._is_urgent = False
        self._later: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._wake: Callable[[], object] = lambda: None
        self.number: int | None = None
        self.calm_at = 0.0
        self._last: int | None = None

    async def start(self) -> None:
        """Connect, and go on for as long as the process does.

        Raises:
            psycopg.Error: If it cannot.
        """
        connection = await self._connect()
        self._task = self._loop.create_task(self._keep(connection))

    async def stop(self) -> None:
        """Tell what is left to tell, and disconnect: from here on the process counts as gone."""
        until = time.monotonic() + _LAST_WORDS_SECONDS
        while self._untold and self.number is not None and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def tell(self, news: News, *, is_urgent: bool) -> None:
        """Tell the others, together with what comes meanwhile.

        Args:
            news: What to tell.
            is_urgent: Whether at once, and not some milliseconds later.
        """
        if self.number is None:
            return
        self._untold.add(news)
        if is_urgent:
            self._is_urgent = True
            self._wake()
        else:
            self._speak_in(_LATER_SECONDS)

    def tell_live(self) -> None:
        """Tell the others what there is to tell of live events, before all news from now on."""
        if self.number is None:
            self._live.clear()
        else:
            self._speak_in(_LIVE_SECONDS)

    def _speak_in(self, seconds: float) -> None:
        at = self._loop.time() + seconds
        if self._later is not None:
            if self._later.when() <= at:
                return
            self._later.cancel()
        self._later = self._loop.call_at(at, self._come_later)

    def _come_later(self) -> None:
        self._later = None
        self._is_urgent = True
        self._wake()

    async def _connect(self) -> Connection:
        connection = await Connection.connect(self._conninfo, autocommit=True)
        try:
            connection.add_notify_handler(lambda notify: self._hear(notify.payload))
            # A notification is no fact: it need not wait for the disk.
            await execute(connection, "SET synchronous_commit = off", prepare=False)
            await execute(connection, "LISTEN moderately", prepare=False)
            number = secrets.randbits(31)
            # Nobody else has this number, but by a chance of one in two thousand millions.
            await execute(connection, self._sql("lock_session"), (number,))
            # At once: the others take a worker whose lock is gone for dead.
            await execute(connection, self._sql("move_session"), (number, self._last))
            cursor = await execute(connection, self._sql("server_uptime"))
            [(uptime,)] = await cursor.fetchall()
        except BaseException:
            await connection.close()
            raise
        self.number = self._last = number
        # A process that has just started tells who is dead at once, unless the server has, too.
        was_fine = self.calm_at == 0.0 and uptime > _CALM_SECONDS
        self.calm_at = time.monotonic() + (0.0 if was_fine else _CALM_SECONDS)
        return connection

    async def _keep(self, connection: Connection | None) -> None:
        failures = 0
        while True:
            try:
                connection = connection or await self._connect()
                failures = 0
                self._live.begin()
                self._on_back()
                await self._serve(connection)
            except psycopg.Error as error:
                if not failures:
                    _log.warning("%s; connecting again", unavailable(error).message.split(";")[0])
            except Exception:  # noqa: BLE001 - it is in the log, and the process must go on hearing
                _log.exception("the session has failed; connecting again")
            finally:
                self.number = None
                self._on_lost()
                self._untold.take()
                self._live.clear()
                self._is_urgent = False
                if connection is not None:
                    await connection.close()
                    connection = None
            await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
            failures += 1

    async def _serve(self, connection: Connection) -> None:
        pinged, not_before = self._loop.time(), 0.0
        while True:
            await self._wait(connection, pinged + _PING_SECONDS, not_before)
            connection.pgconn.consume_input()
            while (notify := connection.pgconn.notifies()) is not None:
                self._hear(notify.extra.decode())
            words: list[str] = []
            if self._live.renew():
                self._is_urgent = True
            if self._is_urgent and self._loop.time() >= not_before:
                self._is_urgent = False
                # Live events come first, and so before the news of what was recorded after them.
                words = self._live.words(self._name)
                if (news := self._untold.take()) is not None:
                    words += news.words(self._name)
                    if len(news.execution_ids) > 1:
                        # More will come, and can go together.
                        not_before = self._loop.time() + SPACING_SECONDS
            if words:
                await self._execute(connection, self._sql("send"), (words,))
            elif self._loop.time() >= pinged + _PING_SECONDS:
                await self._execute(connection, "SELECT 1", ())
                pinged = self._loop.time()

    async def _wait(self, connection: Connection, until: float, not_before: float) -> None:
        """Wait until there is something to hear, or to tell by then, or for so long."""
        if self._is_urgent and self._loop.time() >= not_before:
            return
        future: asyncio.Future[None] = self._loop.create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        number = connection.fileno()
        timer = self._loop.call_at(not_before if self._is_urgent else until, wake)
        self._wake = lambda: self._loop.call_at(not_before, wake)
        self._loop.add_reader(number, wake)
        try:
            await future
        finally:
            self._loop.remove_reader(number)
            self._wake = lambda: None
            timer.cancel()

    async def _execute(self, connection: Connection, sql: str, parameters: tuple[Any, ...]) -> None:
        timer = self._loop.call_later(_PATIENCE_SECONDS, break_off, connection)
        try:
            await execute(connection, sql, parameters)
        finally:
            timer.cancel()

    def _hear(self, word: str) -> None:
        try:
            if word.startswith("{"):
                live = json.loads(word)
                if live.get("from") != self._name:
                    self._live.hear(live)
                return
            sender, news = News.read(word)
        except (ValueError, TypeError):
            # Not one of ours, or of a release that says more.
            return
        if sender != self._name:
            self._on_news(news)

    def _sql(self, name: str) -> str:
        return self._queries[name]
