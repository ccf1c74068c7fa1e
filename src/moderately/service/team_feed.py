"""Followers of a whole team, in the order of commits.

As in `feed`, who is abreast is given what comes, and who is behind reads the log of commits by
itself, from whatever place it has, for as long as the records live.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from moderately.domain.errors import CursorReset, Unavailable
from moderately.domain.following import EventFilter, Place
from moderately.domain.log import Commit, Touch
from moderately.domain.storing import Store
from moderately.service.follower import Follower
from moderately.service.told import Push, Told

__all__ = ["TeamFeed", "TeamFollowing", "TeamPage"]

_log = logging.getLogger(__name__)

_COMMITS: Final = 100
_LABELS_KEPT: Final = 20_000
_POLL_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.25


class TeamPage(NamedTuple):
    """Events of a team in the order of commits, and the place behind what was looked through."""

    told: Sequence[Told]
    place: Place


class TeamFollowing(Follower):
    """Somebody who follows a team. Made by `TeamFeed.follow`; close it in the end.

    Attributes:
        team_id: The team.
        wanted: What it wants to hear of.
        place: Where it stands.
    """

    def __init__(self, feed: "TeamFeed", team_id: str, wanted: EventFilter, place: Place) -> None:
        super().__init__()
        self.team_id = team_id
        self.wanted = wanted
        self.place = place
        self._feed = feed

    @property
    def is_closed(self) -> bool:
        """Whether the service stops."""
        return self._feed.is_closed

    async def more(self) -> Sequence[Told] | None:
        """What follows, which may be nothing of interest; None where it is abreast.

        Raises:
            CursorReset: If its place is not in the database's log any more.
            Unavailable: If that may be, or the store does not answer.
            Unauthenticated: If its key has been revoked.
        """
        self._check()
        if not self.place.is_before(self._feed.head):
            return None
        # What is read may be there at once: the others have their turn.
        await asyncio.sleep(0)
        self._portion.learn(self._last)
        limit = self._portion.limit
        page = await self._feed.page(self.team_id, self.wanted, self.place, limit)
        self.place = page.place
        self._last = page.told
        return page.told

    async def rest(self, push: Push, seconds: float) -> None:
        """Be given what comes, until it is too much at once, or for so many seconds."""
        if self.place.is_before(self._feed.head):
            return
        loop = asyncio.get_running_loop()
        self._push = push
        self._rest = loop.create_future()
        self._feed.abreast[self] = None
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._rest
        finally:
            timer.cancel()
            self._feed.abreast.pop(self, None)
            self._rest = None

    def give(self, told: Sequence[Told], place: Place) -> None:
        """Give it what it wants of some commits, and say where it stands then."""
        if self._push is None or self._rest is None or self._rest.done():
            return
        if not self.place.is_before(place):
            # It has read further by itself than has been given out.
            return
        if told and not _is_behind(told[0], self.place):
            told = [one for one in told if _is_behind(one, self.place)]
        self.place = place
        if told and not self._push(told):
            self.wake()

    def close(self) -> None:
        """Follow no longer."""
        self._feed.leave(self)
        self.on_close(self)


class TeamFeed:
    """Gives what is committed to whoever follows a team.

    Args:
        store: Where it is on record.

    Attributes:
        head: The place behind the newest commit that was given out.
        abreast: Those that are given what comes.
        is_closed: Whether the service stops.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self.head = Place()
        self.abreast: dict[TeamFollowing, None] = {}
        self._followings: set[TeamFollowing] = set()
        self._labels: dict[str, Mapping[str, str]] = {}
        self._news = asyncio.Event()
        self._tail: asyncio.Task[None] | None = None
        self.is_closed = False
        store.subscribe(lambda _: None, on_commit=self._news.set)

    def __len__(self) -> int:
        return len(self._followings)

    async def follow(self, team_id: str, wanted: EventFilter, place: Place | None) -> TeamFollowing:
        """Begin to follow a team.

        Args:
            team_id: The team.
            wanted: What the reader wants to hear of.
            place: Where it goes on; from now on when None.

        Raises:
            CursorReset: If the place is not in this database's log.
            Unavailable: If the store does not answer.
        """
        following = TeamFollowing(self, team_id, wanted, place or Place())
        self._followings.add(following)
        try:
            await self._begin()
            if place is None:
                following.place = self.head
            else:
                await self._check(place)
        except BaseException:
            self.leave(following)
            raise
        return following

    def leave(self, following: TeamFollowing) -> None:
        """One reader less. Nobody tails the log while nobody follows."""
        self._followings.discard(following)
        if not self._followings and self._tail is not None:
            self._tail.cancel()
            self._tail = None

    def close(self) -> None:
        """Let everybody go: the service stops."""
        self.is_closed = True
        for following in list(self.abreast):
            following.wake()

    async def newest(self) -> Place:
        """The place behind the newest commit."""
        return Place.behind(await self._store.newest_commit())

    async def _check(self, place: Place) -> Commit | None:
        """The commit that a place is in or behind; None for the place before the first.

        Raises:
            CursorReset: If it is not in this database's log: that was restored, or pruned there.
        """
        commit = await self._store.commit(place.number) if place.number else None
        if not place.is_in(commit):
            raise CursorReset((await self.newest()).encode())
        return commit

    async def _begin(self) -> None:
        if self._tail is not None and not self._tail.done():
            return
        newest = await self.newest()
        if self._tail is None or self._tail.done():
            self.head = newest
            self._tail = self._loop.create_task(self._follow_log())

    async def _follow_log(self) -> None:
        while not self.is_closed:
            self._news.clear()
            try:
                commits = await self._next()
                if commits:
                    await self._give_out(commits)
                    continue
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            except Exception:  # noqa: BLE001 - it is in the log, and the readers must go on
                _log.exception("cannot follow the log of commits")
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            timer = self._loop.call_later(_POLL_SECONDS, self._news.set)
            await self._news.wait()
            timer.cancel()

    async def _next(self) -> Sequence[Commit]:
        """The commits behind the head, as long as that is in the log itself."""
        # With the head, which is not there where the database went back to what a backup, or a
        # standby, had of it: under its number, and the next ones, something else may be by now.
        found = await self._store.commits(after=self.head.number - 1, limit=_COMMITS + 1)
        if not self.head.number:
            return found
        if found and self.head.is_in(found[0]):
            return found[1:]
        self.head = await self.newest()
        for following in self._followings:
            following.lose(Unavailable("The database has gone back. Come again with your cursor."))
        return []

    async def _give_out(self, commits: Sequence[Commit]) -> None:
        known = set(self._followings)
        teams = {following.team_id for following in known}
        wanted = [f for f in known if f.wanted.metadata]
        touches = [t for commit in commits for t in commit.touches if t.team_id in teams]
        labels: dict[str, Mapping[str, str]] = {}
        for touch in touches:
            if any(f.team_id == touch.team_id and f.wanted.wants(touch) for f in wanted):
                labels[touch.execution_id] = await self._labels_of(touch)
        told = await self._told(commits, touches)
        place = Place.behind(commits[-1])
        self.head = place
        for following in list(self.abreast):
            if following in known:
                following.give([one for one in told if _wants(following, one, labels)], place)
            else:
                # It came while these were read, and not for it: it reads them by itself.
                following.wake()

    async def _labels_of(self, touch: Touch) -> Mapping[str, str]:
        """An execution's labels, which never change."""
        found = self._labels.get(touch.execution_id)
        if found is None:
            execution = await self._store.get(touch.team_id, touch.execution_id)
            found = {} if execution is None else execution.metadata
            if len(self._labels) >= _LABELS_KEPT:
                self._labels.clear()
            self._labels[touch.execution_id] = found
        return found

    async def page(self, team_id: str, wanted: EventFilter, place: Place, limit: int) -> TeamPage:
        """Some of what follows a place: what is wanted of a bounded stretch of the log.

        Args:
            team_id: The team.
            wanted: What the reader wants to hear of.
            place: Where to begin.
            limit: How many events at most.

        Raises:
            CursorReset: If the place is not in this database's log.
            Unavailable: If the store does not answer.
        """
        commits = list(await self._store.commits(after=place.number, limit=_COMMITS))
        begun = await self._check(place)
        if begun is not None and place.offset < Place.behind(begun).offset:
            commits.insert(0, begun)
        through, touches = await self._wanted(team_id, wanted, commits, place, limit)
        told: list[Told] = []
        for one in await self._told(through, touches):
            if not _is_behind(one, place):
                continue
            if len(told) == limit:
                return TeamPage(told, told[-1].place or place)
            told.append(one)
        return TeamPage(told, Place.behind(through[-1]) if through else place)

    async def _wanted(
        self,
        team_id: str,
        wanted: EventFilter,
        commits: Sequence[Commit],
        place: Place,
        limit: int,
    ) -> tuple[Sequence[Commit], Sequence[Touch]]:
        """What is wanted of some commits, and of how many of these it is enough for a page."""
        touches: list[Touch] = []
        found = 0
        for number, commit in enumerate(commits, 1):
            for touch in commit.touches:
                if touch.team_id == team_id and wanted.wants(touch):
                    labels = await self._labels_of(touch) if wanted.metadata else {}
                    if wanted.wants_labels(labels):
                        touches.append(touch)
                        found += touch.last_seq - touch.first_seq + 1
            if found > limit and commit.number != place.number:
                return commits[:number], touches
        return commits, touches

    async def _told(self, commits: Sequence[Commit], touches: Sequence[Touch]) -> list[Told]:
        """The events of some touches of these commits, each with the place behind it."""
        ranges = [(one.execution_id, one.first_seq, one.last_seq) for one in touches]
        found = await self._store.events_between(ranges) if ranges else []
        events = {(event.execution_id, event.seq): event for event in found}
        told = []
        for place, touch, seq in _places(commits):
            event = events.get((touch.execution_id, seq))
            if event is not None:
                told.append(Told(event, touch=touch, place=place))
        return told


def _wants(following: TeamFollowing, told: Told, labels: Mapping[str, Mapping[str, str]]) -> bool:
    touch, wanted = told.touch, following.wanted
    if touch is None or touch.team_id != following.team_id or not wanted.wants(touch):
        return False
    return not wanted.metadata or wanted.wants_labels(labels[touch.execution_id])


def _is_behind(told: Told, place: Place) -> bool:
    return told.place is not None and place.is_before(told.place)


def _places(commits: Sequence[Commit]) -> Iterator[tuple[Place, Touch, int]]:
    """Every event of some commits: the place behind it, and what its commit did."""
    for commit in commits:
        whole = Place.behind(commit)
        numbered = itertools.count(1)
        for touch in commit.touches:
            for seq in range(touch.first_seq, touch.last_seq + 1):
                yield whole._replace(offset=next(numbered)), touch, seq
