"""Replay: random trees of tasks, run against every prefix of their own journals."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moderately import Context, agent
from moderately.domain.claims import Offer
from moderately.domain.commands import Complete, Fail, Release, Start
from moderately.domain.execution import Claim, Execution, Step
from moderately.domain.fairness import Turns
from moderately.domain.ports import Outcome
from moderately.protocol.vocabulary import Status
from moderately.runtime import AgentDefinition, LocalRunner, RunnerOptions
from moderately.runtime.journal import Home
from moderately.runtime.scope import StepScope, current_step
from moderately.store.sqlite import SQLiteStore, open_stores
from moderately.wiring.clock import SystemClock

# A tree of work: a step (how many times it yields), or tasks side by side, or one after another,
# or whichever of several comes first.
LEAVES = st.tuples(st.just("step"), st.integers(0, 3))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(
        st.sampled_from(["gather", "group", "sequence", "first"]),
        st.lists(inner, min_size=1, max_size=4),
    ),
    max_leaves=10,
)


class Log:
    """What was really done, and a source of disorder."""

    def __init__(self, delays: Sequence[int]) -> None:
        self.done: list[str] = []
        self._delays = itertools.cycle(delays or [0])

    def delay(self) -> int:
        return next(self._delays)


def make(log: Log, tree: Any) -> AgentDefinition:
    """An agent that works through a tree, and gives what it has seen, in order."""
    names = itertools.count(1)

    async def work(ctx: Context, part: Any) -> Any:
        kind, inner = part
        if kind == "step":
            name = f"s{inner}"

            async def act(number: int) -> str:
                for _ in range(log.delay()):
                    await asyncio.sleep(0)
                log.done.append(f"{name}-{number}")
                return f"{name}-{number}"

            return await ctx.step(name, act, next(names))
        if kind == "sequence":
            return [await work(ctx, one) for one in inner]
        if kind == "gather":
            return await asyncio.gather(*(work(ctx, one) for one in inner))
        if kind == "group":
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work(ctx, one)) for one in inner]
            return [task.result() for task in tasks]
        tasks = [asyncio.create_task(work(ctx, one)) for one in inner]
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        seen = [number for number, task in enumerate(tasks) if task in done]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        # What comes behind depends on what came first.
        return [seen, await work(ctx, ("step", len(seen)))]

    @agent("tree")
    async def tree_agent(ctx: Context) -> Any:
        return await work(ctx, tree)

    definition = AgentDefinition.of(tree_agent)
    assert definition is not None
    return definition


class Held:
    """A lease that is held, but for the first few looks at it."""

    def __init__(self, lapsed: int = 0) -> None:
        self.looks = 0
        self._lapsed = lapsed

    def is_held(self) -> bool:
        self.looks += 1
        return self.looks > self._lapsed


@asynccontextmanager
async def opened() -> AsyncIterator[SQLiteStore]:
    with TemporaryDirectory() as folder:
        async with open_stores(Path(folder) / "a.db", SystemClock()) as stores:
            yield stores.executions


async def run_once(
    store: SQLiteStore, definition: AgentDefinition, claim: Claim, lease: Held | None = None
) -> Outcome | None:
    """Run a claim to its end, as the engine would."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Outcome | None] = loop.create_future()
    runner = LocalRunner(
        {"tree": [definition]}, store, lease or Held(), SystemClock(), RunnerOptions()
    )

    def done(_: Claim, outcome: Outcome | None) -> None:
        loop.call_soon_threadsafe(ended.set_result, outcome)

    runner.start([claim], done)
    try:
        return await asyncio.wait_for(ended, 20)
    finally:
        runner.close()


async def begin(store: SQLiteStore, execution_id: str, journal: Sequence[Step] = ()) -> Claim:
    """A claim of an execution that has this journal."""
    now = SystemClock().now()
    execution = Execution(
        execution_id, "team", "tree", "1", Status.PENDING, now, now, {}, event_seq=1
    )
    await store.create(execution, start=Start("worker"))
    for step in journal:
        await store.record(execution_id, 1, step._replace(position=0))
    if not journal:
        found = await store.get("team", execution_id)
        assert found is not None
        return Claim(found, 1)
    await store.apply(execution_id, Release(1, "stopped"))
    [claim] = (await store.claim([Offer("tree", ("1",), 1)], 1, "worker", Turns())).claims
    return claim


