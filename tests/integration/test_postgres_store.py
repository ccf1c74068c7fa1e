"""What is particular to PostgreSQL: several processes at once, and a network that fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.support.proxy import Proxy

from moderately.domain.agents import AgentVersion
from moderately.domain.claims import Offer
from moderately.domain.commands import Cancel, Complete, Park, Release, Start
from moderately.domain.errors import FencedOut, Unauthenticated, Unavailable
from moderately.domain.execution import Execution, NewEvent, Step
from moderately.domain.fairness import Turns
from moderately.domain.following import EventFilter
from moderately.domain.ids import ENTROPY_BYTES, new_id
from moderately.domain.limits import Rate
from moderately.domain.storing import Change, Idempotency, Work
from moderately.protocol.vocabulary import Status
from moderately.service import KeyRing, Principal
from moderately.service.events import Events
from moderately.service.hub import Hub
from moderately.store.postgres import PostgresStore, open_stores
from moderately.store.postgres.session import News
from moderately.testing import Postgres
from moderately.wiring.clock import SystemClock

CLOCK = SystemClock()
Work_ = Callable[..., Awaitable[None]]


def new(**fields: Any) -> Execution:
    now = CLOCK.now()
    identifier = new_id("exec", now, now.to_bytes(ENTROPY_BYTES, "big"))
    known: dict[str, Any] = {"team_id": "team", "agent_id": "agent", "agent_version": "1"}
    known |= {"status": Status.PENDING, "created_at": now, "updated_at": now}
    known |= {"metadata": {}, "event_seq": 1}
    return Execution(id=identifier, **(known | fields))


def run(url: str, work: Work_, stores: int = 2, **options: Any) -> None:
    """Run something with several stores on one database, as several processes have them."""

    async def inner() -> None:
        async with AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(open_stores(url, CLOCK, **options))
                for _ in range(stores)
            ]
            await asyncio.wait_for(work(*(one.executions for one in opened)), 60)

    asyncio.run(inner())


async def fill(store: PostgresStore, number: int, **fields: Any) -> None:
    await asyncio.gather(*(store.create(new(**fields)) for _ in range(number)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - it is set in many places
            await asyncio.sleep(0.01)


def test_claimers_at_once_get_each_execution_once(postgres_url: str) -> None:
    async def work(*stores: PostgresStore) -> None:
        await fill(stores[0], 200)

        async def take(store: PostgresStore, name: str) -> list[str]:
            turns, found = Turns(), []
            while True:
                offer = Offer("agent", ("1",), 7)
                claimed = await store.claim([offer], 7, name, turns)
                found += [claim.execution.id for claim in claimed.claims]
                if not claimed.claims and not claimed.more:
                    return found

        found = await asyncio.gather(*(take(s, f"w{n}") for n, s in enumerate(stores)))
        everything = [name for names in found for name in names]
        assert len(everything) == len(set(everything)) == 200
        assert all(found)

    run(postgres_url, work, stores=3)


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ({"limit": 3}, 3),
        ({"key_limit": 2}, 4),
        ({"rate": Rate(5, 10**12)}, 5),
    ],
)
def test_limits_hold_over_all_workers(postgres_url: str, limit: dict[str, Any], most: int) -> None:
    async def work(*stores: PostgresStore) -> None:
        for key in ("x", "y"):
            await fill(stores[0], 20, concurrency_key=key)
        offer = Offer("agent", ("1",), 10, **limit)
        claimed = await asyncio.gather(
            *(s.claim([offer], 10, f"w{n}", Turns()) for n, s in enumerate(stores * 3))
        )
        assert sum(len(one.claims) for one in claimed) == most

    run(postgres_url, work, stores=3)


def test_a_change_by_another_process_is_heard_of(postgres_url: str) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        execution = new()
        watched = {execution.id}
        changes: list[Change] = []
        works: list[Work] = []
        ours.subscribe(changes.extend, watched=watched, on_work=works.append)
        await theirs.create(execution)
        await theirs.create(new())
        await until(lambda: bool(changes) and bool(works))
        assert [change.execution_id for change in changes] == [execution.id]
        assert changes[0].is_foreign
        assert works[0].agent_ids == ["agent"]
        await theirs.apply(execution.id, Cancel("enough"))
        await until(lambda: changes[-1].status is Status.CANCELLED)
        assert changes[-1].execution == await theirs.get("team", execution.id)
        await until(lambda: works[-1].freed_ids == ["agent"])

    run(postgres_url, work)


def test_what_is_known_of_a_run_is_wrong_once_another_process_has_changed_it(
    postgres_url: str,
) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        first, second = new(), new()
        await ours.heartbeat("worker", 60, {})
        for execution in (first, second):
            await ours.create(execution, start=Start("worker"))
        await theirs.apply(first.id, Cancel("enough"))
        step = Step("0/1", "step", "s", "completed", result=1, started_at=1, ended_at=2)
        # Both go in one batch: that one is refused, and must not keep the other one back.
        refused, position = await asyncio.gather(
            ours.record(first.id, 1, step),
            ours.record(second.id, 1, step),
            return_exceptions=True,
        )
        assert isinstance(refused, FencedOut)
        assert position == 1
        assert await theirs.steps(first.id) == []
        assert len(await theirs.steps(second.id)) == 1

    run(postgres_url, work)


def test_the_same_idempotency_key_in_two_processes_makes_one_execution(postgres_url: str) -> None:
    async def work(*stores: PostgresStore) -> None:
        key = Idempotency("key", "digest")
        made = await asyncio.gather(*(s.create(new(), key) for s in stores for _ in range(5)))
        assert len({one.execution.id for one in made}) == 1
        assert sum(not one.replayed for one in made) == 1

    run(postgres_url, work, stores=3)


@contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """A way to the database that can be broken."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with Proxy(parts.hostname, parts.port or 5432) as proxy:
        netloc = parts.netloc.replace(f":{parts.port}", f":{proxy.port}")
        yield proxy, url.replace(parts.netloc, netloc)


