"""The local engine: this process claims what waits in the store, and runs it. Others may do too.

Everything here happens on the store's event loop. The engine learns from commits what there is to
do: an execution that became pending may be claimed; one that is no longer running, though its run
is, was cancelled or timed out, or taken away by another worker, and its run is interrupted. A run
keeps its slot until its code has ended.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moderately.domain.claims import Offer, lanes_of
from moderately.domain.commands import Command, Fail, Release, Start
from moderately.domain.errors import DomainError, FencedOut, IllegalTransition, Unavailable
from moderately.domain.execution import Claim, Execution, Failure, Step
from moderately.domain.fairness import Turns
from moderately.domain.limits import Rate
from moderately.domain.ports import Clock, Outcome, Runner
from moderately.domain.storing import Change, Created, Idempotency, Store, Work
from moderately.engine.alarm import Alarm
from moderately.engine.fleet import Fleet
from moderately.engine.lease import WorkerLease
from moderately.engine.poll import Poll
from moderately.engine.reasons import unable
from moderately.engine.slots import Slots
from moderately.protocol.vocabulary import Status

__all__ = ["LocalEngine"]

_log = logging.getLogger(__name__)

_CLAIM_LIMIT: Final = 256
_RETRY_SECONDS: Final = 0.25
_ENDING_SECONDS: Final = 2.0
_CONTENTION_SECONDS: Final = 0.005
_EVENT_LIMIT: Final = 1000
_MICROSECONDS: Final = 1_000_000


@dataclass(slots=True, eq=False)
class _Run:
    claim: Claim
    seen: int
    timer: asyncio.TimerHandle | None = None


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
        self._versions = {name: tuple(found) for name, found in runner.agents().items()}
        self._agents = {name: found[0] for name, found in self._versions.items()}
        blocking = {name for name in self._agents if runner.is_blocking(name)}
        self._slots = Slots(self._agents, blocking, limit=max_concurrency, threads=threads)
        self._rates = {
            name: Rate.parse(version.rate)
            for name, version in self._agents.items()
            if version.rate is not None
        }
        self._rate_next: dict[str, int] = {}
        self._accepts: dict[str, tuple[str, ...]] = {}
        self._turns = Turns()
        self._fleet = Fleet(store)
        self._poll = Poll(store, self._fleet, poll_seconds)
        # By execution, and by the fence of each of its runs here.
        self._runs: dict[str, dict[int, _Run]] = {}
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
        for agent_id in self._agents:
            self._accepts[agent_id] = await self._acceptable(agent_id)
        self._fleet.own = {
            name: lanes_of(self._version_names(name), self._accepts[name]) for name in self._agents
        }
        await self._lease.start(self._fleet.own)
        self._store.subscribe(self._on_changes, watched=self._runs, on_work=self._on_work)
        await self._poll.start()
        self._alarm.set(self._clock.now())
        self._look_for(self._agents)
        self._dispatcher = asyncio.create_task(self._dispatch())

    async def _acceptable(self, agent_id: str) -> tuple[str, ...]:
        """The versions of which executions are taken that have not begun.

        Where other workers may run newer versions than this one, none of those: their input is
        theirs.
        """
        known = [found.version for found in await self._store.agent_versions(agent_id)]
        newest = self._agents[agent_id].version
        if self._store.is_shared and newest in known:
            return tuple(known[known.index(newest) :])
        return tuple(known)

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
        left = [run.claim for runs in self._runs.values() for run in runs.values()]
        released = (self._write(c, Release(c.fence, "Its worker stopped.")) for c in left)
        await asyncio.gather(*released)
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
        if (limit := self._shared_limit(agent_id)) is not None:
            message = f"{limit} executions of {agent_id!r} run, on all workers, which is its limit."
            return {"kind": "agent_concurrency", "message": message}
        return None

    def _shared_limit(self, agent_id: str) -> int | None:
        """How many executions of an agent may run on all workers, where there may be several."""
        return self._agents[agent_id].max_concurrency if self._store.is_shared else None

    def _is_limited(self, agent_id: str) -> bool:
        """Whether an execution of the agent may have to wait for another one's end, anywhere."""
        agent = self._agents[agent_id]
        return agent.max_concurrency_per_key is not None or agent.max_concurrency is not None

    def _version_names(self, agent_id: str) -> tuple[str, ...]:
        return tuple(version.version for version in self._versions[agent_id])

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
            and self._shared_limit(agent_id) is None
            and execution.run_at is None
            and not self._stopping
            and self._slots.free_for(agent_id) > 0
        )

    def _on_changes(self, changes: Sequence[Change]) -> None:
        started: list[Claim] = []
        for change in changes:
            execution = change.execution
            if execution is None:
                continue
            here = self._runs.get(execution.id, {})
            run = here.get(execution.fence)
            if change.status is Status.RUNNING and run is not None:
                if change.settled is not None:
                    self._runner.settle(execution.id, execution.fence, change.settled)
                elif change.is_foreign:
                    self._spawn(self._catch_up(run))
                continue
            if here:
                # Whatever runs of it here, is no longer wanted.
                self._runner.start(started, self._done)
                started = []
                self._interrupt(here)
            if change.status is not Status.RUNNING:
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
            name for name in work.freed_ids if name in self._agents and self._is_limited(name)
        )
        if work.due_at is not None:
            self._alarm.set(work.due_at)
        if work.agent_ids is None:
            self._alarm.set(self._clock.now())

    async def _catch_up(self, run: _Run) -> None:
        """Another process has changed an execution that runs here: what the run waits for came."""
        execution = run.claim.execution
        events = await self._store.events(execution.id, after=run.seen, limit=_EVENT_LIMIT)
        run.seen = events[-1].seq if events else run.seen
        told = {e.data["id"]: e for e in events if e.type.startswith("step.")}
        steps = await self._store.steps(execution.id) if told else []
        for step in steps:
            if step.id in told and step.is_recorded and step.wait is not None:
                self._runner.settle(execution.id, run.claim.fence, step)
        for event in told.values():
            if event.type == "step.dropped":
                dropped = Step(event.data["id"], "step", event.data["name"], "dropped")
                self._runner.settle(execution.id, run.claim.fence, dropped)

    def _interrupt(self, runs: Mapping[int, _Run]) -> None:
        for run in runs.values():
            self._disarm(run)
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
        elif execution.agent_id in self._agents and self._is_limited(execution.agent_id):
            self._look_for((execution.agent_id,))

    def _begin(self, execution: Execution) -> Claim:
        """Take note of an execution that has just started here."""
        if execution.id in self._starting:
            self._starting.remove(execution.id)
        else:
            self._slots.take(execution.agent_id)
        claim = Claim(execution, execution.fence)
        run = _Run(claim, execution.event_seq)
        if execution.deadline_at is not None:
            left = max(0, execution.deadline_at - self._clock.now()) / _MICROSECONDS
            run.timer = self._loop.call_later(left, self._time_out, claim)
        self._runs.setdefault(execution.id, {})[execution.fence] = run
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
            offers = [self._offer(agent_id, free) for agent_id, free in wanted.items()]
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

    def _offer(self, agent_id: str, free: int) -> Offer:
        return Offer(
            agent_id,
            self._version_names(agent_id),
            free,
            self._accepts[agent_id],
            self._shared_limit(agent_id),
            self._agents[agent_id].max_concurrency_per_key,
            self._rates.get(agent_id),
        )

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
        if outcome is not None:
            await self._write(claim, outcome)
        agent_id = claim.execution.agent_id
        runs = self._runs[claim.execution.id]
        self._disarm(runs.pop(claim.fence))
        if not runs:
            del self._runs[claim.execution.id]
        self._give(agent_id)
        if self._is_limited(agent_id):
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
                if not self._stopping:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
            except (FencedOut, IllegalTransition, DomainError):
                pass
            return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    def _disarm(run: _Run) -> None:
        if run.timer is not None:
            run.timer.cancel()
            run.timer = None
