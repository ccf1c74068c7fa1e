"""What is particular to the log on PostgreSQL: many processes write to it at the same time."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from moderately.domain.commands import Cancel, Start
from moderately.domain.errors import CursorReset, DomainError, FencedOut, Unavailable
from moderately.domain.execution import Execution, NewEvent
from moderately.domain.following import EventFilter, Place
from moderately.domain.ids import ENTROPY_BYTES, new_id
from moderately.protocol.vocabulary import Status
from moderately.service.team_feed import TeamFeed, TeamFollowing
from moderately.store.postgres import PostgresStore, open_stores
from moderately.wiring.clock import SystemClock

if TYPE_CHECKING:
    from moderately.domain.log import Commit

CLOCK = SystemClock()
Raw = psycopg.AsyncConnection[tuple[Any, ...]]

DRAW = "INSERT INTO commits SELECT nextval('commits_number'), 1, '[]'"
DRAWN = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM commits_number"


def new(**fields: Any) -> Execution:
    now = CLOCK.now()
    identifier = new_id("exec", now, random.randbytes(ENTROPY_BYTES))  # noqa: S311 - a test's
    known: dict[str, Any] = {"team_id": "team", "agent_id": "agent", "agent_version": "1"}
    known |= {"status": Status.PENDING, "created_at": now, "updated_at": now}
    known |= {"metadata": {}, "event_seq": 1}
    return Execution(id=identifier, **(known | fields))


def run(url: str, work: Callable[..., Awaitable[None]], stores: int = 1) -> None:
    async def inner() -> None:
        async with AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(open_stores(url, CLOCK)) for _ in range(stores)
            ]
            await asyncio.wait_for(work(*(one.executions for one in opened)), 60)

    asyncio.run(inner())


@asynccontextmanager
async def raw(url: str, *, autocommit: bool = False) -> AsyncIterator[Raw]:
    """A connection that others know nothing of."""
    connection = await Raw.connect(url, autocommit=autocommit)
    try:
        yield connection
    finally:
        await connection.close()


async def one(connection: Raw, sql: str) -> Any:
    row = await (await connection.execute(sql.encode())).fetchone()
    assert row is not None
    return row[0]


class Tail:
    """Reads the log as it grows."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.log: list[Commit] = []
        self.told = asyncio.Event()
        store.subscribe(lambda _: None, on_commit=self.told.set)

    @property
    def numbers(self) -> list[int]:
        return [commit.number for commit in self.log]

    async def read(self) -> None:
        """Read all that there is now."""
        while True:
            self.told.clear()
            after = self.log[-1].number if self.log else 0
            more = await self.store.commits(after=after, limit=7)
            if not more:
                return
            self.log += more

    async def until(self, condition: Callable[[], bool]) -> None:
        """Read, whenever there is word of more, until something is so."""
        async with asyncio.timeout(20):
            await self.read()
            while not condition():
                await self.told.wait()
                await self.read()


async def write(store: PostgresStore, shared: list[Execution], number: int) -> None:
    """Many writes, of which some are refused, to executions that others write to as well."""
    choose = random.Random(number)  # noqa: S311 - no secret

    async def one_write() -> None:
        execution = choose.choice(shared)
        match choose.randrange(6):
            case 0:
                await store.create(new())
            case 1:
                await store.append(execution.id, 9, [NewEvent("log", {})])
            case 2:
                own = new()
                await store.create(own, start=Start("worker"))
                await store.append(own.id, 1, [NewEvent("log", {}), NewEvent("log", {})])
                await store.apply(own.id, Cancel())
            case _:
                await store.append(execution.id, 1, [NewEvent("log", {})])

    for _ in range(30):
        writes = (one_write() for _ in range(choose.randrange(1, 8)))
        found = await asyncio.gather(*writes, return_exceptions=True)
        wrong = [e for e in found if e is not None and not isinstance(e, FencedOut | DomainError)]
        assert not wrong


async def disturb(url: str, number: int) -> None:
    """Transactions that draw a number, keep it for a while, and then commit or do not."""
    choose = random.Random(number)  # noqa: S311 - no secret
    async with raw(url) as connection:
        for _ in range(20):
            await connection.execute(DRAW)
            await asyncio.sleep(choose.random() * 0.04)
            await (connection.commit() if choose.random() < 0.5 else connection.rollback())


