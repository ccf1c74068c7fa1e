"""The port of the store, and what goes through it.

A store lives on one event loop (the one that opened it): call it from there only. Each of its
writes is one transaction, all or nothing, and is on disk when the call returns.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.claims import Claimed, Offer
from moderately.domain.commands import Command, Start
from moderately.domain.execution import Event, Execution, NewEvent, Step
from moderately.domain.fairness import Turns
from moderately.domain.listing import ExecutionList, ListQuery
from moderately.domain.log import LiveEvent, Log
from moderately.domain.workers import Worker
from moderately.protocol.vocabulary import Status

__all__ = [
    "Answer",
    "Change",
    "CommitListener",
    "Created",
    "Idempotency",
    "Listener",
    "LiveListener",
    "Store",
    "Work",
    "WorkListener",
]


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes a repeated create the same one.

    Attributes:
        key: The caller's key.
        fingerprint: A digest of the body.
    """

    key: str
    fingerprint: str


class Created(NamedTuple):
    """A create's answer.

    Attributes:
        execution: The execution as it was created: pending.
        replayed: Whether it was there already.
        started: Whether it has started in the same transaction.
    """

    execution: Execution
    replayed: bool = False
    started: bool = False


class Change(NamedTuple):
    """What a commit did to one execution.

    Attributes:
        execution_id: Which one.
        agent_id: Its agent.
        status: Its status now.
        event_seq: The number of its newest event now.
        execution: The whole of it, where its status changed, or when and how it may run.
        settled: The step that it waited for, where that has come.
        is_foreign: Whether another process did it.
    """

    execution_id: str
    agent_id: str
    status: Status
    event_seq: int
    execution: Execution | None = None
    settled: Step | None = None
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What other processes have done that may let executions start here.

    Attributes:
        agent_ids: Executions of these agents may start; of any agent when None.
        freed_ids: Executions of these agents have ended, which others may have waited for.
        due_at: Something waits for this time, in microseconds.
        workers: Whether a worker has come or gone.
    """

    agent_ids: Collection[str] | None = None
    freed_ids: Collection[str] = ()
    due_at: int | None = None
    workers: bool = False


Listener = Callable[[Sequence[Change]], None]
"""Called on the store's event loop after each commit, with what it changed."""

WorkListener = Callable[[Work], None]
"""Called on the store's event loop when other processes have made work."""

CommitListener = Callable[[], None]
"""Called on the store's event loop when the log may have more; it has to be cheap."""

LiveListener = Callable[[Sequence[LiveEvent]], None]
"""Called on the store's event loop with events that are not stored."""


Answer = Callable[[Step, int], Step]
"""Makes a wait's outcome of the wait and the time; raises `InvalidRequest` where it cannot."""


