"""The local engine: this process claims what waits in the store, and runs it. Others may do too.

Everything here happens on the store's event loop. The engine learns from commits what there is to
do: an execution that became pending may be claimed; one that is no longer running, though its run
is, was cancelled or timed out, or taken away by another worker, and its run is interrupted. A run
keeps its slot until its code has ended.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from moderately.domain.commands import Command, Fail, Release, Start
from moderately.domain.errors import DomainError, FencedOut, IllegalTransition, Unavailable
from moderately.domain.execution import Claim, Execution, Failure
from moderately.domain.fairness import Turns
from moderately.domain.ports import Clock, Outcome, Runner
from moderately.domain.storing import Change, Created, Idempotency, Store, Work
from moderately.engine.alarm import Alarm
from moderately.engine.fleet import Fleet
from moderately.engine.lease import WorkerLease
from moderately.engine.offers import Offers
from moderately.engine.poll import Poll
from moderately.engine.reasons import unable
from moderately.engine.runs import Run, Runs
from moderately.engine.slots import Slots
from moderately.engine.upkeep import Upkeep
from moderately.protocol.vocabulary import Status

__all__ = ["LocalEngine"]

_log = logging.getLogger(__name__)

_CLAIM_LIMIT: Final = 256
_RETRY_SECONDS: Final = 0.25
_ENDING_SECONDS: Final = 2.0
_CONTENTION_SECONDS: Final = 0.01
_RELEASE_SECONDS: Final = 10.0
_MICROSECONDS: Final = 1_000_000


class LocalEngine:
    """`moderately.domain.ports.Engine` with a worker in this process.

    Args:
        store: The store.
        runner: Runs the agents.
        lease: This worker's lease.
        clock: Tells the time.
        worker_id: This worker.
        max_concurrency: How many executions run at once.
        threads: How many of them may be plain functions.
        poll_seconds: How long word of a change by another process may be missed at the most.

    Attributes:
        worker_id: This worker.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        lease: WorkerLease,
        clock: Clock,
        *,
        worker_id: str,
        max_concurrency: int,
        threads: int,
        poll_seconds: float,
    ) -> None:
        self._store = store
        self._runner = runner
        self._lease = lease
        self._clock = clock
        self.worker_id = worker_id
        self._offers = Offers(store, runner.agents())
        self._agents = self._offers.newest
        blocking = {name for name in self._agents if runner.is_blocking(name)}
        self._slots = Slots(self._agents, blocking, limit=max_concurrency, threads=threads)
        self._rates = self._offers.rates
        self._rate_next: dict[str, int] = {}
        self._turns = Turns()
        self._runs = Runs()
        self._upkeep = Upkeep(store, runner, self._runs, worker_id)
        self._fleet = Fleet(store)
        self._poll = Poll(store, self._fleet, poll_seconds, self._upkeep.sweep)
        self._starting: set[str] = set()
        self._hungry: set[str] = set()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._dispatcher: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: deque[tuple[Claim, Outcome | None]] = deque()
        self._ended_posted = False
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(clock, lambda: self._spawn(self._wake_due()))

    async def start(self) -> None:
        """Take back what nobody runs any more, and begin to take work."""
        released = await self._store.recover("The service stopped while it ran.")
        if released:
            _log.info("%d executions were running when the service stopped; they go on", released)
        await self._offers.load()
        self._fleet.own = self._offers.lanes()
        await self._lease.start(self._fleet.own)
        self._store.subscribe(self._on_changes, watched=self._runs.ids, on_work=self._on_work)
        await self._poll.start()
        self._alarm.set(self._clock.now())
        self._look_for(self._agents)
        self._dispatcher = asyncio.create_task(self._dispatch())

    async def stop(self, grace: float) -> None:
        """Take no more work, give what runs `grace` seconds to end, and hand the rest back."""
        self._stopping = True
        self._wake.set()
        self._alarm.stop()
        self._poll.stop()
        await self._lease.drain()
        if self._dispatcher is not None:
            await self._dispatcher
        await self._wait_idle(grace)
        left = [run.claim for run in self._runs]
        released = (self._write(c, Release(c.fence, "Its worker stopped.")) for c in left)
        # What cannot be given back in time, others take once this process is gone.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*released), _RELEASE_SECONDS)
        await self._wait_idle(_ENDING_SECONDS)
        if self._runs:
            _log.warning("%d agents still block, and end with the process", len(self._runs))
        await self._lease.stop()
        for task in list(self._tasks):
            task.cancel()

    async def _wait_idle(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return

    def serves(self, agent_id: str) -> bool:
        """Whether a worker that is up can run this agent."""
        return self._fleet.serves(agent_id)

    def versions(self, agent_id: str) -> Collection[str]:
        """The versions of an agent that workers which are up can run."""
        return self._fleet.versions(agent_id)

    async def silent_since(self, worker_id: str) -> int | None:
        """When a worker was last heard of, in microseconds; None while its lease lasts."""
        return await self._fleet.silent_since(worker_id)

    def blocked_on(self, execution: Execution) -> dict[str, Any] | None:
        """Why a pending execution does not run."""
        if execution.status is not Status.PENDING or execution.blocked_on is not None:
            return execution.blocked_on
        if (why := unable(execution, self._fleet)) is not None:
            return why
        if execution.agent_id not in self._agents:
            return None
        return self._slots.why_not(execution.agent_id) or self._limited(execution)

    def _limited(self, execution: Execution) -> dict[str, Any] | None:
        agent_id, key = execution.agent_id, execution.concurrency_key
        if agent_id in self._rate_next:
            message = f"{agent_id!r} starts {self._rates[agent_id]}, which is its limit."
            return {"kind": "rate", "message": message}
        if agent_id in self._hungry:
            return None
        if key is not None:
            message = f"Others with the concurrency key {key!r} run."
            return {"kind": "key_concurrency", "message": message}
        if (limit := self._offers.shared_limit(agent_id)) is not None:
            message = f"{limit} executions of {agent_id!r} run, on all workers, which is its limit."
            return {"kind": "agent_concurrency", "message": message}
        return None

    def runs_here(self, execution: Execution) -> bool:
        """Whether this worker runs it."""
        return execution.worker_id == self.worker_id

    def snapshot(self) -> Mapping[str, int]:
        """Gauges by name."""
        slots = self._slots
        return {
            "active_runs": slots.taken,
            "active_blocking_runs": slots.taken_blocking,
            "lingering_runs": self._runner.lingering(),
        }

    async def submit(self, execution: Execution, idempotency: Idempotency | None) -> Created:
        """Record a new execution. One that can run at once starts in the same transaction."""
        agent_id, execution_id = execution.agent_id, execution.id
        if not self._can_start(execution):
            return await self._store.create(execution, idempotency)
        start = Start(self.worker_id, self._agents[agent_id].version)
        self._slots.take(agent_id)
        self._starting.add(execution_id)
        try:
            return await self._store.create(execution, idempotency, start=start)
        finally:
            # Still there if nothing was committed: the create failed, or was a repeated one.
            if execution_id in self._starting:
                self._starting.remove(execution_id)
                self._give(agent_id)

    def _can_start(self, execution: Execution) -> bool:
        """Whether a new execution can start at once, with nothing that waits before it."""
        agent_id = execution.agent_id
        return (
            agent_id in self._agents
            and agent_id not in self._hungry
            and agent_id not in self._rates
            and execution.concurrency_key is None
            and self._offers.shared_limit(agent_id) is None
            and execution.run_at is None
            and self._offers.takes(agent_id, execution.agent_version)
            and not self._stopping
            and self._slots.free_for(agent_id) > 0
        )

    def _on_changes(self, changes: Sequence[Change]) -> None:
        started: list[Claim] = []
        for change in changes:
            execution = change.execution
            if execution is None:
                continue
            is_running = change.status is Status.RUNNING
            run = self._runs.get(execution.id, execution.fence)
            if outdated := self._runs.outdated(execution):
                self._runner.start(started, self._done)
                started = []
                self._interrupt(outdated)
            if is_running and run is not None:
                if change.settled is not None:
                    self._runner.settle(execution.id, execution.fence, change.settled)
                elif change.is_foreign:
                    self._spawn(self._upkeep.catch_up(run))
            elif not is_running:
                self._expect(execution)
            elif execution.worker_id == self.worker_id and not change.is_foreign:
                started.append(self._begin(execution))
        if started:
            self._runner.start(started, self._done)

    def _on_work(self, work: Work) -> None:
        """Other processes have made work."""
        self._poll.on_work(work)
        self._look_for(self._agents if work.agent_ids is None else work.agent_ids)
        self._look_for(
            name
            for name in work.freed_ids
            if name in self._agents and self._offers.is_limited(name)
        )
        if work.due_at is not None:
            self._alarm.set(work.due_at)
        if work.agent_ids is None:
            self._alarm.set(self._clock.now())

    def _interrupt(self, runs: Sequence[Run]) -> None:
        for run in runs:
            run.disarm()
            self._runner.interrupt(run.claim.execution.id, run.claim.fence)

    def _expect(self, execution: Execution) -> None:
        """Look for what may start, now or at its time."""
        run_at = execution.run_at
        if run_at is not None:
            self._alarm.set(run_at)
        if execution.status is Status.PENDING:
            if run_at is None:
                self._look_for((execution.agent_id,))
            if execution.deadline_at is not None:
                self._alarm.set(execution.deadline_at)
        elif execution.agent_id in self._agents and self._offers.is_limited(execution.agent_id):
            self._look_for((execution.agent_id,))

    def _begin(self, execution: Execution) -> Claim:
        """Take note of an execution that has just started here."""
        if execution.id in self._starting:
            self._starting.remove(execution.id)
        else:
            self._slots.take(execution.agent_id)
        claim = Claim(execution, execution.fence)
        run = Run(claim, execution.event_seq)
        if execution.deadline_at is not None:
            left = max(0, execution.deadline_at - self._clock.now()) / _MICROSECONDS
            run.timer = self._loop.call_later(left, self._time_out, claim)
        self._runs.add(run)
        self._idle.clear()
        return claim

    async def _wake_due(self) -> None:
        self._rate_next = {
            name: at for name, at in self._rate_next.items() if at > self._clock.now()
        }
        self._look_for(self._rates.keys() - self._rate_next.keys())
        try:
            due = await self._store.wake_due()
        except Unavailable:
            due = self._clock.now() + int(_RETRY_SECONDS * _MICROSECONDS)
        for at in (due, *self._rate_next.values()):
            if at is not None:
                self._alarm.set(at)

    def _look_for(self, agent_ids: Iterable[str]) -> None:
        self._hungry.update(name for name in agent_ids if name in self._agents)
        if self._hungry:
            self._wake.set()

    async def _dispatch(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            try:
                for is_blocking in (False, True):
                    await self._claim(is_blocking=is_blocking)
            except Unavailable as error:
                _log.warning("cannot take work: %s", error.message)
                await asyncio.sleep(_RETRY_SECONDS)
                self._wake.set()
            except Exception:  # noqa: BLE001 - it is in the log
                # One bad record must not end the dispatch of all others.
                _log.exception("cannot take work")
                await asyncio.sleep(_RETRY_SECONDS)
                self._wake.set()

    async def _claim(self, *, is_blocking: bool) -> None:
        slots = self._slots
        limit = min(slots.free(is_blocking=is_blocking), _CLAIM_LIMIT)
        wanted = {}
        for agent_id in self._hungry - self._rate_next.keys():
            free = min(limit, slots.free_for(agent_id))
            if free > 0 and slots.is_blocking(agent_id) is is_blocking:
                wanted[agent_id] = free
        if not wanted or self._stopping:
            return
        self._hungry -= wanted.keys()
        try:
            offers = [self._offers.offer(agent_id, free) for agent_id, free in wanted.items()]
            claimed = await self._store.claim(offers, limit, self.worker_id, self._turns)
        except BaseException:
            self._hungry |= wanted.keys()
            raise
        self._rate_next.update(claimed.next_at)
        for at in claimed.next_at.values():
            self._alarm.set(at)
        self._hungry |= claimed.more
        if claimed.claims and claimed.more:
            self._wake.set()
        elif claimed.more:
            # Others are about to take what waits; what they leave is looked at in a moment.
            self._loop.call_later(_CONTENTION_SECONDS, self._wake.set)

    def _time_out(self, claim: Claim) -> None:
        seconds = claim.execution.timeout_seconds or 0
        message = f"It took longer than its timeout of {seconds:g} s."
        self._spawn(self._write(claim, Fail(claim.fence, Failure("timeout", message))))

    def _done(self, claim: Claim, outcome: Outcome | None) -> None:
        """A run's code has ended. Called from any thread."""
        self._ended.append((claim, outcome))
        if not self._ended_posted:
            self._ended_posted = True
            self._loop.call_soon_threadsafe(self._take_ended)

    def _take_ended(self) -> None:
        self._ended_posted = False
        while self._ended:
            self._spawn(self._end(*self._ended.popleft()))

    async def _end(self, claim: Claim, outcome: Outcome | None) -> None:
        try:
            if outcome is not None:
                await self._write(claim, outcome)
        finally:
            agent_id = claim.execution.agent_id
            self._runs.remove(claim)
            self._give(agent_id)
            if self._offers.is_limited(agent_id):
                self._look_for((agent_id,))
            if not self._runs:
                self._idle.set()

    def _give(self, agent_id: str) -> None:
        self._slots.give(agent_id)
        if self._hungry:
            self._wake.set()

    async def _write(self, claim: Claim, command: Command) -> None:
        """Write how a run ended, again and again until it is on disk or somebody was first."""
        while True:
            try:
                await self._store.apply(claim.execution.id, command)
            except Unavailable:
                pass
            except (FencedOut, IllegalTransition, DomainError):
                # Somebody was first.
                return
            except Exception:  # noqa: BLE001 - it is in the log
                _log.exception("cannot write how %s has ended", claim.execution.id)
            else:
                return
            if self._stopping:
                return
            await asyncio.sleep(_RETRY_SECONDS)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
