"""What is read for people who look after the whole: sums and samples, never single executions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from moderately.domain.listing import ListQuery
from moderately.protocol.vocabulary import Status

__all__ = ["Load", "Queue", "Reports", "Run", "Slot", "Storage"]


class Queue(NamedTuple):
    """What is pending of an agent.

    Attributes:
        agent_id: The agent.
        ready: How many could run at once.
        later: How many wait for a time, or for something else than a worker.
        oldest_id: The oldest of those that could run; None where there is none.
    """

    agent_id: str
    ready: int
    later: int
    oldest_id: str | None


class Load(NamedTuple):
    """What a worker runs of an agent.

    Attributes:
        worker_id: The worker.
        agent_id: The agent.
        running: How many executions.
    """

    worker_id: str
    agent_id: str
    running: int


class Run(NamedTuple):
    """How an execution went, without what went in and came out.

    Attributes:
        id: The execution.
        status: Its status.
        created_at: When it was created, in microseconds.
        started_at: When it first started; None before.
        ended_at: When it ended; None until it has.
        usage: What its steps have used, as they told of it.
    """

    id: str
    status: Status
    created_at: int
    started_at: int | None
    ended_at: int | None
    usage: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """What ended within a span of time.

    Attributes:
        begun_at: When the span begins, in microseconds.
        ended: How many executions ended in it, by how.
        seconds: How long some of them took from their creation, in no order: the newest of those
            that completed or failed.
    """

    begun_at: int
    ended: Mapping[Status, int] = field(default_factory=dict)
    seconds: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the facts lie.

    Attributes:
        kind: The database, with its version.
        octets: How much room it takes, in bytes.
    """

    kind: str
    octets: int


class Reports(Protocol):
    """Reads sums. Beside `Store`, since nothing that runs depends on them."""

    async def counts(self, team_id: str, query: ListQuery) -> Mapping[Status, int]:
        """How many of a team's executions there are, by status.

        Args:
            team_id: Whose.
            query: Which; its own statuses and its page are of no account.
        """
        ...

    async def queues(self, team_id: str) -> Sequence[Queue]:
        """What is pending of a team, by agent."""
        ...

    async def loads(self, team_id: str) -> Sequence[Load]:
        """What runs of a team, by worker and agent."""
        ...

    async def ends(self, team_id: str, since: int, width: int, number: int) -> Sequence[Slot]:
        """What ended of a team over time.

        Args:
            team_id: Whose.
            since: When the first slot begins, in microseconds.
            width: How long a slot is, in microseconds.
            number: How many slots there are.
        """
        ...

    async def runs(self, team_id: str, agent_id: str, limit: int) -> Sequence[Run]:
        """How an agent's newest executions went, the newest first.

        Args:
            team_id: Whose.
            agent_id: The agent.
            limit: How many at most.
        """
        ...

    async def storage(self) -> Storage:
        """Where the facts lie."""
        ...