class Store(Log, Protocol):
    """Holds the facts."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes write to the same database."""
        ...

    @property
    def is_present(self) -> bool:
        """Whether other processes can see that this one lives. From any thread.

        While they cannot, they may take what it runs.
        """
        ...

    def subscribe(
        self,
        listener: Listener,
        *,
        watched: Collection[str] = (),
        on_work: WorkListener | None = None,
        on_commit: CommitListener | None = None,
        on_live: LiveListener | None = None,
    ) -> None:
        """Call this after each commit.

        Args:
            listener: What to call.
            watched: The executions of which to hear also what other processes do; looked at anew
                each time.
            on_work: What to call when other processes have made work.
            on_commit: What to call after each commit that recorded events, here or elsewhere, and
                whenever `commits` may give more for another reason.
            on_live: What to call with the live-only events of executions that are in `watched`.
                Those of other processes come once they have been told of it: see `watch`.
        """
        ...

    def watch(self, execution_id: str) -> None:
        """Ask the other processes for an execution's live-only events, from now on.

        Call it when an execution comes to be in the `watched` of a subscriber with an `on_live`.
        From then on the store asks by itself, every few seconds for as long as it stays there.
        """
        ...

    def broadcast(self, events: Sequence[LiveEvent]) -> None:
        """Tell of events to whoever watches their executions, here and in other processes.

        Nothing is stored: what cannot be told at once, or to a process that has not asked for it,
        is lost. Whoever hears of a later commit of this process has heard of these before.
        """
        ...

    async def create(
        self,
        execution: Execution,
        idempotency: Idempotency | None = None,
        *,
        start: Start | None = None,
    ) -> Created:
        """Record a new execution, its first event and its idempotency key, in one transaction.

        Args:
            execution: The execution, pending.
            idempotency: What makes a repeated create the same one.
            start: How to start it at once, as a claim does; not at all when None.

        Raises:
            IdempotencyKeyReused: If the key is taken by another body.
        """
        ...

    async def spawn(self, fence: int, step: Step, child: Execution) -> None:
        """Record a child, and that its parent waits for it.

        Args:
            fence: The parent's.
            step: The parent's step.
            child: The child, pending; its `parent_id` names the parent.

        Raises:
            FencedOut: If the run is no longer the parent's.
        """
        ...

    async def fork(
        self,
        source_id: str,
        execution: Execution,
        before: int,
        idempotency: Idempotency | None = None,
    ) -> Created:
        """Record a new execution that shares another one's journal.

        Args:
            source_id: The other one.
            execution: The new one, pending.
            before: The position of the first entry that is not shared.
            idempotency: What makes a repeated fork the same one.

        Raises:
            IdempotencyKeyReused: If the key is taken by another body.
        """
        ...

    async def get(self, team_id: str, execution_id: str) -> Execution | None:
        """One execution of a team."""
        ...

    async def list(self, team_id: str, query: ListQuery) -> ExecutionList:
        """A page of a team's executions."""
        ...

    async def apply(
        self, execution_id: str, command: Command, *, team_id: str | None = None
    ) -> Execution:
        """Read an execution, let the lifecycle decide, and write what it says, at once.

        What follows from it is written with it: the end of a child settles its parent's wait, the
        end of a parent cancels its children.

        Raises:
            ExecutionNotFound: If there is none, or not in that team.
            ExecutionTerminal: If it has ended.
            FencedOut: If the command's fence is not the execution's.
            IllegalTransition: If the lifecycle has no such transition.
        """
        ...

    async def resume(
        self, team_id: str, execution_id: str, wait: str | None, answer: Answer
    ) -> Execution:
        """Settle something that an execution waits for.

        Args:
            team_id: Whose.
            execution_id: Which execution.
            wait: The wait's id or name; None where there is only one.
            answer: Makes the wait's outcome of it, given the time.

        Raises:
            ExecutionNotFound: If there is none in that team.
            ExecutionTerminal: If it has ended.
            Conflict: If it waits for nobody.
            InvalidRequest: If the answer does not fit.
        """
        ...

    async def claim(
        self, offers: Sequence[Offer], limit: int, worker_id: str, turns: Turns
    ) -> Claimed:
        """Take pending executions to run them, in their turns; see `domain.fairness`.

        Args:
            offers: What can run here.
            limit: How many at most.
            worker_id: Who takes them.
            turns: Whom this worker has served. Kept up to date.
        """
        ...

    async def recover(self, reason: str) -> int:
        """Give back what runs on no worker that is known: the start of a service.

        Where one process owns the database, that is all that runs: no run of an earlier owner
        lives.

        Returns:
            How many executions that were.
        """
        ...

    async def heartbeat(
        self, worker_id: str, seconds: float, serves: Mapping[str, Sequence[str]]
    ) -> None:
        """Renew a worker's lease: for so long, its executions are its own.

        Args:
            worker_id: Whose.
            seconds: For how long.
            serves: What it can run, by agent, as `domain.claims.lanes_of` gives it.
        """
        ...

    async def running_on(self, worker_id: str) -> Sequence[tuple[str, int]]:
        """What a worker runs, by the record: executions and fences."""
        ...

    async def retire(self, worker_id: str) -> None:
        """Forget a worker that has stopped, and runs nothing."""
        ...

    async def workers(self) -> Sequence[Worker]:
        """The workers that are known, silent ones among them."""
        ...

    async def release_lapsed(self, reason: str) -> int:
        """Give back what workers run whose leases have ended, or who are known to be dead.

        Returns:
            How many executions that were.
        """
        ...

    async def wake_due(self) -> int | None:
        """Let go on what waits for a time that has come, and fail what is out of time.

        Returns:
            When the next one is due, in microseconds; None if none is.
        """
        ...

    async def record(self, execution_id: str, fence: int, step: Step) -> int:
        """Record a step's outcome and its event.

        Returns:
            Its position.

        Raises:
            FencedOut: If the run is no longer the execution's.
        """
        ...

    async def enter(self, execution_id: str, fence: int, step: Step) -> None:
        """Say that a step has begun. An unsafe one is on disk when this returns.

        Raises:
            FencedOut: If the run is no longer the execution's.
        """
        ...

    async def wait(self, execution_id: str, fence: int, step: Step) -> None:
        """Say that a run waits for something.

        Raises:
            FencedOut: If the run is no longer the execution's.
        """
        ...

    async def append(self, execution_id: str, fence: int, events: Sequence[NewEvent]) -> None:
        """Record events of a run. May reach the disk with a later write, but in order.

        Raises:
            FencedOut: If the run is no longer the execution's.
        """
        ...

    async def steps(self, execution_id: str) -> Sequence[Step]:
        """The journal: what is recorded, in that order, then what has begun or waits."""
        ...

    async def places(self, execution_id: str) -> AbstractSet[str]:
        """The places in the agent's code whose events are on record."""
        ...

    async def events(self, execution_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """The events behind a number, in order."""
        ...

    async def delete(self, team_id: str, execution_id: str) -> None:
        """Remove an execution that has ended, with all that belongs to it.

        Raises:
            ExecutionNotFound: If there is none in that team.
            ExecutionNotTerminal: If it has not ended.
        """
        ...

    async def prune(self, before: int, limit: int) -> int:
        """Remove executions that ended before a time, and give their room back.

        Of the log, too, what is older than that is removed bit by bit; never its newest commit.

        Args:
            before: The time, in microseconds.
            limit: How many executions at most.

        Returns:
            How many were removed.
        """
        ...

    async def vacuum(self) -> int:
        """Give some more of the room that nothing uses back to the disk.

        Returns:
            How much was given back; 0 where there was nothing to give.
        """
        ...

    async def register(self, versions: Sequence[AgentVersion]) -> None:
        """Record the versions of agents in code, each as its agent's newest.

        Where the database is shared, a version that is on record already does not become the newest
        again: a worker of an older release may start beside a newer one.

        Raises:
            Conflict: If a version is on record with other schemas.
        """
        ...

    async def agents(self, *, offset: int, limit: int) -> tuple[Sequence[Agent], int]:
        """A page of agents by name, and how many there are in all."""
        ...

    async def agent(self, agent_id: str) -> Agent | None:
        """One agent."""
        ...

    async def agent_versions(self, agent_id: str) -> Sequence[AgentVersion]:
        """An agent's versions, newest first."""
        ...

    async def look_again(self) -> None:
        """Tell once more of all that is watched, in case that word of a change was missed."""
        ...

    async def counts(self) -> Mapping[Status, int]:
        """How many executions there are, by status."""
        ...

    async def probe(self) -> None:
        """Write nothing, durably: find out whether a write would succeed.

        Raises:
            Unavailable: If it would not.
        """
        ...
