"""What every store promises of the log of commits, and of what is told but never stored."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from tests.support.stores import CLOCK, Opened, claim, new, run

from moderately.domain.commands import Cancel, Complete, Park, Release
from moderately.domain.errors import DomainError, FencedOut
from moderately.domain.execution import Execution, NewEvent, Step
from moderately.domain.log import Commit, LiveEvent, Touch
from moderately.domain.storing import Idempotency, Store
from moderately.protocol.vocabulary import Status


async def whole_log(store: Store) -> list[Commit]:
    """The log, read a little at a time."""
    found: list[Commit] = []
    while more := await store.commits(after=found[-1].number if found else 0, limit=3):
        found += more
    return found


def ranges(commits: Sequence[Commit]) -> list[tuple[str, int, int]]:
    touches = [touch for commit in commits for touch in commit.touches]
    return [(touch.execution_id, touch.first_seq, touch.last_seq) for touch in touches]


async def live_a_life(store: Store) -> list[Execution]:
    """Every kind of write that records events; gives the executions that there are then."""
    parent, other, third = new(), new(team_id="other", agent_id="second"), new(metadata={"k": "v"})
    await asyncio.gather(*(store.create(one) for one in (parent, other, third)))
    await claim(store, 9, agent=9, second=9)
    step = Step("0/1", "step", "s", "completed", result=1, started_at=1, ended_at=2)
    await store.record(parent.id, 1, step)
    await store.enter(parent.id, 1, step._replace(id="0/2", status="started", effects="unsafe"))
    events = [NewEvent("log", {"n": n}) for n in range(5)]
    await asyncio.gather(store.append(parent.id, 1, events), store.append(third.id, 1, events))
    await store.wait(third.id, 1, step._replace(status="waiting", wait={"wake_at": 1}))
    await store.apply(third.id, Park(1, 1, {"kind": "sleep"}, ()))
    await store.wake_due()
    child = new(parent_id=parent.id, parent_step="0/3")
    waiting = Step("0/3", "agent", "a", "waiting", wait={"execution_id": child.id})
    await store.spawn(1, waiting, child)
    await store.apply(other.id, Release(1, "x"))
    await store.apply(parent.id, Cancel("enough"))
    fork = new()
    await store.fork(parent.id, fork, 1)
    return [parent, other, third, child, fork]


def test_every_event_is_in_one_commit_and_each_execution_in_its_order(opened: Opened) -> None:
    async def work(store: Store) -> None:
        executions = await live_a_life(store)
        log = await whole_log(store)
        assert [one.number for one in log] == sorted({one.number for one in log})
        touched = [[touch.execution_id for touch in commit.touches] for commit in log]
        assert all(len(names) == len(set(names)) > 0 for names in touched)
        told: dict[str, list[int]] = {}
        last: dict[str, Touch] = {}
        for touch in (touch for commit in log for touch in commit.touches):
            seqs = range(touch.first_seq, touch.last_seq + 1)
            told.setdefault(touch.execution_id, []).extend(seqs)
            last[touch.execution_id] = touch
        assert set(told) == {one.id for one in executions}
        for execution in executions:
            found = await store.get(execution.team_id, execution.id)
            assert found is not None
            assert told[found.id] == list(range(1, found.event_seq + 1))
            touch = last[found.id]
            assert touch[:2] == (found.team_id, found.agent_id)
            assert touch.status is found.status

    run(opened, work)


def test_the_events_of_the_log_are_those_that_each_execution_has(opened: Opened) -> None:
    async def work(store: Store) -> None:
        executions = await live_a_life(store)
        wanted = ranges(await whole_log(store))
        events = list(await store.events_between(wanted))
        in_order = [(name, n) for name, first, last in wanted for n in range(first, last + 1)]
        assert [(event.execution_id, event.seq) for event in events] == in_order
        for execution in executions:
            own = [event for event in events if event.execution_id == execution.id]
            assert own == list(await store.events(execution.id, after=0, limit=100))
        assert await store.events_between([]) == []
        many = [*reversed(wanted)] * 200
        found = Counter((e.execution_id, e.seq) for e in await store.events_between(many))
        assert found == dict.fromkeys(in_order, 200)

    run(opened, work)


def test_what_a_transaction_records_of_an_execution_is_one_touch(opened: Opened) -> None:
    async def work(store: Store) -> None:
        execution = new()
        await store.create(execution)
        await claim(store)
        await store.append(execution.id, 1, [NewEvent("log", {}), NewEvent("log", {})])
        commit = await store.newest_commit()
        assert commit is not None
        touch = Touch("team", "agent", execution.id, 3, 4, Status.RUNNING)
        assert commit.touches == (touch,)
        await store.apply(execution.id, Complete(1, None))
        done = await store.newest_commit()
        assert done is not None
        assert done.touches == (touch._replace(first_seq=5, last_seq=5, status=Status.COMPLETED),)
        assert done.created_at > commit.created_at > 0
        assert await store.commit(commit.number) == commit
        assert await store.commit(done.number + 1) is None
        assert await store.commits(after=commit.number, limit=9) == [done]

    run(opened, work)


def test_a_transaction_without_events_is_not_in_the_log(opened: Opened) -> None:
    async def work(store: Store) -> None:
        assert await store.newest_commit() is None
        assert await store.commits(after=0, limit=9) == []
        execution, repeat = new(), Idempotency("key", "print")
        await store.create(execution, repeat)
        [before] = await store.commits(after=0, limit=9)
        await store.create(new(), repeat)
        await store.heartbeat("worker", 60, {})
        await store.wake_due()
        with pytest.raises(FencedOut):
            await store.append(execution.id, 7, [NewEvent("log", {})])
        with pytest.raises(DomainError):
            await store.apply("exec_none", Cancel())
        assert await store.newest_commit() == before

    run(opened, work)


def test_what_was_deleted_is_left_out_and_the_log_goes_on(opened: Opened) -> None:
    async def work(store: Store) -> None:
        gone, kept = new(), new()
        await store.create(gone)
        await store.create(kept)
        await store.apply(gone.id, Cancel())
        before = await whole_log(store)
        await store.delete("team", gone.id)
        assert await whole_log(store) == before
        events = await store.events_between(ranges(before))
        assert [(event.execution_id, event.seq) for event in events] == [(kept.id, 1)]
        await store.apply(kept.id, Cancel())
        assert [*before, await store.newest_commit()] == await whole_log(store)

    run(opened, work)


def test_pruning_removes_old_commits_but_never_the_newest(opened: Opened) -> None:
    async def work(store: Store) -> None:
        executions = [new() for _ in range(4)]
        for execution in executions:
            await store.create(execution)
        log = await whole_log(store)
        await store.prune(log[2].created_at, 10)
        assert await whole_log(store) == log[2:]
        assert await store.commit(log[1].number) is None
        await store.prune(CLOCK.now(), 10)
        assert await whole_log(store) == log[3:]
        assert await store.newest_commit() == log[3]

    async def go_on(store: Store) -> None:
        newest = await store.newest_commit()
        assert newest is not None
        await store.create(new())
        after = await store.newest_commit()
        assert after is not None
        assert after.number > newest.number

    run(opened, work)
    run(opened, go_on)


def test_numbers_go_on_where_the_last_owner_left_off(opened: Opened) -> None:
    log: list[Commit] = []

    async def write(store: Store) -> None:
        await live_a_life(store)
        log.extend(await whole_log(store))

    async def go_on(store: Store) -> None:
        assert await store.newest_commit() == log[-1]
        assert await whole_log(store) == log
        await store.create(new())
        assert (await whole_log(store))[:-1] == log

    run(opened, write)
    run(opened, go_on)


def test_whoever_asked_for_it_is_told_that_the_log_has_more(opened: Opened) -> None:
    async def work(store: Store) -> None:
        told = asyncio.Event()
        store.subscribe(lambda _: None, on_commit=told.set)
        seen: list[Commit] = []
        for _ in range(3):
            told.clear()
            await store.create(new())
            assert told.is_set()
            seen += await store.commits(after=seen[-1].number if seen else 0, limit=9)
        assert seen == await whole_log(store)
        assert len(seen) == 3

    run(opened, work)


def test_live_events_reach_those_who_watch_and_nobody_else(opened: Opened) -> None:
    async def work(store: Store) -> None:
        watched, heard, deaf = {"exec_a"}, list[LiveEvent](), list[LiveEvent]()
        store.subscribe(lambda _: None, watched=watched, on_live=heard.extend)
        store.subscribe(lambda _: None, watched=("exec_c",), on_live=deaf.extend)
        store.subscribe(lambda _: None, watched=watched)
        events = [LiveEvent(name, "token", {"text": name}, 5) for name in ("exec_a", "exec_b")]
        store.broadcast(events)
        assert heard == events[:1]
        watched.add("exec_b")
        store.broadcast(events)
        assert heard == [events[0], *events]
        assert deaf == []
        assert await store.newest_commit() is None

    run(opened, work)


def test_a_listener_that_fails_keeps_nobody_else_from_hearing(opened: Opened) -> None:
    async def work(store: Store) -> None:
        def stumble(*_: object) -> None:
            raise LookupError("nobody expects this")

        heard: list[object] = []
        store.subscribe(stumble, watched=("x",), on_commit=stumble, on_live=stumble)
        store.subscribe(heard.append, watched=("x",), on_live=heard.append)
        await store.create(new())
        await store.create(new())
        store.broadcast([LiveEvent("x", "token", {}, 1)])
        assert len(heard) == 3

    run(opened, work)


def test_what_was_used_is_kept_with_the_execution(opened: Opened) -> None:
    execution = new(usage={"steps": 2, "cost": 0.25})

    async def write(store: Store) -> None:
        await store.create(execution)

    async def read(store: Store) -> None:
        found = await store.get("team", execution.id)
        assert found is not None
        assert found.usage == execution.usage
        done = await store.apply(execution.id, Cancel())
        assert done.usage == execution.usage
        assert await store.get("team", execution.id) == done

    run(opened, write)
    run(opened, read)
