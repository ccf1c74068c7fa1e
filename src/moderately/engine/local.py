"""The local engine: this process claims what waits in the store, and runs it.

Everything here happens on the store's event loop. The engine learns from commits what there is to
do: an execution that became pending may be claimed; one that is no longer running, though its run
is, was cancelled or timed out, and its run is interrupted. A run keeps its slot until its code has
ended.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moderately.domain.errors import DomainError, FencedOut, IllegalTransition, Unavailable
from moderately.domain.execution import Claim, Execution, Failure
from moderately.domain.lifecycle import Command, Fail, Release
from moderately.domain.ports import Change, Created, Idempotency, Outcome, Runner, Store
from moderately.engine.slots import Slots
from moderately.protocol.vocabulary import Status

__all__ = ["LocalEngine"]

_log = logging.getLogger(__name__)

_CLAIM_LIMIT: Final = 256
_RETRY_SECONDS: Final = 0.25
_ENDING_SECONDS: Final = 2.0


@dataclass(slots=True, eq=False)
class _Run:
    claim: Claim
    timer: asyncio.TimerHandle | None = None


class LocalEngine:
    """`moderately.domain.ports.Engine` in one process.

    Args:
        store: The store.
        runner: Runs the agents.
        max_concurrency: How many executions run at once.
        threads: How many of them may be plain functions.
    """

    def __init__(self, store: Store, runner: Runner, *, max_concurrency: int, threads: int) -> None:
        self._store = store
        self._runner = runner
        self._agents = dict(runner.agents())
        blocking = {name for name in self._agents if runner.is_blocking(name)}
        self._slots = Slots(self._agents, blocking, limit=max_concurrency, threads=threads)
        self._runs: dict[tuple[str, int], _Run] = {}
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

    async def start(self) -> None:
        """Take back what an earlier owner left running, and begin to take work."""
        released = await self._store.release_all("The service stopped while it ran.")
        if released:
            _log.info("%d executions were running when the service stopped; they go on", released)
        self._store.subscribe(self._on_changes)
        self._look_for(self._agents)
        self._dispatcher = asyncio.create_task(self._dispatch())

    async def stop(self, grace: float) -> None:
        """Take no more work, give what runs `grace` seconds to end, and hand the rest back."""
        self._stopping = True
        self._wake.set()
        if self._dispatcher is not None:
            await self._dispatcher
        await self._wait_idle(grace)
        for run in list(self._runs.values()):
            claim = run.claim
            await self._write(claim, Release(claim.fence, "The service stopped while it ran."))
        await self._wait_idle(_ENDING_SECONDS)
        if self._runs:
            _log.warning("%d agents still block, and end with the process", len(self._runs))
        for task in list(self._tasks):
            task.cancel()

    async def _wait_idle(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return

    def serves(self, agent_id: str) -> bool:
        """Whether this agent can run here."""
        return agent_id in self._agents

    def blocked_on(self, execution: Execution) -> dict[str, Any] | None:
        """Why a pending execution does not run."""
        agent_id = execution.agent_id
        if execution.status is not Status.PENDING:
            return None
        if agent_id not in self._agents:
            return {
                "kind": "agent",
                "message": f"No worker serves agent {agent_id!r}: start the service with it.",
            }
        return self._slots.why_not(agent_id)

    def snapshot(self) -> Mapping[str, int]:
        """Gauges by name."""
        slots = self._slots
        return {"active_runs": slots.taken, "active_blocking_runs": slots.taken_blocking}

    async def submit(self, execution: Execution, idempotency: Idempotency | None) -> Created:
        """Record a new execution. One that can run at once starts in the same transaction."""
        agent_id, execution_id = execution.agent_id, execution.id
        start = (
            agent_id in self._agents
            and agent_id not in self._hungry
            and not self._stopping
            and self._slots.free_for(agent_id) > 0
        )
        if not start:
            return await self._store.create(execution, idempotency)
        self._slots.take(agent_id)
        self._starting.add(execution_id)
        try:
            return await self._store.create(execution, idempotency, start=True)
        finally:
            # Still there if nothing was committed: the create failed, or was a repeated one.
            if execution_id in self._starting:
                self._starting.remove(execution_id)
                self._give(agent_id)

    def _on_changes(self, changes: Sequence[Change]) -> None:
        started: list[Claim] = []
        for change in changes:
            execution = change.execution
            if execution is None:
                continue
            key = execution.id, execution.fence
            if change.status is Status.RUNNING:
                if key not in self._runs:
                    started.append(self._begin(execution))
                continue
            if change.status is Status.PENDING:
                self._look_for((change.agent_id,))
            run = self._runs.get(key)
            if run is not None:
                self._disarm(run)
                self._runner.start(started, self._done)
                started = []
                self._runner.interrupt(*key)
        if started:
            self._runner.start(started, self._done)

    def _begin(self, execution: Execution) -> Claim:
        """Take note of an execution that has just started: each that starts in here is ours."""
        if execution.id in self._starting:
            self._starting.remove(execution.id)
        else:
            self._slots.take(execution.agent_id)
        own = self._agents[execution.agent_id].timeout_seconds
        limits = [s for s in (own, execution.timeout_seconds) if s is not None]
        claim = Claim(execution, execution.fence, min(limits, default=None))
        run = _Run(claim)
        if claim.timeout is not None:
            run.timer = self._loop.call_later(claim.timeout, self._time_out, claim)
        self._runs[execution.id, execution.fence] = run
        self._idle.clear()
        return claim

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
        for agent_id in self._hungry:
            free = min(limit, slots.free_for(agent_id))
            if free > 0 and slots.is_blocking(agent_id) is is_blocking:
                wanted[agent_id] = free
        if not wanted or self._stopping:
            return
        self._hungry -= wanted.keys()
        try:
            claims = await self._store.claim(wanted, limit)
        except BaseException:
            self._hungry |= wanted.keys()
            raise
        taken = Counter(claim.execution.agent_id for claim in claims)
        full = len(claims) >= limit
        self._hungry |= {name for name, free in wanted.items() if full or taken[name] >= free}
        if full:
            self._wake.set()

    def _time_out(self, claim: Claim) -> None:
        message = f"The execution ran longer than its timeout of {claim.timeout:g} s."
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
        self._disarm(self._runs.pop((claim.execution.id, claim.fence)))
        self._give(claim.execution.agent_id)
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