def go(work: Callable[[SQLiteStore], Awaitable[None]]) -> None:
    async def inner() -> None:
        async with opened() as store:
            await work(store)

    asyncio.run(inner())


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES, st.lists(st.integers(0, 6), max_size=8), st.lists(st.integers(0, 6), max_size=8))
def test_any_tree_of_tasks_replays_from_any_prefix_of_its_journal(
    tree: Any, delays: list[int], others: list[int]
) -> None:
    async def work(store: SQLiteStore) -> None:
        log = Log(delays)
        outcome = await run_once(store, make(log, tree), await begin(store, "exec_first"))
        assert isinstance(outcome, Complete), outcome
        journal = list(await store.steps("exec_first"))
        assert [step.position for step in journal] == list(range(1, len(journal) + 1))
        lengths = {0, 1, len(journal) // 2, len(journal) - 1, len(journal)}
        for length in sorted(size for size in lengths if size >= 0):
            prefix, again = journal[:length], Log(others)
            claim = await begin(store, f"exec_{length}", prefix)
            second = await run_once(store, make(again, tree), claim)
            assert isinstance(second, Complete), (length, second)
            # No recorded step was done again, and nothing recorded was changed. A step that was
            # called off in the first run is not on record, and may be done by now.
            recorded = {step.result for step in prefix}
            assert recorded.isdisjoint(again.done)
            kept = list(await store.steps(f"exec_{length}"))[:length]
            assert [s.result for s in kept] == [s.result for s in prefix]
            if length == len(journal):
                assert json.dumps(second.output) == json.dumps(outcome.output)

    go(work)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["a", "b"], ["a", "c"], "0/2 is on record as step 'b', and now is step 'c'"),
        (["a", "b"], ["a"], "step 0/2 ('b') is on record behind that"),
    ],
)
def test_code_that_has_changed_is_found_at_the_first_difference(
    before: list[str], after: list[str], said: str
) -> None:
    def linear(names: list[str]) -> AgentDefinition:
        @agent("tree")
        async def run(ctx: Context) -> None:
            for name in names:
                await ctx.step(name, str, name)

        definition = AgentDefinition.of(run)
        assert definition is not None
        return definition

    async def work(store: SQLiteStore) -> None:
        await run_once(store, linear(before), await begin(store, "exec_first"))
        journal = await store.steps("exec_first")
        outcome = await run_once(store, linear(after), await begin(store, "exec_2", journal))
        assert isinstance(outcome, Fail)
        assert outcome.failure.code == "journal_mismatch"
        assert said in outcome.failure.message

    go(work)


def test_other_arguments_are_a_difference() -> None:
    def one(argument: str) -> AgentDefinition:
        @agent("tree")
        async def run(ctx: Context) -> None:
            await ctx.step("a", str, argument)

        definition = AgentDefinition.of(run)
        assert definition is not None
        return definition

    async def work(store: SQLiteStore) -> None:
        await run_once(store, one("x"), await begin(store, "exec_first"))
        journal = await store.steps("exec_first")
        outcome = await run_once(store, one("y"), await begin(store, "exec_2", journal))
        assert isinstance(outcome, Fail)
        assert "with other arguments" in outcome.failure.message

    go(work)


def test_a_step_that_is_never_reached_is_a_difference_not_a_hang() -> None:
    def racing(names: list[str]) -> AgentDefinition:
        @agent("tree")
        async def run(ctx: Context) -> None:
            await asyncio.gather(*(ctx.step(name, str, name) for name in names))

        definition = AgentDefinition.of(run)
        assert definition is not None
        return definition

    async def work(store: SQLiteStore) -> None:
        await run_once(store, racing(["a", "b", "c"]), await begin(store, "exec_first"))
        journal = list(await store.steps("exec_first"))
        # The task of the step that comes first on record is not there any more.
        first = journal[0]._replace(id="0.9/1")
        claim = await begin(store, "exec_2", [first, *journal[1:]])
        outcome = await run_once(store, racing(["a", "b", "c"]), claim)
        assert isinstance(outcome, Fail)
        assert outcome.failure.code == "journal_mismatch"
        assert "0.9/1" in outcome.failure.message

    go(work)


@pytest.mark.parametrize("effects", ["pure", "idempotent", "unsafe"])
@pytest.mark.parametrize("is_taken", [False, True])
def test_a_step_acts_only_while_its_lease_is_held(
    is_taken: bool, effects: Literal["pure", "idempotent", "unsafe"]
) -> None:
    acted: list[int] = []

    @agent("tree")
    async def run(ctx: Context) -> int:
        async def act() -> int:
            acted.append(1)
            return len(acted)

        return await ctx.step("act", act, effects=effects)

    definition = AgentDefinition.of(run)
    assert definition is not None

    class Taken(Held):
        def is_held(self) -> bool:
            # Somebody else takes the execution while the lease has lapsed.
            if is_taken and self.looks == 0:
                loop.call_soon_threadsafe(lambda: asyncio.ensure_future(take()))
            return super().is_held()

    async def work(store: SQLiteStore) -> None:
        nonlocal loop, take
        loop = asyncio.get_running_loop()

        async def taking() -> None:
            await store.apply("exec_first", Release(1, "silent"))

        take = taking
        lease = Taken(lapsed=2)
        outcome = await run_once(store, definition, await begin(store, "exec_first"), lease)
        assert lease.looks >= (1 if is_taken else 3)
        assert (outcome is None) is is_taken
        assert acted == ([] if is_taken else [1])

    async def nothing() -> None:
        return None

    loop: asyncio.AbstractEventLoop
    take: Callable[[], Awaitable[None]] = nothing
    go(work)


def test_what_a_write_begins_on_the_way_is_not_within_the_step_that_it_came_from() -> None:
    async def work() -> StepScope | None:
        found: asyncio.Future[StepScope | None] = asyncio.get_running_loop().create_future()

        async def begin() -> None:
            # A connection that is opened again, and listens from then on, is begun like this.
            found.set_result(current_step.get(None))

        current_step.set(StepScope("0/1", "exec_1:0/1"))
        Home(asyncio.get_running_loop()).post(begin())
        return await found

    assert asyncio.run(work()) is None