def test_a_reader_gets_every_event_once_and_in_order_while_many_write(postgres_url: str) -> None:
    async def work(reader: PostgresStore, *writers: PostgresStore) -> None:
        shared = [new() for _ in range(4)]
        for execution in shared:
            await writers[0].create(execution, start=Start("worker"))
        tail = Tail(reader)
        writes = [write(store, shared, n) for n, store in enumerate(writers)]
        writing = asyncio.gather(*writes, *(disturb(postgres_url, n) for n in range(2)))
        writing.add_done_callback(lambda _: tail.told.set())
        await tail.until(writing.done)
        await writing
        async with raw(postgres_url, autocommit=True) as connection:
            numbers = await one(connection, "SELECT array_agg(number ORDER BY number) FROM commits")
            recorded = await one(connection, "SELECT count(*) FROM events")
        await tail.until(lambda: bool(tail.log) and tail.log[-1].number >= numbers[-1])
        assert tail.numbers == numbers
        told: dict[str, list[int]] = {}
        for touch in (touch for commit in tail.log for touch in commit.touches):
            seqs = range(touch.first_seq, touch.last_seq + 1)
            told.setdefault(touch.execution_id, []).extend(seqs)
        assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in told.values())
        assert sum(map(len, told.values())) == recorded > 300

    run(postgres_url, work, stores=3)


def test_what_is_drawn_and_open_is_waited_for(postgres_url: str) -> None:
    async def work(store: PostgresStore) -> None:
        tail = Tail(store)
        async with raw(postgres_url) as open_one:
            await tail.read()
            await open_one.execute(DRAW)
            await store.create(new())
            # However often it is looked at, and though the locks are looked at as well.
            for _ in range(5):
                await tail.read()
                await asyncio.sleep(0.02)
            assert tail.log == []
            await open_one.commit()
            await tail.until(lambda: tail.numbers == [1, 2])

    run(postgres_url, work)


def test_what_is_rolled_back_is_passed_though_nobody_commits_any_more(postgres_url: str) -> None:
    async def work(store: PostgresStore) -> None:
        tail = Tail(store)
        async with raw(postgres_url) as open_one:
            await tail.read()
            await open_one.execute(DRAW)
            await store.create(new())
            await tail.read()
            await open_one.rollback()
            await tail.until(lambda: tail.numbers == [2])

    run(postgres_url, work)


def test_an_open_transaction_is_waited_for_whatever_its_own_id_is(postgres_url: str) -> None:
    """Its id is larger than all that a snapshot knows: that of no later one has ended."""

    async def work(store: PostgresStore) -> None:
        tail = Tail(store)
        async with raw(postgres_url) as first, raw(postgres_url) as second:
            await tail.read()
            await first.execute("SELECT pg_current_xact_id()")
            await second.execute(DRAW)
            await first.execute(DRAW)
            await first.commit()
            for _ in range(5):
                await tail.read()
                await asyncio.sleep(0.02)
            assert tail.log == []
            await second.commit()
            await tail.until(lambda: tail.numbers == [1, 2])

    run(postgres_url, work)


def test_transactions_that_do_not_write_to_the_log_hold_nobody_up(postgres_url: str) -> None:
    async def work(store: PostgresStore) -> None:
        tail = Tail(store)
        async with raw(postgres_url) as reading, raw(postgres_url) as writing:
            await reading.execute("SELECT count(*) FROM commits")
            await writing.execute("INSERT INTO probes VALUES (1, 1)")
            await tail.read()
            async with raw(postgres_url) as gone:
                await gone.execute(DRAW)
                await gone.rollback()
            await store.create(new())
            await tail.until(lambda: tail.numbers == [2])

    run(postgres_url, work)


def test_a_log_that_begins_late_and_has_holes_is_taken_up_at_its_end(postgres_url: str) -> None:
    async def work(store: PostgresStore) -> None:
        async with raw(postgres_url, autocommit=True) as connection:
            await connection.execute(
                "INSERT INTO commits SELECT n * 3, 1, '[]' FROM generate_series(2000, 9000) AS n"
            )
            await connection.execute("SELECT setval('commits_number', 30000)")
        newest = await store.newest_commit()
        assert newest is not None
        assert newest.number == 27_000
        first = await store.commits(after=0, limit=2)
        assert [commit.number for commit in first] == [6000, 6003]
        await store.create(new())
        tail = Tail(store)
        await tail.until(lambda: bool(tail.log) and tail.log[-1].number == 30_001)
        assert len(tail.log) == 7002

    run(postgres_url, work)


