"""Whose turn it is: teams take turns, and within a team its agents do. Pure.

One team, or one agent, that has a hundred thousand executions waiting must not starve another. So
the free slots are dealt: first to the team that was served least recently; of that team, to the
execution with the highest priority; among equals, to the agent that was served least recently, and
then to the older execution. A team's priorities order its own executions, and nobody else's.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = ["KEYS_AT_ONCE", "TEAMS_AT_ONCE", "Head", "Room", "Turns", "deal"]

TEAMS_AT_ONCE: Final = 64
"""How many teams a claim looks at; the next claim goes on behind them."""

KEYS_AT_ONCE: Final = 256
"""How many concurrency keys of a team a claim looks at; the next claim goes on behind them."""

_MEMORY: Final = 10_000


class Head(NamedTuple):
    """What a claim needs to know of an execution that waits.

    Attributes:
        lane: What it needs of a worker: see `domain.claims.Offer`.
    """

    id: str
    team_id: str
    agent_id: str
    lane: str
    priority: int
    concurrency_key: str | None


@dataclass(slots=True)
class Room:
    """How many more executions of an agent may start.

    Attributes:
        free: How many.
        key_limit: How many with the same concurrency key may run at once; no limit when None.
        by_key: How many run, by concurrency key.
    """

    free: int
    key_limit: int | None = None
    by_key: Counter[str] = field(default_factory=Counter)

    def full_keys(self) -> list[str]:
        """The keys of which no more may start."""
        most = self.key_limit
        return [] if most is None else [key for key, n in self.by_key.items() if n >= most]

    def has_room(self, key: str | None) -> bool:
        """Whether one more with this key may start."""
        is_full = self.key_limit is not None and key and self.by_key[key] >= self.key_limit
        return self.free > 0 and not is_full

    def take(self, key: str | None) -> bool:
        """Make room for one more with this key, if there is some."""
        if not self.has_room(key):
            return False
        if key is not None:
            self.by_key[key] += 1
        self.free -= 1
        return True


class Turns:
    """A worker's memory of whom it has served, and how long ago."""

    def __init__(self) -> None:
        self._count = 0
        self._served: dict[str | tuple[str, str], int] = {}
        self._behind: dict[str, str] = {}
        self._behind_key: dict[str, str] = {}

    def of(self, whom: str | tuple[str, str]) -> int:
        """When a team, or a team's agent, was served last; 0 if never, or too long ago."""
        return self._served.get(whom, 0)

    def serve(self, team_id: str, agent_id: str) -> None:
        """Note that it is served now."""
        if len(self._served) > _MEMORY:
            self._served.clear()
        self._count += 1
        self._served[team_id] = self._served[team_id, agent_id] = self._count

    def behind(self, agent_id: str) -> str:
        """Behind which team, by name, to look for the agent's waiting executions."""
        return self._behind.get(agent_id, "")

    def behind_key(self, agent_id: str) -> str:
        """Behind which concurrency key, by name, to look in each of the agent's lanes."""
        return self._behind_key.get(agent_id, "")

    def looked_at(self, agent_id: str, teams: Collection[str], heads: Iterable[Head]) -> bool:
        """Note what a look at an agent has found.

        Args:
            agent_id: The agent.
            teams: The teams that have something waiting.
            heads: What can run.

        Returns:
            Whether these were all teams and keys that there are.
        """
        keys: dict[tuple[str, str], set[str]] = {}
        for head in heads:
            if head.concurrency_key is not None:
                keys.setdefault((head.team_id, head.lane), set()).add(head.concurrency_key)
        was_first = not (self._behind_key.pop(agent_id, "") or self._behind.get(agent_id, ""))
        # As far as all lanes were seen: each goes on behind that.
        cut = [max(found) for found in keys.values() if len(found) >= KEYS_AT_ONCE]
        if cut:
            self._behind_key[agent_id] = min(cut)
            return False
        self._behind.pop(agent_id, None)
        if len(teams) >= TEAMS_AT_ONCE:
            self._behind[agent_id] = max(teams)
            return False
        return was_first


def deal(heads: Iterable[Head], rooms: Mapping[str, Room], limit: int, turns: Turns) -> list[Head]:
    """Choose what starts.

    Args:
        heads: What waits; those of an agent in the order of its lanes.
        rooms: How many more of each agent may start, by its id. Used up.
        limit: How many may start in all.
        turns: Who was served when. Kept up to date.

    Example:
        >>> deal(heads, {"agent": Room(free=2)}, 10, Turns())
    """
    queues: dict[str, dict[str, deque[Head]]] = {}
    for head in sorted(heads, key=lambda one: (-one.priority, one.id)):
        queues.setdefault(head.team_id, {}).setdefault(head.agent_id, deque()).append(head)
    chosen: list[Head] = []
    while queues and len(chosen) < limit:
        team_id = min(queues, key=lambda team: (turns.of(team), _first(queues[team].values())))
        agents = queues[team_id]
        agent_id = min(
            agents,
            key=lambda agent: (
                -agents[agent][0].priority,
                turns.of((team_id, agent)),
                agents[agent][0].id,
            ),
        )
        head = agents[agent_id].popleft()
        room = rooms[agent_id]
        if room.take(head.concurrency_key):
            chosen.append(head)
            turns.serve(team_id, agent_id)
        if not agents[agent_id] or room.free <= 0:
            del agents[agent_id]
        if not agents:
            del queues[team_id]
    return chosen


def _first(queues: Iterable[deque[Head]]) -> tuple[int, str]:
    return min((-queue[0].priority, queue[0].id) for queue in queues)
