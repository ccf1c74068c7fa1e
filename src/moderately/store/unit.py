"""A unit of work: what the writes of one transaction see, and what they leave to be written.

Writes that arrive together share one transaction. Each is a coroutine over the same `Unit`: it
reads through it, so that it sees what the writes before it have done, and puts what it changes.
Nothing reaches the database until all have run; then each table is written by a few statements for
all of them. A write that is refused must raise before it puts anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from moderately.domain.commands import Command
from moderately.domain.errors import DomainError, FencedOut, IllegalTransition
from moderately.domain.execution import Execution, NewEvent, Step
from moderately.domain.fairness import Head
from moderately.domain.lifecycle import decide
from moderately.domain.ports import Clock
from moderately.domain.storing import Change

__all__ = ["REFUSALS", "EventRow", "Look", "Search", "Source", "Unit"]


REFUSALS: Final = (DomainError, FencedOut, IllegalTransition)
"""What a write raises that has not put anything: it fails alone, whatever else its unit has."""


@dataclass(frozen=True, slots=True)
class Search:
    """A look for what waits of an agent.

    Attributes:
        agent_id: The agent.
        lanes: What can run: see `domain.claims.Offer`.
        behind: The team behind which to look.
        limit: How many executions may start.
        key_limit: How many with the same concurrency key may run at once; no limit when None.
            Where there is one, some are found of each key, and just these may be taken.
        behind_key: The key behind which to look.
        full_keys: The keys that are not wanted.
    """

    agent_id: str
    lanes: Sequence[str]
    behind: str
    limit: int
    key_limit: int | None = None
    behind_key: str = ""
    full_keys: Sequence[str] = ()

    @property
    def keyed_lanes(self) -> list[str]:
        """The lanes in which to look key by key."""
        return [] if self.key_limit is None else [one for one in self.lanes if one[1] == "k"]

    @property
    def plain_lanes(self) -> list[str]:
        """The other lanes."""
        return [lane for lane in self.lanes if self.key_limit is None or lane[1] != "k"]

    def share(self, teams: int) -> int:
        """How many executions to find in each lane of each team, where so many teams wait."""
        return -(-self.limit // max(1, teams))


class Look(NamedTuple):
    """What a search has found.

    Attributes:
        teams: The teams that have something waiting, whether it can run here or not.
        heads: What can run here: of each team some, in the order in which it may start.
    """

    teams: Sequence[str]
    heads: Sequence[Head]


class Source(Protocol):
    """Reads for a unit, within its transaction. What is read to be changed is locked."""

    async def execution(self, execution_id: str) -> Execution | None:
        """One execution."""
        ...

    async def idempotent(self, team_id: str, key: str) -> tuple[str, Execution] | None:
        """What a team's idempotency key stands for: the body's digest, and the execution."""
        ...

    async def step(self, execution_id: str, step_id: str) -> Step | None:
        """One journal entry."""
        ...

    async def waits(self, execution_id: str) -> Sequence[Step]:
        """What an execution waits for."""
        ...

    async def children(self, execution_id: str) -> Sequence[str]:
        """An execution's children that have not ended."""
        ...

    async def hold(self, agent_ids: Sequence[str]) -> None:
        """Let nobody else claim of these agents until this transaction ends."""
        ...

    async def running(self, agent_ids: Sequence[str]) -> Mapping[tuple[str, str | None], int]:
        """How many executions of these agents run, by agent and concurrency key."""
        ...

    async def arrivals(self, agent_ids: Sequence[str]) -> Mapping[str, int]:
        """The theoretical arrival times of the agents' rate limits; 0 where there is none."""
        ...

    async def waiting(self, searches: Sequence[Search]) -> Sequence[Look]:
        """Look for what waits; a look for each search."""
        ...

    async def take(self, chosen: Sequence[Head], searches: Sequence[Search]) -> Sequence[Execution]:
        """Lock what was chosen, or what is next in its lanes, unless somebody else has."""
        ...

    async def orphans(self) -> Sequence[str]:
        """What runs on no worker that is known."""
        ...

    async def lapsed(self, now: int) -> Sequence[str]:
        """What runs on workers whose leases have ended, or that are known to be dead."""
        ...

    async def due(self, now: int, limit: int) -> Sequence[str]:
        """What waits for a time that has come."""
        ...

    async def overdue(self, now: int, limit: int) -> Sequence[str]:
        """What is pending, and out of time."""
        ...

    async def next_due(self, now: int) -> int | None:
        """When the next of these is due, later than now."""
        ...


class EventRow(NamedTuple):
    """An event with its number."""

    execution_id: str
    seq: int
    event: NewEvent
    created_at: int