@asynccontextmanager
async def behind(proxy: Proxy, url: str, at: Callable[[str], None]) -> AsyncIterator[PostgresStore]:
    async with open_stores(url, CLOCK, at=at) as stores:
        yield stores.executions


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_that_was_not_heard_of_happens_once(postgres_url: str, *, arrives: bool) -> None:
    """The connection breaks when the commit is on its way there, or on its way back."""

    async def work(proxy: Proxy, url: str) -> None:
        armed = False

        def at(place: str) -> None:
            nonlocal armed
            if armed and place == "gathered":
                armed = False
                proxy.delay(0.15)
                loop.call_later(0.22 if arrives else 0.05, mend)

        def mend() -> None:
            proxy.reset()
            proxy.heal()

        loop = asyncio.get_running_loop()
        async with behind(proxy, url, at) as store:
            await store.heartbeat("worker", 60, {})
            started, fresh = new(), new()
            await store.create(started, start=Start("worker"))
            # So that all connections are there, and nothing is prepared for the first time.
            await store.append(started.id, 1, [NewEvent("log", {"n": 0})])
            armed = True
            step = Step("0/1", "step", "s", "completed", result=1, started_at=1, ended_at=2)
            await store.record(started.id, 1, step)
            armed = True
            await store.create(fresh)
            found = await store.get("team", started.id)
            assert found is not None
            events = await store.events(started.id, after=0, limit=99)
            assert [e.seq for e in events] == list(range(1, found.event_seq + 1))
            assert [e.type for e in events].count("step.completed") == 1
            assert [one.position for one in await store.steps(started.id)] == [1]
            assert [e.seq for e in await store.events(fresh.id, after=0, limit=9)] == [1]
            done = await store.apply(started.id, Complete(1, "done"))
            assert done.status is Status.COMPLETED

    with proxied(postgres_url) as (proxy, url):
        asyncio.run(work(proxy, url))


def test_a_lost_database_is_said_to_be_unavailable_and_comes_back(postgres_url: str) -> None:
    async def work(proxy: Proxy, url: str) -> None:
        async with behind(proxy, url, lambda _: None) as store:
            execution = new()
            await store.create(execution)
            proxy.refuse()
            proxy.reset()
            with pytest.raises(Unavailable):
                await store.create(new())
            with pytest.raises(Unavailable):
                await store.get("team", execution.id)
            assert not store.is_present
            proxy.heal()
            async with asyncio.timeout(20):
                while True:
                    try:
                        assert await store.get("team", execution.id) == execution
                        break
                    except Unavailable:
                        await asyncio.sleep(0.05)
            await until(lambda: store.is_present)

    with proxied(postgres_url) as (proxy, url):
        asyncio.run(work(proxy, url))


