"""What every store promises. Each store is a parameter of the fixture `opened`."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.stores import CLOCK, Opened, claim, new, run

from moderately.domain.agents import AgentVersion
from moderately.domain.claims import Offer
from moderately.domain.commands import (
    Cancel,
    Complete,
    Fail,
    Move,
    Park,
    Pause,
    Release,
    RetryLater,
    Start,
)
from moderately.domain.errors import (
    Conflict,
    DomainError,
    ExecutionNotFound,
    ExecutionNotTerminal,
    ExecutionTerminal,
    FencedOut,
    IdempotencyKeyReused,
    IllegalTransition,
)
from moderately.domain.execution import FOREVER, Claim, Execution, Failure, NewEvent, Step
from moderately.domain.fairness import KEYS_AT_ONCE, TEAMS_AT_ONCE, Turns
from moderately.domain.limits import Rate
from moderately.domain.listing import Cursor, ListQuery
from moderately.domain.storing import Change, Idempotency, Store
from moderately.protocol.vocabulary import OrderBy, OrderDirection, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def take(store: Store, offer: Offer) -> list[Claim]:
    return list((await store.claim([offer], 10, "worker", Turns())).claims)


async def kinds(store: Store, execution: Execution) -> list[str]:
    events = await store.events(execution.id, after=0, limit=100)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.type for event in events]


def test_what_is_created_reads_back_after_a_new_start(opened: Opened) -> None:
    text = "\U0001f600 ü \\ud800"
    execution = new(input_data={"q": [text, None, 1.5]}, metadata={"k": "v"}, priority=-3)

    async def write(store: Store) -> None:
        assert (await store.create(execution)).execution == execution

    async def read(store: Store) -> None:
        assert await store.get("team", execution.id) == execution
        assert await store.get("other", execution.id) is None
        assert await kinds(store, execution) == ["execution.created"]

    run(opened, write)
    run(opened, read)


def test_a_run_goes_from_claim_to_its_end(opened: Opened) -> None:
    async def work(store: Store) -> None:
        changes: list[Change] = []
        store.subscribe(changes.extend)
        await store.create(new())
        [taken] = await claim(store)
        assert taken.execution.status is Status.RUNNING
        done = await store.apply(taken.execution.id, Complete(taken.fence, None))
        assert done == await store.get("team", done.id)
        assert (done.status, done.output_data) == (Status.COMPLETED, None)
        assert [change.status.value for change in changes] == ["pending", "running", "completed"]
        assert changes[-1].execution == done

    run(opened, work)


def test_claims_take_the_higher_priority_first_and_no_more_than_asked(opened: Opened) -> None:
    async def work(store: Store) -> None:
        low, high, other = new(), new(priority=5), new(agent_id="other")
        again = new(priority=5)
        for execution in (low, high, other, again):
            await store.create(execution)
        claims = await claim(store, 10, agent=2, other=0)
        assert [one.execution.id for one in claims] == [high.id, again.id]
        claims = await claim(store, 1, agent=9, other=9)
        assert [one.execution.id for one in claims] == [low.id]
        assert await claim(store, 9, nobody=9) == []

    run(opened, work)


def test_an_execution_can_start_in_the_transaction_that_creates_it(opened: Opened) -> None:
    async def work(store: Store) -> None:
        changes: list[Change] = []
        store.subscribe(changes.extend)
        execution = new()
        repeat = Idempotency("key", "print")
        created = await store.create(execution, repeat, start=Start())
        assert (created.execution, created.started, created.replayed) == (execution, True, False)
        stored = await store.get("team", execution.id)
        assert stored is not None
        assert (stored.status, stored.fence, stored.attempt) == (Status.RUNNING, 1, 1)
        assert [change.execution for change in changes] == [stored]
        assert await kinds(store, execution) == ["execution.created", "execution.started"]
        assert await claim(store) == []
        again = await store.create(new(), repeat, start=Start())
        assert (again.execution, again.started, again.replayed) == (execution, False, True)
        assert len(changes) == 1

    run(opened, work)


def test_a_stale_fence_writes_nothing(opened: Opened) -> None:
    async def work(store: Store) -> None:
        created = new()
        await store.create(created)
        [stale] = await claim(store)
        await store.apply(created.id, Release(stale.fence, "gone"))
        [fresh] = await claim(store)
        before = await store.get("team", created.id)
        step = Step("0/1", "step", "s", "completed", result=1, started_at=1, ended_at=2)
        failure, blocked_on = Failure("agent_error", "x"), {"kind": "sleep"}
        waiting = step._replace(status="waiting", wait={"wake_at": 9})
        child = new(parent_id=created.id, parent_step="0/1")
        for write in (
            store.apply(created.id, Complete(stale.fence, 1)),
            store.apply(created.id, Fail(stale.fence, failure)),
            store.apply(created.id, RetryLater(stale.fence, failure, 9)),
            store.apply(created.id, Release(stale.fence, "x")),
            store.apply(created.id, Park(stale.fence, 9, blocked_on, ())),
            store.apply(created.id, Pause(stale.fence, 9, blocked_on, (), "x")),
            store.record(created.id, stale.fence, step),
            store.enter(created.id, stale.fence, step),
            store.enter(created.id, stale.fence, step._replace(effects="unsafe")),
            store.wait(created.id, stale.fence, waiting),
            store.spawn(stale.fence, waiting, child),
            store.append(created.id, stale.fence, [NewEvent("log", {})]),
        ):
            with pytest.raises(FencedOut):
                await write
        assert await store.get("team", created.id) == before
        assert await store.steps(created.id) == []
        assert await store.get("team", child.id) is None
        await store.apply(created.id, Complete(fresh.fence, 1))

    run(opened, work)


def test_nothing_is_recorded_after_a_cancel(opened: Opened) -> None:
    async def work(store: Store) -> None:
        created = new()
        await store.create(created)
        [taken] = await claim(store)
        cancelled = await store.apply(created.id, Cancel("enough"), team_id="team")
        step = Step("0/1", "step", "s", "completed", result=1, started_at=1, ended_at=2)
        for write in (
            store.record(created.id, taken.fence, step),
            store.append(created.id, taken.fence, [NewEvent("log", {})]),
            store.apply(created.id, Complete(taken.fence, 1)),
        ):
            with pytest.raises(FencedOut):
                await write
        with pytest.raises(ExecutionTerminal):
            await store.apply(created.id, Cancel())
        assert await store.get("team", created.id) == cancelled
        assert (await kinds(store, created))[-1] == "execution.cancelled"

    run(opened, work)


def test_steps_and_events_share_their_commit(opened: Opened) -> None:
    async def work(store: Store) -> None:
        created = new()
        await store.create(created)
        [taken] = await claim(store)
        good = Step("0/1", "step", "read", "completed", result={"a": [1]}, ended_at=20)
        error = {"type": "OSError", "message": "x"}
        bad = Step("0/2", "step", "write", "failed", error=error, started_at=20, ended_at=30)
        await store.enter(created.id, taken.fence, good)
        await store.record(created.id, taken.fence, good)
        await store.append(created.id, taken.fence, [NewEvent("log", {"n": n}) for n in (1, 2)])
        await store.record(created.id, taken.fence, bad)
        recorded = [good._replace(position=1), bad._replace(position=2)]
        assert await store.steps(created.id) == recorded
        assert (await kinds(store, created))[2:] == [
            "step.completed",
            "log",
            "log",
            "step.failed",
        ]
        found = await store.get("team", created.id)
        assert found is not None
        assert (found.step_count, found.event_seq) == (2, 6)

    run(opened, work)


def test_an_idempotency_key_stands_for_one_execution(opened: Opened) -> None:
    async def work(store: Store) -> None:
        key = Idempotency("key", "digest")
        creates = [store.create(new(), key) for _ in range(10)]
        made = await asyncio.gather(*creates)
        assert len({one.execution.id for one in made}) == 1
        assert sum(not one.replayed for one in made) == 1
        with pytest.raises(IdempotencyKeyReused):
            await store.create(new(), Idempotency("key", "other"))
        other = await store.create(new(team_id="other"), key)
        assert not other.replayed
        first = made[0].execution
        await store.apply(first.id, Cancel())
        await store.delete("team", first.id)
        assert not (await store.create(new(), key)).replayed

    run(opened, work)


def test_a_refused_write_never_fails_its_neighbours(opened: Opened) -> None:
    async def work(store: Store) -> None:
        good, twice = new(), new()
        await store.create(twice)
        writes: list[Awaitable[Any]] = [
            store.create(good),
            store.apply("exec_none", Cancel()),
            # The same id again fails in the database itself: its batch is rolled back and redone.
            store.create(twice),
            store.create(new()),
        ]
        found = await asyncio.gather(*writes, return_exceptions=True)
        assert [isinstance(one, Exception) for one in found] == [False, True, True, False]
        assert isinstance(found[1], ExecutionNotFound)
        assert await store.get("team", good.id) == good
        assert await kinds(store, good) == ["execution.created"]

    run(opened, work)


def test_only_what_has_ended_can_be_deleted(opened: Opened) -> None:
    async def work(store: Store) -> None:
        created = new(metadata={"a": "b"})
        await store.create(created)
        with pytest.raises(ExecutionNotTerminal):
            await store.delete("team", created.id)
        await store.apply(created.id, Cancel())
        with pytest.raises(ExecutionNotFound):
            await store.delete("other", created.id)
        await store.delete("team", created.id)
        assert await store.get("team", created.id) is None
        assert await store.events(created.id, after=0, limit=9) == []

    run(opened, work)


def test_what_ran_when_its_owner_died_goes_back(opened: Opened) -> None:
    created = new()

    async def die(store: Store) -> None:
        await store.create(created)
        await claim(store)

    async def take_over(store: Store) -> None:
        assert await store.recover("gone") == 1
        [taken] = await claim(store)
        assert (taken.execution.attempt, taken.fence) == (2, 2)

    run(opened, die)
    run(opened, take_over)


def test_versions_of_agents_never_change_their_schemas(opened: Opened) -> None:
    def version(name: str, schema: dict[str, Any], **fields: Any) -> AgentVersion:
        return AgentVersion("agent", name, "d", schema, {}, **fields)

    async def work(store: Store) -> None:
        await store.register([version("1", {"type": "object"})])
        await store.register([version("1", {"type": "object"}, max_concurrency=3)])
        with pytest.raises(Conflict, match="input_schema"):
            await store.register([version("1", {"type": "array"})])
        await store.register([version("2", {"type": "array"})])
        agent = await store.agent("agent")
        assert agent is not None
        assert agent.newest.version == "2"
        assert [v.version for v in await store.agent_versions("agent")] == ["2", "1"]
        assert (await store.agents(offset=0, limit=9))[1] == 1

    run(opened, work)


COMMANDS = st.lists(
    st.one_of(
        st.just(Start()),
        st.builds(Complete, st.integers(1, 3), st.none()),
        st.builds(Fail, st.integers(1, 3), st.just(Failure("agent_error", "x"))),
        st.builds(Release, st.integers(1, 3), st.just("x")),
        st.builds(Cancel),
    ),
    max_size=12,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(COMMANDS)
def test_commands_at_once_leave_one_end_and_no_gap(opened: Opened, commands: list[Any]) -> None:
    async def work(store: Store) -> None:
        created = new()
        await store.create(created)
        found = await asyncio.gather(
            *(store.apply(created.id, command) for command in commands), return_exceptions=True
        )
        landed = [one for one in found if isinstance(one, Execution)]
        refused = [one for one in found if not isinstance(one, Execution)]
        assert all(isinstance(e, DomainError | FencedOut | IllegalTransition) for e in refused)
        final = await store.get("team", created.id)
        assert final is not None
        assert final == (landed[-1] if landed else created)
        assert sum(one.status.is_terminal for one in landed) <= 1
        assert len(await kinds(store, created)) == final.event_seq == 1 + len(landed)

    run(opened, work)


def test_what_silent_workers_run_is_given_back_and_what_others_run_is_not(opened: Opened) -> None:
    async def work(store: Store) -> None:
        silent, alive = new(), new()
        for execution, worker, seconds in ((silent, "silent", 0.0), (alive, "alive", 3600.0)):
            await store.create(execution, start=Start(worker))
            await store.heartbeat(worker, seconds, {"agent": ["1"]})
        workers = await store.workers()
        assert [(one.id, one.is_alive) for one in workers] == [("alive", True), ("silent", False)]
        assert workers[0].serves == {"agent": ("1",)}
        assert await store.release_lapsed("silent") == 1
        assert await store.release_lapsed("silent") == 0
        found = [await store.get("team", one.id) for one in (silent, alive)]
        assert [one.status.value for one in found if one] == ["pending", "running"]

    run(opened, work)


def test_large_results_are_kept_whole_and_forked_whole(opened: Opened) -> None:
    async def work(store: Store) -> None:
        first, fork = new(), new(step_count=1)
        await store.create(first, start=Start("worker"))
        step = Step("0/1", "step", "s", "completed", result="ü" * 100_000, ended_at=1)
        await store.record(first.id, 1, step)
        await store.record(first.id, 1, step._replace(id="0/2", result=1))
        await store.fork(first.id, fork, 2)
        assert (await store.steps(first.id))[0].result == "ü" * 100_000
        [shared] = await store.steps(fork.id)
        assert (shared.result, shared.shared, shared.position) == ("ü" * 100_000, True, 1)
        await store.apply(first.id, Cancel())
        await store.delete("team", first.id)
        assert len(await store.steps(fork.id)) == 1

    run(opened, work)


def test_a_recorded_step_never_changes(opened: Opened) -> None:
    async def work(store: Store) -> None:
        created = new()
        await store.create(created, start=Start("worker"))
        step = Step("0/1", "step", "s", "completed", result=1, ended_at=1)
        await store.record(created.id, 1, step)
        with pytest.raises(Exception, match="never changes"):
            await store.record(created.id, 1, step._replace(result=2))
        assert [one.result for one in await store.steps(created.id)] == [1]
        assert len(await kinds(store, created)) == 3

    run(opened, work)


def test_a_park_that_comes_too_late_goes_on_at_once(opened: Opened) -> None:
    async def work(store: Store) -> None:
        parent = new()
        await store.create(parent, start=Start("worker"))
        child = new(parent_id=parent.id, parent_step="0/1")
        step = Step("0/1", "agent", "agent", "waiting", wait={"execution_id": child.id})
        await store.spawn(1, step, child)
        await store.apply(child.id, Cancel("enough"))
        parked = await store.apply(parent.id, Park(1, FOREVER, {"kind": "agent"}, ("0/1",)))
        assert (parked.status, parked.run_at) == (Status.PENDING, None)
        [settled] = await store.steps(parent.id)
        assert (settled.status, settled.position) == ("failed", 1)
        [claimed] = await claim(store)
        assert claimed.execution.id == parent.id

    run(opened, work)


def test_a_child_that_is_created_as_its_parent_is_cancelled_goes_with_it(opened: Opened) -> None:
    async def work(store: Store) -> None:
        parent = new()
        await store.create(parent, start=Start())
        child = new(parent_id=parent.id, parent_step="0/1")
        step = Step("0/1", "agent", "a", "waiting", wait={"execution_id": child.id})
        # Both go in one transaction.
        await asyncio.gather(store.spawn(1, step, child), store.apply(parent.id, Cancel()))
        for execution in (parent, child):
            found = await store.get("team", execution.id)
            assert found is not None
            assert found.status is Status.CANCELLED

    run(opened, work)


def test_a_cancelled_parent_takes_its_children_with_it_and_gets_no_more(opened: Opened) -> None:
    async def work(store: Store) -> None:
        parent = new()
        await store.create(parent, start=Start("worker"))
        children = [new(parent_id=parent.id, parent_step=f"0/{n}") for n in (1, 2)]
        for child in children:
            step = Step(child.parent_step or "", "agent", "agent", "waiting")
            await store.spawn(1, step, child)
        await store.apply(parent.id, Cancel())
        for child in children:
            found = await store.get("team", child.id)
            assert found is not None
            assert found.status is Status.CANCELLED
        with pytest.raises(FencedOut):
            await store.spawn(1, Step("0/3", "agent", "agent", "waiting"), new(parent_id=parent.id))

    run(opened, work)


def test_keys_and_rates_limit_what_starts(opened: Opened) -> None:
    async def work(store: Store) -> None:
        for key in ("x", "x", "y", None, None):
            await store.create(new(concurrency_key=key))
        limited = Offer("agent", ("1",), 10, key_limit=1)
        first = await take(store, limited)
        assert sorted(str(one.execution.concurrency_key) for one in first) == [
            "None",
            "None",
            "x",
            "y",
        ]
        assert await take(store, limited) == []
        for one in first:
            await store.apply(one.execution.id, Complete(one.fence, None))
        assert len(await take(store, limited)) == 1
        for _ in range(5):
            await store.create(new(agent_id="rated"))
        rated = Offer("rated", ("1",), 10, rate=Rate(3, 10**12))
        claimed = await store.claim([rated], 10, "worker", Turns())
        assert len(claimed.claims) == 3
        assert claimed.next_at["rated"] > CLOCK.now()
        assert await take(store, rated) == []

    run(opened, work)


def test_what_has_begun_is_taken_under_its_own_version_only(opened: Opened) -> None:
    async def work(store: Store) -> None:
        begun, fresh = new(), new()
        await store.create(begun, start=Start("worker"))
        await store.apply(begun.id, Release(1, "stopped"))
        await store.create(fresh)
        assert await take(store, Offer("agent", ("2",), 9)) == []
        [taken] = await take(store, Offer("agent", ("2",), 9, accepts=("1",)))
        assert (taken.execution.id, taken.execution.agent_version) == (fresh.id, "2")
        await store.apply(begun.id, Move("2"))
        [moved] = await take(store, Offer("agent", ("2",), 9))
        assert (moved.execution.id, moved.execution.agent_version) == (begun.id, "2")

    run(opened, work)


def test_what_is_due_wakes_and_what_is_out_of_time_fails(opened: Opened) -> None:
    async def work(store: Store) -> None:
        soon, late, never = new(run_at=CLOCK.now()), new(run_at=10**15), new(run_at=FOREVER)
        for execution in (soon, late, never):
            await store.create(execution)
        assert await claim(store, 9, agent=9) == []
        assert await store.wake_due() == 10**15
        [woken] = await claim(store, 9, agent=9)
        assert woken.execution.id == soon.id
        timed = new(timeout_seconds=0.000001)
        await store.create(timed, start=Start("worker"))
        await store.apply(timed.id, Release(1, "stopped"))
        for _ in range(3):
            CLOCK.now()
        await store.wake_due()
        failed = await store.get("team", timed.id)
        assert failed is not None
        assert (failed.status, failed.status_reason) == (Status.FAILED, "timeout")

    run(opened, work)


def test_prune_removes_what_has_ended_before_a_time(opened: Opened) -> None:
    async def work(store: Store) -> None:
        ended = [new(team_id=team) for team in ("a", "b", "b", "c")]
        for execution in ended:
            await store.create(execution)
            await store.apply(execution.id, Cancel())
        live = new()
        await store.create(live)
        before = CLOCK.now()
        late = new()
        await store.create(late)
        await store.apply(late.id, Cancel())
        assert await store.prune(before, 3) == 3
        assert await store.prune(before, 3) == 1
        assert await store.prune(before, 3) == 0
        for execution in (live, late):
            assert await store.get("team", execution.id) is not None

    run(opened, work)


def test_teams_and_agents_take_turns(opened: Opened) -> None:
    async def work(store: Store) -> None:
        await asyncio.gather(*(store.create(new(team_id="big")) for _ in range(300)))
        for _ in range(2):
            await store.create(new(team_id="small"))
            await store.create(new(team_id="big", agent_id="other"))
        turns, order = Turns(), []
        for _ in range(6):
            offers = [Offer("agent", ("1",), 1), Offer("other", ("1",), 1)]
            claimed = await store.claim(offers, 1, "worker", turns)
            assert "agent" in claimed.more
            [one] = claimed.claims
            order.append((one.execution.team_id, one.execution.agent_id))
            await store.apply(one.execution.id, Complete(one.fence, None))
        assert [team for team, _ in order].count("small") == 2
        assert [agent for _, agent in order].count("other") == 2
        assert {team for team, _ in order[:2]} == {"big", "small"}

    run(opened, work)


def test_what_more_than_one_look_can_see_is_claimed_in_the_end(opened: Opened) -> None:
    async def work(store: Store) -> None:
        teams = [f"team-{n:03}" for n in range(150)]
        await asyncio.gather(*(store.create(new(team_id=team)) for team in teams))
        turns, found = Turns(), []
        while True:
            claimed = await store.claim([Offer("agent", ("1",), 1000)], 1000, "worker", turns)
            found += [one.execution.team_id for one in claimed.claims]
            if not claimed.more:
                break
        assert sorted(found) == teams

    run(opened, work)


def test_teams_whose_work_cannot_run_here_hide_no_others(opened: Opened) -> None:
    async def work(store: Store) -> None:
        old = [new(team_id=f"team-{n:03}") for n in range(TEAMS_AT_ONCE + 1)]
        for execution in old:
            await store.create(execution, start=Start("worker"))
            await store.apply(execution.id, Release(1, "its worker stopped"))
        for _ in range(20):
            await store.create(new(team_id="z", agent_version="2"))
        turns, found = Turns(), 0
        for _ in range(10):
            claimed = await store.claim([Offer("agent", ("2",), 8)], 8, "worker", turns)
            found += len(claimed.claims)
            if not claimed.more:
                break
        assert found == 20

    run(opened, work)


def test_what_is_found_and_not_chosen_is_not_forgotten(opened: Opened) -> None:
    async def work(store: Store) -> None:
        for team in ("a", "b", "c", "d"):
            await store.create(new(team_id=team))
        await store.create(new(team_id="e", agent_id="other"))
        offers = [Offer("agent", ("1",), 9), Offer("other", ("1",), 9)]
        claimed = await store.claim(offers, 2, "worker", Turns())
        assert [one.execution.agent_id for one in claimed.claims] == ["agent", "agent"]
        assert claimed.more == {"agent", "other"}

    run(opened, work)


def test_a_worker_says_what_it_runs_by_the_record(opened: Opened) -> None:
    async def work(store: Store) -> None:
        execution = new()
        await store.create(execution, start=Start("worker"))
        assert list(await store.running_on("worker")) == [(execution.id, 1)]
        await store.apply(execution.id, Complete(1, None))
        assert list(await store.running_on("worker")) == []

    run(opened, work)


def test_many_that_share_a_key_keep_no_other_key_waiting(opened: Opened) -> None:
    async def work(store: Store) -> None:
        crowd = [new(concurrency_key="a", priority=5) for _ in range(300)]
        keys = [f"k{n:03}" for n in range(KEYS_AT_ONCE + 30)]
        others = [new(concurrency_key=key) for key in (*keys, None)]
        await asyncio.gather(*(store.create(one) for one in (*crowd, *others)))
        turns, found = Turns(), []
        limited = Offer("agent", ("1",), 10_000, key_limit=1)
        while True:
            claimed = await store.claim([limited], 10_000, "worker", turns)
            found += [one.execution.concurrency_key for one in claimed.claims]
            if not claimed.more:
                break
        assert sorted(map(str, found)) == sorted(["a", "None", *keys])

    run(opened, work)


def test_an_agents_limit_counts_what_runs_anywhere(opened: Opened) -> None:
    async def work(store: Store) -> None:
        await asyncio.gather(*(store.create(new()) for _ in range(5)))
        limited = Offer("agent", ("1",), 10, limit=2)
        first = await take(store, limited)
        assert len(first) == 2
        assert await take(store, limited) == []
        await store.apply(first[0].execution.id, Cancel())
        assert len(await take(store, limited)) == 1

    run(opened, work)


def test_a_worker_that_retires_is_forgotten(opened: Opened) -> None:
    async def work(store: Store) -> None:
        await store.heartbeat("worker", 60, {"agent": ("1", "2")})
        assert [one.serves for one in await store.workers()] == [{"agent": ("1", "2")}]
        await store.heartbeat("worker", 60, {})
        assert [one.serves for one in await store.workers()] == [{}]
        await store.retire("worker")
        assert await store.workers() == []

    run(opened, work)


@pytest.mark.parametrize("order_by", list(OrderBy))
@pytest.mark.parametrize("direction", list(OrderDirection))
def test_lists_are_ordered_alike_in_every_store(
    opened: Opened, order_by: OrderBy, direction: OrderDirection
) -> None:
    async def work(store: Store) -> None:
        made = [new(priority=n % 3) for n in range(12)]
        for execution in made:
            await store.create(execution)
        for n, one in enumerate(await claim(store, 8, agent=8)):
            if n % 2:
                await store.apply(one.execution.id, Complete(one.fence, None))
        rows = [row for one in made if (row := await store.get("team", one.id)) is not None]
        name = order_by.value

        def key(row: Execution) -> tuple[Any, ...]:
            value = getattr(row, name)
            return (value is not None, "" if value is None else value, row.id)

        wanted = sorted(rows, key=key, reverse=direction is OrderDirection.DESC)
        query = ListQuery(order_by=order_by, order_direction=direction, page_size=5, page=2)
        found = await store.list("team", query)
        assert [one.id for one in found.items] == [one.id for one in wanted[5:10]]
        assert found.total == 12

    run(opened, work)


def test_a_cursor_goes_on_where_it_was_whatever_is_inserted(opened: Opened) -> None:
    async def work(store: Store) -> None:
        made = [new(metadata={"k": str(n % 2)}) for n in range(6)]
        for execution in made:
            await store.create(execution)
        query = ListQuery(page_size=2, metadata={"k": "0"})
        first = await store.list("team", query)
        await store.create(new(metadata={"k": "0"}))
        assert first.next_cursor is not None
        cursor = Cursor.decode(first.next_cursor)
        rest = await store.list("team", replace(query, cursor=cursor))
        seen = [one.id for one in (*first.items, *rest.items)]
        assert seen == [one.id for one in reversed(made) if one.metadata["k"] == "0"]

    run(opened, work)