@dataclass(slots=True)
class Unit:
    """What the writes of one transaction see and leave.

    Attributes:
        source: Reads what is on record.
        clock: Tells the time.
        inserted: New executions, by id.
        updated: Changed executions, by id: as they are on record, and as they are to be.
        labels: New labels: team, key, value, execution.
        keys: New idempotency keys: team, key, digest, execution.
        events: New events.
        steps: New or changed journal entries, by execution and id.
        dropped: Journal entries to remove, by execution and id.
        copies: Journals to share: source, execution, the position before which.
        arrivals: The rate limits' arrival times, by agent.
        changes: What to tell after the commit.
    """

    source: Source
    clock: Clock
    inserted: dict[str, Execution] = field(default_factory=dict)
    updated: dict[str, tuple[Execution, Execution]] = field(default_factory=dict)
    labels: list[tuple[str, str, str, str]] = field(default_factory=list)
    keys: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    steps: dict[tuple[str, str], Step] = field(default_factory=dict)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    copies: list[tuple[str, str, int]] = field(default_factory=list)
    arrivals: dict[str, int] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    async def execution(self, execution_id: str) -> Execution | None:
        """An execution, as the writes before this one left it."""
        if execution_id in self.inserted:
            return self.inserted[execution_id]
        if execution_id in self.updated:
            return self.updated[execution_id][1]
        return await self.source.execution(execution_id)

    async def idempotent(self, team_id: str, key: str) -> tuple[str, Execution] | None:
        """What a team's idempotency key stands for."""
        if (found := self.keys.get((team_id, key))) is not None:
            return found[0], self.inserted[found[1]]
        return await self.source.idempotent(team_id, key)

    async def step(self, execution_id: str, step_id: str) -> Step | None:
        """A journal entry."""
        found = self.steps.get((execution_id, step_id))
        return found or await self.source.step(execution_id, step_id)

    async def waits(self, execution_id: str) -> list[Step]:
        """What an execution waits for."""
        known = {step.id: step for step in await self.source.waits(execution_id)}
        known |= {step.id: step for (owner, _), step in self.steps.items() if owner == execution_id}
        gone = {step_id for owner, step_id in self.dropped if owner == execution_id}
        return [s for s in known.values() if s.status == "waiting" and s.id not in gone]

    async def children(self, execution_id: str) -> list[str]:
        """An execution's children that had not ended before this unit, or are new in it."""
        new = [one.id for one in self.inserted.values() if one.parent_id == execution_id]
        return [*await self.source.children(execution_id), *new]

    def now(self, execution: Execution) -> int:
        """The time, not before the execution's own."""
        return max(self.clock.now(), execution.updated_at)

    def insert(self, execution: Execution, events: Sequence[NewEvent]) -> None:
        """Put a new execution, with all its events so far."""
        self.inserted[execution.id] = execution
        for key, value in execution.metadata.items():
            self.labels.append((execution.team_id, key, value, execution.id))
        self._tell(execution, events, execution.created_at, is_whole=True)

    def decide(self, execution: Execution, command: Command) -> Execution:
        """Let the lifecycle decide, and put what it says."""
        now = self.now(execution)
        after, events = decide(execution, command, now)
        if execution.id in self.inserted:
            self.inserted[execution.id] = after
        else:
            before = self.updated[execution.id][0] if execution.id in self.updated else execution
            self.updated[execution.id] = (before, after)
        self._tell(after, events, now, is_whole=_may_run(execution) != _may_run(after))
        return after

    def _tell(
        self, after: Execution, events: Sequence[NewEvent], now: int, *, is_whole: bool
    ) -> None:
        first = after.event_seq - len(events) + 1
        for seq, event in enumerate(events, first):
            self.events.append(EventRow(after.id, seq, event, now))
        whole = after if is_whole else None
        self.changes.append(Change(after.id, after.agent_id, after.status, after.event_seq, whole))

    def put_step(self, execution_id: str, step: Step) -> None:
        """Put a journal entry, new or changed."""
        self.steps[execution_id, step.id] = step

    def drop_step(self, execution_id: str, step_id: str) -> None:
        """Remove a journal entry, so that the step runs again."""
        self.steps.pop((execution_id, step_id), None)
        self.dropped.append((execution_id, step_id))

    def size(self) -> int:
        """How much has been put: the same before and after a write that was refused."""
        return len(self.changes) + len(self.steps) + len(self.dropped) + len(self.keys)


def _may_run(execution: Execution) -> tuple[object, ...]:
    """What decides whether it may run."""
    return execution.status, execution.run_at, execution.agent_version