def test_a_key_that_is_revoked_while_the_database_is_lost_is_out_afterwards(
    postgres_url: str,
) -> None:
    async def work(proxy: Proxy, url: str) -> None:
        async with open_stores(url, CLOCK) as ours, open_stores(postgres_url, CLOCK) as theirs:
            keys = KeyRing(ours.keys, CLOCK, time.monotonic)
            made = await keys.create(team_id="team", name="lost")
            events = Events(ours.executions, Hub(), keys)
            principal = Principal("team", made.key.id)
            following = await events.follow_team(principal, EventFilter(), None)
            proxy.refuse()
            proxy.reset()
            with pytest.raises(Unavailable):
                await keys.lapsed([made.key.id])
            await theirs.keys.revoke_key(made.key.id)
            # For longer than from one look at the key to the next.
            await following.rest(lambda _: True, 1.5)
            assert await following.more() is None
            proxy.heal()
            await following.rest(lambda _: True, 20)
            with pytest.raises(Unauthenticated):
                await following.more()
            following.close()

    with proxied(postgres_url) as (proxy, url):
        asyncio.run(asyncio.wait_for(work(proxy, url), 60))


def test_a_session_that_ends_makes_a_worker_dead_unless_it_is_back_at_once(
    postgres_url: str, postgres_server: Postgres
) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        execution = new()
        await theirs.heartbeat("theirs", 3600, {})
        await theirs.create(execution, start=Start("theirs"))
        postgres_server.terminate_backends(urlsplit(postgres_url).path.removeprefix("/"))
        await until(lambda: theirs.is_present and ours.is_present)
        # It is connected again, under another lock, and nobody has taken it for dead.
        assert await ours.release_lapsed("dead") == 0
        ours._session.calm_at = theirs._session.calm_at = 0.0
        assert await ours.release_lapsed("dead") == 0
        await theirs._session.stop()
        released = 0
        async with asyncio.timeout(10):
            while not released:
                released = await ours.release_lapsed("dead")
                await asyncio.sleep(0.02)
        assert released == 1
        with pytest.raises(FencedOut):
            await theirs.apply(execution.id, Complete(1, None))

    run(postgres_url, work)


