"""What the reports of every store promise. Each store is a parameter of the fixture."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from moderately.domain.claims import Offer
from moderately.domain.commands import Cancel, Complete, Fail
from moderately.domain.execution import FOREVER, Execution, Failure
from moderately.domain.fairness import Turns
from moderately.domain.ids import ENTROPY_BYTES, new_id
from moderately.domain.listing import ListQuery
from moderately.domain.reports import Load, Queue, Reports
from moderately.domain.storing import Store
from moderately.protocol.vocabulary import OrderBy, Status
from moderately.store.postgres import open_stores as open_postgres
from moderately.store.sqlite import open_stores as open_sqlite

SECOND = 1_000_000
MINUTE = 60 * SECOND

Opened = Callable[[], AbstractAsyncContextManager[Any]]
Work = Callable[[Store, Reports], Awaitable[None]]


class SetClock:
    """A clock that a test sets; it ticks once each time it is asked."""

    def __init__(self) -> None:
        self.at = 1000 * MINUTE

    def now(self) -> int:
        self.at += 1
        return self.at


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(params=["sqlite", "postgres"])
def run(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> Callable[[Work], None]:
    """Runs something on an empty store."""
    if request.param == "sqlite":
        opening: Any = open_sqlite(tmp_path / "store.db", clock)
    else:
        opening = open_postgres(request.getfixturevalue("postgres_url"), clock)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with opening as stores:
            yield stores

    def inner(work: Work) -> None:
        async def both() -> None:
            async with opened() as stores:
                await work(stores.executions, stores.reports)

        asyncio.run(both())

    return inner


_numbers = itertools.count(1)


def new(clock: SetClock, **fields: Any) -> Execution:
    now = clock.now()
    entropy = next(_numbers).to_bytes(ENTROPY_BYTES)
    known: dict[str, Any] = {"team_id": "team", "agent_id": "agent", "agent_version": "1"}
    known |= {"status": Status.PENDING, "created_at": now, "updated_at": now}
    known |= {"metadata": {}, "event_seq": 1, "id": new_id("exec", now, entropy)}
    return Execution(**(known | fields))


async def claim(store: Store, agent_id: str = "agent", worker_id: str = "worker") -> Any:
    found = await store.claim([Offer(agent_id, ("1",), 1)], 1, worker_id, Turns())
    [claimed] = found.claims
    return claimed


def test_counts_are_of_the_team_and_of_what_matches(
    run: Callable[[Work], None], clock: SetClock
) -> None:
    async def work(store: Store, reports: Reports) -> None:
        first = new(clock, metadata={"color": "red"})
        for one in (first, new(clock, agent_id="b"), new(clock, team_id="other")):
            await store.create(one)
        await store.apply(first.id, Cancel(None))

        async def counts(**query: Any) -> dict[str, int]:
            found = await reports.counts("team", ListQuery(**query))
            assert set(found) == set(Status)
            return {status.value: number for status, number in found.items() if number}

        assert await counts() == {"cancelled": 1, "pending": 1}
        assert await counts(statuses=(Status.FAILED,), page=9) == {"cancelled": 1, "pending": 1}
        assert await counts(order_by=OrderBy.STATUS) == {"cancelled": 1, "pending": 1}
        assert await counts(agent_id="b") == {"pending": 1}
        assert await counts(metadata={"color": "red"}) == {"cancelled": 1}
        assert await counts(created_after=first.created_at) == {"pending": 1}
        assert await counts(id_prefix=first.id) == {"cancelled": 1}
        assert await counts(label_prefix="re") == {"cancelled": 1}

    run(work)


def test_a_search_finds_ids_and_labels_by_how_they_begin(
    run: Callable[[Work], None], clock: SetClock
) -> None:
    async def work(store: Store, _reports: Reports) -> None:
        red = new(clock, metadata={"a": "x", "color": "red wine"}, input_data={"n": 1})
        blue = new(clock, metadata={"b": "red"})
        for one in (red, blue, new(clock, team_id="other", metadata={"b": "red"})):
            await store.create(one)

        async def ids(**query: Any) -> list[str]:
            found = await store.list("team", ListQuery(**query))
            assert found.total == len(found.items)
            return [one.id for one in found.items]

        assert await ids(label_prefix="red") == [blue.id, red.id]
        assert await ids(label_prefix="red w") == [red.id]
        assert await ids(label_prefix="e") == []
        assert await ids(label_prefix="color") == []
        assert await ids(id_prefix=red.id) == [red.id]
        assert await ids(id_prefix="exec_") == [blue.id, red.id]
        assert await ids(id_prefix="agent") == []
        assert await ids(id_suffix=red.id[-8:]) == [red.id]
        assert await ids(id_suffix=red.id[:8]) == []
        [light] = (await store.list("team", ListQuery(id_prefix=red.id, has_payloads=False))).items
        assert light == red._replace(input_data=None)

    run(work)


def test_queues_tell_what_could_run_from_what_waits_for_something_else(
    run: Callable[[Work], None], clock: SetClock
) -> None:
    async def work(store: Store, reports: Reports) -> None:
        oldest = new(clock)
        for one in (
            oldest,
            new(clock),
            new(clock, run_at=FOREVER),
            new(clock, agent_id="b", run_at=clock.at + MINUTE),
            new(clock, team_id="other"),
        ):
            await store.create(one)
        assert list(await reports.queues("team")) == [
            Queue("agent", 2, 1, oldest.id),
            Queue("b", 0, 1, None),
        ]
        assert list(await reports.queues("nobody")) == []

    run(work)


def test_loads_tell_who_runs_what(run: Callable[[Work], None], clock: SetClock) -> None:
    async def work(store: Store, reports: Reports) -> None:
        for one in (new(clock), new(clock), new(clock, agent_id="b"), new(clock)):
            await store.create(one)
        await claim(store)
        await claim(store)
        await claim(store, "b", "other")
        assert list(await reports.loads("team")) == [
            Load("other", "b", 1),
            Load("worker", "agent", 2),
        ]
        assert list(await reports.loads("nobody")) == []

    run(work)


def test_ends_fall_into_their_slots_with_how_long_they_took(
    run: Callable[[Work], None], clock: SetClock
) -> None:
    async def work(store: Store, reports: Reports) -> None:
        since = clock.at
        for minute, command in (
            (0, lambda fence: Complete(fence, "done")),
            (2, lambda fence: Complete(fence, "done")),
            (2, lambda fence: Fail(fence, Failure("agent_error", "no"))),
            (2, lambda _: Cancel(None)),
        ):
            clock.at = max(clock.at, since + minute * MINUTE)
            one = new(clock)
            await store.create(one)
            taken = await claim(store)
            clock.at += 3 * SECOND
            await store.apply(one.id, command(taken.fence))
        found = await reports.ends("team", since, MINUTE, 4)
        assert [slot.begun_at for slot in found] == [since + n * MINUTE for n in range(4)]
        assert [dict(slot.ended) for slot in found] == [
            {Status.COMPLETED: 1},
            {},
            {Status.COMPLETED: 1, Status.FAILED: 1, Status.CANCELLED: 1},
            {},
        ]
        assert [[round(span) for span in slot.seconds] for slot in found] == [[3], [], [3, 3], []]
        assert not any(slot.ended for slot in await reports.ends("nobody", since, MINUTE, 4))

    run(work)


def test_storage_tells_the_kind_and_the_room(run: Callable[[Work], None]) -> None:
    async def work(_store: Store, reports: Reports) -> None:
        storage = await reports.storage()
        assert storage.kind.split()[0] in ("SQLite", "PostgreSQL")
        assert storage.octets > 10_000

    run(work)


def test_runs_are_an_agents_newest_without_their_payloads(
    run: Callable[[Work], None], clock: SetClock
) -> None:
    async def work(store: Store, reports: Reports) -> None:
        first, second = new(clock, input_data={"n": 1}), new(clock)
        for one in (first, second, new(clock, agent_id="b"), new(clock, team_id="other")):
            await store.create(one)
        claimed = await claim(store)
        await store.apply(first.id, Complete(claimed.fence, {"m": 2}))
        newest, oldest = await reports.runs("team", "agent", 10)
        assert (newest.id, newest.status, newest.ended_at) == (second.id, Status.PENDING, None)
        assert (oldest.id, oldest.status, oldest.usage) == (first.id, Status.COMPLETED, {})
        assert oldest.started_at is not None
        assert oldest.ended_at is not None
        assert oldest.created_at < oldest.started_at < oldest.ended_at
        assert [one.id for one in await reports.runs("team", "agent", 1)] == [second.id]
        assert await reports.runs("other", "b", 10) == []

    run(work)