def test_a_database_that_has_gone_back_is_read_from_where_it_is(postgres_url: str) -> None:
    async def work(store: PostgresStore) -> None:
        for _ in range(9):
            await store.create(new())
        assert len(await store.commits(after=0, limit=20)) == 9
        async with raw(postgres_url, autocommit=True) as connection:
            await connection.execute("DELETE FROM commits WHERE number NOT BETWEEN 4 AND 6")
            await connection.execute("SELECT setval('commits_number', 6)")
        newest = await store.newest_commit()
        assert newest is not None
        assert newest.number == 6
        await store.create(new())
        found = await store.commits(after=0, limit=20)
        assert [commit.number for commit in found] == [4, 5, 6, 7]

    run(postgres_url, work)


def test_no_follower_passes_over_what_a_database_that_has_gone_back_has_anew(
    postgres_url: str,
) -> None:
    async def hear(following: TeamFollowing) -> None:
        while True:
            if await following.more() is None:
                await following.rest(lambda _: True, 60)

    async def work(store: PostgresStore) -> None:
        for _ in range(9):
            await store.create(new())
        feed = TeamFeed(store)
        place = Place.behind(await store.commit(8))
        abreast = await feed.follow("team", EventFilter(), None)
        behind = await feed.follow("team", EventFilter(), place)
        hearing = asyncio.create_task(hear(abreast))
        async with raw(postgres_url, autocommit=True) as connection:
            await connection.execute("DELETE FROM commits WHERE number > 6")
            await connection.execute("SELECT setval('commits_number', 6)")
        for _ in range(5):
            await store.create(new())
        with pytest.raises(Unavailable):
            await hearing
        with pytest.raises((CursorReset, Unavailable)):
            await behind.more()
        with pytest.raises(CursorReset):
            await feed.page("team", EventFilter(), place, 9)
        with pytest.raises(CursorReset):
            await feed.follow("team", EventFilter(), place)
        await feed.follow("team", EventFilter(), Place.behind(await store.commit(7)))

    run(postgres_url, work)


def test_whoever_reads_the_log_when_the_store_closes_is_let_go(postgres_url: str) -> None:
    async def work() -> None:
        async with raw(postgres_url) as open_one:
            async with open_stores(postgres_url, CLOCK) as stores:
                await open_one.execute(DRAW)
                await stores.executions.create(new())
                # It cannot tell yet how far the log is settled.
                reading = asyncio.ensure_future(stores.executions.newest_commit())
                log = stores.executions._log
                async with asyncio.timeout(20):
                    while not log._settling.until:  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.005)
                assert not reading.done()
            with pytest.raises(Unavailable):
                await reading

    asyncio.run(work())


def test_a_number_is_drawn_after_the_rows_are_locked_and_not_for_a_refusal(
    postgres_url: str,
) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        execution = new()
        await ours.create(execution, start=Start("worker"))
        async with (
            raw(postgres_url) as holding,
            raw(postgres_url, autocommit=True) as watching,
        ):
            before = await one(watching, DRAWN)
            lock = "SELECT 1 FROM executions WHERE id = %s FOR UPDATE"
            await holding.execute(lock, (execution.id,))
            writing = asyncio.ensure_future(ours.append(execution.id, 1, [NewEvent("log", {})]))
            blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            async with asyncio.timeout(20):
                while not await one(watching, blocked):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.005)
            assert await one(watching, DRAWN) == before
            await holding.rollback()
            await writing
            assert await one(watching, DRAWN) == before + 1
            # What ours knows of the run is wrong after this: it writes blindly, and is refused.
            await ours.heartbeat("worker", 60, {})
            await ours.append(execution.id, 1, [NewEvent("log", {})])
            await theirs.append(execution.id, 1, [NewEvent("log", {})])
            await ours.append(execution.id, 1, [NewEvent("log", {})])
            assert await one(watching, DRAWN) == before + 4

    run(postgres_url, work, stores=2)


def test_whoever_follows_hears_of_what_others_commit(postgres_url: str) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        tail = Tail(ours)
        await tail.read()
        for number in range(1, 4):
            await theirs.create(new())
            await tail.until(lambda number=number: len(tail.log) == number)

    run(postgres_url, work, stores=2)