def test_a_worker_that_leaves_something_behind_is_found_dead(postgres_url: str) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        execution = new()
        await theirs.heartbeat("theirs", 3600, {})
        await theirs.create(execution, start=Start("theirs"))
        await theirs.retire("theirs")
        assert [one.id for one in await ours.workers()] == ["theirs"]
        await theirs._session.stop()
        ours._session.calm_at = 0.0
        async with asyncio.timeout(10):
            while not await ours.release_lapsed("dead"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await theirs.retire("theirs")
        assert await ours.workers() == []

    run(postgres_url, work)


def test_a_server_that_takes_no_writes_is_unavailable_and_is_used_again(
    postgres_url: str, postgres_server: Postgres
) -> None:
    name = urlsplit(postgres_url).path.removeprefix("/")

    def say(mode: str) -> None:
        with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
            setting = f'ALTER DATABASE "{name}" SET default_transaction_read_only = {mode}'
            connection.execute(setting.encode())
        postgres_server.terminate_backends(name)

    async def work(store: PostgresStore) -> None:
        execution = new()
        await store.create(execution, start=Start("worker"))
        say("on")
        for write in (store.create(new()), store.apply(execution.id, Complete(1, None))):
            with pytest.raises(Unavailable, match="takes no writes"):
                await write
        with pytest.raises(Unavailable):
            await store.probe()
        say("off")
        done = await store.apply(execution.id, Complete(1, None))
        assert done.status is Status.COMPLETED
        await store.probe()

    run(postgres_url, work, stores=1)


def test_what_parks_frees_its_place_elsewhere(postgres_url: str) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        works: list[Work] = []
        ours.subscribe(lambda _: None, on_work=works.append)
        execution = new()
        await theirs.create(execution, start=Start("theirs"))
        await theirs.apply(execution.id, Park(1, 10**16, {"kind": "sleep"}, ()))
        await until(lambda: any(one.freed_ids == ["agent"] for one in works))
        assert works[-1].due_at == 10**16

    run(postgres_url, work)


def test_a_session_outlives_those_who_hear_from_it(postgres_url: str) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        def stumble(_: Work) -> None:
            raise LookupError("nobody expects this")

        works: list[Work] = []
        ours.subscribe(lambda _: None, on_work=stumble)
        ours.subscribe(lambda _: None, on_work=works.append)
        number = ours._session.number
        await theirs.create(new())
        await until(lambda: len(works) == 1)
        await theirs.create(new())
        await until(lambda: len(works) == 2)
        assert ours._session.number == number

    run(postgres_url, work)


def test_polling_finds_what_no_notification_told(postgres_url: str) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        execution = new()
        await ours.create(execution)
        changes: list[Change] = []
        works: list[Work] = []
        ours.subscribe(changes.extend, watched={execution.id}, on_work=works.append)
        await theirs._session.stop()
        await theirs.apply(execution.id, Cancel("enough"))
        assert changes == []
        await ours.look_again()
        assert changes[-1].execution == await theirs.get("team", execution.id)
        assert works[-1].agent_ids is None

    run(postgres_url, work)


def test_a_worker_of_an_older_release_does_not_make_its_version_the_newest(
    postgres_url: str,
) -> None:
    def version(name: str) -> AgentVersion:
        return AgentVersion("agent", name, "d", {}, {})

    async def work(store: PostgresStore) -> None:
        await store.register([version("1")])
        await store.register([version("2")])
        await store.register([version("1")])
        agent = await store.agent("agent")
        assert agent is not None
        assert agent.newest.version == "2"
        assert [one.version for one in await store.agent_versions("agent")] == ["2", "1"]

    run(postgres_url, work, stores=1)


def test_writers_that_lock_many_rows_in_any_order_all_get_through(postgres_url: str) -> None:
    async def work(*stores: PostgresStore) -> None:
        parents = [new() for _ in range(10)]
        for parent in parents:
            await stores[0].create(parent, start=Start("w"))
            child = new(parent_id=parent.id, parent_step="0/1")
            step = Step("0/1", "agent", "agent", "waiting", wait={"execution_id": child.id})
            await stores[0].spawn(1, step, child)

        async def stir(store: PostgresStore) -> None:
            for parent in parents if store is stores[0] else reversed(parents):
                await store.append(parent.id, 1, [NewEvent("log", {})])

        ends = [stores[1].apply(parent.id, Release(1, "x")) for parent in parents[:5]]
        await asyncio.gather(stir(stores[0]), *ends, return_exceptions=True)
        for parent in parents:
            found = await stores[0].get("team", parent.id)
            assert found is not None
            events = await stores[0].events(parent.id, after=0, limit=99)
            assert len(events) == found.event_seq

    run(postgres_url, work)


def test_names_that_postgres_cannot_hold_are_kept_as_near_as_can_be(postgres_url: str) -> None:
    async def work(store: PostgresStore) -> None:
        execution = new()
        await store.create(execution, start=Start("w"))
        odd = "a\0b\ud800c"
        step = Step("0/1", "step", odd, "completed", result=odd, started_at=1, ended_at=2)
        await store.record(execution.id, 1, step)
        [found] = await store.steps(execution.id)
        assert found.result == odd
        assert found.name == "a\ufffdb\ufffdc"

    run(postgres_url, work, stores=1)


def test_news_fit_into_notifications_and_read_back() -> None:
    ids = [new().id for _ in range(500)]
    agents = {f"agent-{'x' * 200}-{n}" for n in range(20)}
    words = list(News(ids, agents, agents, 17, workers=True).words("me"))
    assert max(len(word.encode()) for word in words) < 8000
    read = [News.read(word) for word in words]
    assert {sender for sender, _ in read} == {"me"}
    assert [name for _, news in read for name in news.execution_ids] == ids
    assert {name for _, news in read for name in news.agent_ids} == agents
    assert {name for _, news in read for name in news.freed_ids} == agents
    assert [news.due_at for _, news in read if news.due_at] == [17]
    assert all(news.workers for _, news in read)


def test_the_schema_holds_the_lifecycle_once_more(postgres_url: str) -> None:
    async def work(store: PostgresStore) -> None:
        execution = new()
        await store.create(execution)
        await store.apply(execution.id, Cancel())

    run(postgres_url, work, stores=1)
    with (
        psycopg.connect(postgres_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.IntegrityError, match="no such transition"),
    ):
        connection.execute("UPDATE executions SET status = 'pending', cancelled_at = NULL")
