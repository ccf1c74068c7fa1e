"""What those who follow a team, or an execution, are promised on every store."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.support.stores import CLOCK, Opened, claim, new, run

from moderately.domain.execution import Event, NewEvent
from moderately.domain.following import EventFilter, Place
from moderately.domain.storing import Store
from moderately.http.streams import Stream
from moderately.service import team_feed
from moderately.service.feed import Feed, Following
from moderately.service.team_feed import TeamFeed, TeamFollowing
from moderately.service.told import Told
from moderately.store.sqlite import open_stores as open_sqlite

EVERYTHING = EventFilter()


class Reader:
    """A reader that takes whatever is written, and the moments at which it was."""

    def __init__(self) -> None:
        self.is_full = False
        self.is_lost = False
        self.written: list[tuple[float, bytes]] = []
        self.beaten = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.written.append((time.monotonic(), data))
        if data == b"beat":
            self.beaten.set()

    async def drain(self) -> None:
        """It is never full."""

    def notify(self, on_lost: Callable[[], None]) -> None:
        self.on_lost = on_lost

    def abort(self) -> None:
        self.is_lost = True

    def go(self) -> None:
        self.is_lost = True
        self.on_lost()


def stream_of(following: TeamFollowing, heartbeat: float) -> Stream:
    def beat() -> bytes:
        return b"beat"

    return Stream(following, lambda _: b"event", opening=b"open", beat=beat, heartbeat=heartbeat)


async def heard(following: TeamFollowing, number: int) -> list[tuple[str, int]]:
    """So many events, or what is given within a second."""
    found: list[tuple[str, int]] = []

    def push(told: Sequence[Told]) -> bool:
        found.extend((one.event.execution_id, one.event.seq) for one in told)
        return len(found) < number

    until = time.monotonic() + 1
    while len(found) < number and time.monotonic() < until:
        told = await following.more()
        if told is None:
            await following.rest(push, until - time.monotonic())
        else:
            push(told)
    return found


def test_a_follower_goes_on_within_the_newest_commit(opened: Opened) -> None:
    async def work(store: Store) -> None:
        execution = new()
        await store.create(execution)
        await claim(store)
        await store.append(execution.id, 1, [NewEvent("log", {"n": n}) for n in range(30)])
        feed = TeamFeed(store)
        places = [
            one.place or Place() for one in (await feed.page("team", EVERYTHING, Place(), 100)).told
        ]
        assert len(places) == 32
        for given, place in enumerate([Place(), *places]):
            following = await feed.follow("team", EVERYTHING, place)
            told = [seq for _, seq in await heard(following, 32 - given)]
            following.close()
            assert told == list(range(given + 1, 33)), place

    run(opened, work)


def test_whoever_comes_while_commits_are_given_out_misses_none(opened: Opened) -> None:
    """What is read takes several turns of the event loop, and they come in the midst of it."""
    wants = EventFilter(metadata={"mine": "yes"})

    async def work(store: Store) -> None:
        feed = TeamFeed(store)
        other = await feed.follow("other", EVERYTHING, None)
        for turns in range(40):
            place = other.place
            mine = new(metadata={"mine": "yes"})
            crowd = [new(team_id="other") for _ in range(50)]
            await asyncio.gather(*(store.create(one) for one in [mine, *crowd]))
            for _ in range(turns % 20):
                await asyncio.sleep(0)
            following = await feed.follow("team", EVERYTHING if turns < 20 else wants, place)
            assert await heard(following, 1) == [(mine.id, 1)], turns
            following.close()
            assert len(await heard(other, 50)) == 50
        other.close()

    run(opened, work)


def test_labels_are_known_however_many_there_are(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_feed, "_LABELS_KEPT", 2)

    async def work(store: Store) -> None:
        feed = TeamFeed(store)
        following = await feed.follow("team", EventFilter(metadata={"mine": "yes"}), None)
        mine = [new(metadata={"mine": "yes"}) for _ in range(5)]
        listening = asyncio.create_task(heard(following, 5))
        await asyncio.sleep(0)
        await asyncio.gather(*(store.create(one) for one in mine))
        assert sorted(await listening) == sorted((one.id, 1) for one in mine)
        following.close()

    run(opened, work)


def test_a_reader_of_a_long_log_holds_up_nobody_and_hears_that_it_goes_on(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_feed, "_COMMITS", 1)

    async def work(store: Store) -> None:
        for _ in range(50):
            await store.create(new())
        feed, newest = TeamFeed(store), await store.newest_commit()
        wanted = EventFilter(agent_id="nobody")
        following = await feed.follow("team", wanted, Place())
        reader = Reader()
        reading = asyncio.create_task(stream_of(following, 1e-6).run(reader))
        turns = 0
        while following.place.is_before(Place.behind(newest)):
            turns += 1
            await asyncio.sleep(0)
        reader.go()
        await reading
        following.close()
        assert turns >= 50
        assert [data for _, data in reader.written].count(b"beat") >= 49

    run(opened, work)


def test_no_silence_is_longer_than_a_heartbeat(opened: Opened) -> None:
    async def work(store: Store) -> None:
        feed, reader = TeamFeed(store), Reader()
        following = await feed.follow("team", EVERYTHING, None)
        reading = asyncio.create_task(stream_of(following, 1.0).run(reader))
        await asyncio.sleep(0.2)
        await store.create(new())
        await reader.beaten.wait()
        reader.go()
        await reading
        following.close()
        times = [at for at, _ in reader.written]
        assert [data for _, data in reader.written] == [b"open", b"event", b"beat"]
        assert 0.9 < times[2] - times[1] < 1.5

    run(opened, work)


def test_a_reader_that_is_ahead_of_what_the_process_knows_is_told_nothing_twice(
    tmp_path: Path,
) -> None:
    """A commit can be read from the moment it is on disk, and is known here a moment later."""
    goes_on, is_held = threading.Event(), threading.Event()
    goes_on.set()

    def at(place: str) -> None:
        if place == "committed" and not goes_on.is_set():
            is_held.set()
            assert goes_on.wait(10)

    async def work() -> None:
        async with open_sqlite(tmp_path / "s.db", CLOCK, at=at) as stores:
            store, execution = stores.executions, new()
            await store.create(execution)
            await claim(store)
            feed = Feed(store)
            goes_on.clear()
            writing = asyncio.ensure_future(store.append(execution.id, 1, [NewEvent("log", {})]))
            await asyncio.to_thread(is_held.wait, 10)
            [event] = await store.events(execution.id, after=2, limit=10)
            following = await feed.follow("team", execution.id, event.seq, with_live=False)
            goes_on.set()
            await writing
            assert following.after == event.seq
            await store.append(execution.id, 1, [NewEvent("log", {})])
            assert await heard_of_one(following) == [4]
            following.close()
            beyond = await feed.follow("team", execution.id, 99, with_live=False)
            assert beyond.after == 4
            beyond.close()

    asyncio.run(work())


async def heard_of_one(following: Following) -> list[int]:
    """The numbers of the next events that a follower of one execution gets."""
    found: list[int] = []

    def push(told: Sequence[Told]) -> bool:
        found.extend(one.event.seq for one in told if isinstance(one.event, Event))
        return False

    told = await following.more()
    if told is None:
        await following.rest(push, 5)
    else:
        push(told)
    return found
