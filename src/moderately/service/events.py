"""The use cases of events: read them, follow an execution, follow the team."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from moderately.domain.errors import ExecutionNotFound
from moderately.domain.execution import Event, Execution
from moderately.domain.following import EventFilter, Place
from moderately.domain.storing import Store
from moderately.service.feed import Feed, Following
from moderately.service.hub import Hub
from moderately.service.keys import KeyRing
from moderately.service.principal import Principal, shown
from moderately.service.revoked import KeyWatch
from moderately.service.team_feed import TeamFeed, TeamFollowing, TeamPage
from moderately.service.told import Told

__all__ = ["EventList", "Events"]


@dataclass(frozen=True, slots=True)
class EventList:
    """Events in order, and whether the execution has ended, so that no more can follow them."""

    items: list[Event]
    is_terminal: bool


class Events:
    """The use cases. Everything is scoped to the caller's team.

    Args:
        store: Where events are on record.
        hub: Wakes who waits for one.
        keys: Knows whether the keys of those who follow are still good.
    """

    def __init__(self, store: Store, hub: Hub, keys: KeyRing) -> None:
        self._store = store
        self._hub = hub
        self._feed = Feed(store)
        self._team_feed = TeamFeed(store)
        self._watch = KeyWatch(keys)

    def __len__(self) -> int:
        return len(self._feed) + len(self._team_feed)

    def close(self) -> None:
        """Let all followers go: the service stops."""
        self._feed.close()
        self._team_feed.close()

    async def page(
        self,
        principal: Principal,
        execution_id: str,
        *,
        after: int,
        limit: int,
        wait: float | None,
    ) -> EventList:
        """An execution's events behind a number.

        Args:
            principal: Who asks.
            execution_id: Which execution.
            after: The number of the last event that the caller has.
            limit: How many at most.
            wait: How long to wait for the first, in seconds; not at all when None.

        Raises:
            ExecutionNotFound: If there is none in the team.
        """
        waiter = self._hub.join(execution_id, after=after) if wait else None
        try:
            execution = await self._find(principal, execution_id)
            is_news = execution.event_seq > after or execution.status.is_terminal
            if waiter is not None and not is_news:
                await self._hub.wait(waiter, wait or 0)
                execution = await self._find(principal, execution_id)
        finally:
            if waiter is not None:
                self._hub.leave(execution_id, waiter)
        items = list(await self._store.events(execution_id, after=after, limit=limit))
        last = items[-1].seq if items else after
        return EventList(items, execution.status.is_terminal and last >= execution.event_seq)

    async def _find(self, principal: Principal, execution_id: str) -> Execution:
        execution = await self._store.get(principal.team_id, execution_id)
        if execution is None:
            raise ExecutionNotFound(f"There is no execution {shown(execution_id)}.")
        return execution

    async def follow(
        self, principal: Principal, execution_id: str, *, after: int, with_live: bool
    ) -> Following:
        """Follow an execution's events, for as long as the caller's key is good.

        Args:
            principal: Who asks.
            execution_id: Which execution.
            after: The number of the last event that the reader has.
            with_live: Whether it wants live-only events too.

        Raises:
            ExecutionNotFound: If there is none in the team.
        """
        following = await self._feed.follow(
            principal.team_id, execution_id, after, with_live=with_live
        )
        self._watch.join(principal.key_id, following)
        return following

    async def follow_team(
        self, principal: Principal, wanted: EventFilter, place: Place | None
    ) -> TeamFollowing:
        """Follow the events of all of the team's executions, for as long as the key is good.

        Args:
            principal: Who asks.
            wanted: What the reader wants to hear of.
            place: Where it goes on; from now on when None.

        Raises:
            CursorReset: If the database does not know the place.
        """
        following = await self._team_feed.follow(principal.team_id, wanted, place)
        self._watch.join(principal.key_id, following)
        return following

    async def team_page(
        self,
        principal: Principal,
        wanted: EventFilter,
        place: Place | None,
        *,
        limit: int,
        wait: float | None,
    ) -> TeamPage:
        """Some of the team's events behind a place.

        Args:
            principal: Who asks.
            wanted: What the caller wants to hear of.
            place: Where it goes on; when None, it gets the newest place, and nothing else.
            limit: How many events at most.
            wait: How long to wait for the first, in seconds; not at all when None.

        Raises:
            CursorReset: If the database does not know the place.
        """
        feed, team_id = self._team_feed, principal.team_id
        if place is None:
            return TeamPage([], await feed.newest())
        found = await feed.page(team_id, wanted, place, limit)
        if found.told or not wait:
            return found
        following = await feed.follow(team_id, wanted, found.place)
        try:
            return await _first(following, limit, wait)
        finally:
            following.close()


async def _first(following: TeamFollowing, limit: int, wait: float) -> TeamPage:
    """The first events that come, if any do within so many seconds."""
    caught: list[Told] = []

    def push(told: Sequence[Told]) -> bool:
        caught.extend(told)
        return False

    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    while not caught and not following.is_closed and (left := until - loop.time()) > 0:
        told = await following.more()
        if told is None:
            await following.rest(push, left)
        else:
            caught.extend(told)
    if len(caught) > limit:
        return TeamPage(caught[:limit], caught[limit - 1].place or following.place)
    return TeamPage(caught, following.place)
