"""Followers of executions: however many follow one, each of its events is read and rendered once.

A follower that is behind reads for itself, from memory or from the store, as fast as it can take
it. One that is abreast is given each event as it comes, in the turn of the event loop in which it
was read; if it cannot take more for the moment, it falls behind, and catches up by reading. So a
slow reader holds up nobody, holds no more memory than its connection does, and misses nothing.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Collection, Sequence
from typing import Final

from moderately.domain.errors import ExecutionNotFound, Unavailable
from moderately.domain.execution import Event, Execution
from moderately.domain.log import LiveEvent
from moderately.domain.storing import Change, Store
from moderately.service.follower import Follower
from moderately.service.principal import shown
from moderately.service.told import Push, Told

__all__ = ["Feed", "Following"]

_log = logging.getLogger(__name__)

_KEPT: Final = 256
_KEPT_BYTES: Final = 1_000_000
_AT_ONCE: Final = 100
_RETRY_SECONDS: Final = 0.25


class _Channel:
    """One execution that is followed.

    Attributes:
        head: The number of the newest event that was given out; -1 until that is known.
        wanted: The number of the newest event that is known to be on record.
        readers: How many follow it.
        abreast: Those that are given what comes.
        recent: The newest events that came while it was followed.
        held: Live-only events that came behind what has not been read yet.
    """

    def __init__(self, execution_id: str) -> None:
        self.execution_id = execution_id
        self.head = -1
        self.wanted = 0
        self.readers = 0
        self.abreast: dict[Following, None] = {}
        self.recent: deque[Told] = deque(maxlen=_KEPT)
        self.held: deque[LiveEvent] = deque(maxlen=_KEPT)

    def skip(self) -> None:
        """Give out nothing of what is new: readers find it on record."""
        self.head = self.wanted
        self.recent.clear()
        self.held.clear()

    def trim(self) -> None:
        """Let go of the oldest events in memory where they are large."""
        size = sum(told.size for told in self.recent)
        while size > _KEPT_BYTES:
            size -= self.recent.popleft().size

    def kept(self, after: int) -> list[Told]:
        """What follows a number, if all of it is in memory; else nothing."""
        first = self.head - len(self.recent) + 1
        if not self.recent or after + 1 < first:
            return []
        return list(itertools.islice(self.recent, after + 1 - first, None))


class Following(Follower):
    """Somebody who follows an execution. Made by `Feed.follow`; close it in the end.

    Attributes:
        execution: The execution, as it was at the beginning.
        after: The number of the newest event that it has.
        with_live: Whether it is given live-only events too.
    """

    def __init__(
        self, feed: "Feed", channel: _Channel, execution: Execution, after: int, *, with_live: bool
    ) -> None:
        super().__init__()
        self.execution = execution
        self.after = after
        self.with_live = with_live
        self._feed = feed
        self._channel = channel

    @property
    def is_over(self) -> bool:
        """Whether it has all events of an execution that had ended at the beginning."""
        return self.execution.status.is_terminal and self.after >= self.execution.event_seq

    @property
    def is_closed(self) -> bool:
        """Whether the service stops."""
        return self._feed.is_closed

    async def more(self) -> Sequence[Told] | None:
        """What follows; None where it has all there is.

        Raises:
            ExecutionNotFound: If the execution has been deleted.
            Unavailable: If the store does not answer.
            Unauthenticated: If its key has been revoked.
        """
        self._check()
        channel = self._channel
        if self.after >= channel.head:
            return None
        # What is read may be there at once: the others have their turn.
        await asyncio.sleep(0)
        self._portion.learn(self._last)
        limit = self._portion.limit
        found = channel.kept(self.after)[:limit]
        if not found:
            found = await self._feed.read(channel.execution_id, self.after, limit)
        self._last = found
        if not found:
            raise ExecutionNotFound(f"Execution {channel.execution_id} has been deleted.")
        self.after = _seq(found[-1])
        return found

    async def rest(self, push: Push, seconds: float) -> None:
        """Be given what comes, until it is too much at once, or for so many seconds.

        Args:
            push: Takes what comes.
            seconds: How long, where nothing comes; events do not count against it.
        """
        if self.after < self._channel.head:
            return
        loop = asyncio.get_running_loop()
        self._push = push
        self._rest = loop.create_future()
        self._channel.abreast[self] = None
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._rest
        finally:
            timer.cancel()
            self._channel.abreast.pop(self, None)
            self._rest = None

    def give(self, told: Sequence[Told]) -> None:
        """Give it what has come: events of its channel, recorded or live-only."""
        if self._push is None or self._rest is None or self._rest.done():
            return
        if isinstance(told[0].event, LiveEvent):
            if self.with_live and not self._push(told):
                self.wake()
            return
        new = told if _seq(told[0]) == self.after + 1 else [t for t in told if _seq(t) > self.after]
        if new:
            self.after = _seq(new[-1])
            if not self._push(new):
                self.wake()

    def close(self) -> None:
        """Follow no longer."""
        self._feed.leave(self._channel)
        self.on_close(self)


class Feed:
    """Gives the events of executions to whoever follows them.

    Args:
        store: Where they are on record.

    Attributes:
        is_closed: Whether the service stops.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._channels: dict[str, _Channel] = {}
        self._dirty: dict[str, _Channel] = {}
        self._reading: asyncio.Task[None] | None = None
        self.is_closed = False
        store.subscribe(self._on_changes, watched=self._channels.keys(), on_live=self._on_live)

    def __len__(self) -> int:
        return sum(channel.readers for channel in self._channels.values())

    @property
    def followed(self) -> Collection[str]:
        """The executions that somebody follows."""
        return self._channels.keys()

    async def follow(
        self, team_id: str, execution_id: str, after: int, *, with_live: bool
    ) -> Following:
        """Begin to follow an execution.

        Args:
            team_id: Whose it is.
            execution_id: Which one.
            after: The number of the newest event that the reader has.
            with_live: Whether it wants live-only events too.

        Raises:
            ExecutionNotFound: If there is none in the team.
        """
        channel = self._channels.get(execution_id)
        if channel is None:
            channel = self._channels[execution_id] = _Channel(execution_id)
            self._store.watch(execution_id)
        channel.readers += 1
        try:
            execution = await self._find(team_id, execution_id)
            after = await self._on_record(execution, after)
        except BaseException:
            self.leave(channel)
            raise
        if channel.head < 0:
            channel.head = execution.event_seq
        if channel.wanted > channel.head:
            self._go_on(channel)
        return Following(self, channel, execution, after, with_live=with_live)

    async def _on_record(self, execution: Execution, after: int) -> int:
        """The number that a reader goes on behind: none that is not on record, as after a restore.

        What is on record may be newer than what this process knows of the execution.
        """
        if after <= execution.event_seq or await self.read(execution.id, after - 1, 1):
            return after
        return execution.event_seq

    async def _find(self, team_id: str, execution_id: str) -> Execution:
        execution = await self._store.get(team_id, execution_id)
        if execution is None:
            raise ExecutionNotFound(f"There is no execution {shown(execution_id)}.")
        return execution

    def leave(self, channel: _Channel) -> None:
        """One reader less."""
        channel.readers -= 1
        if not channel.readers:
            self._channels.pop(channel.execution_id, None)

    def close(self) -> None:
        """Let everybody go: the service stops."""
        self.is_closed = True
        for channel in self._channels.values():
            for following in list(channel.abreast):
                following.wake()

    async def read(self, execution_id: str, after: int, limit: int) -> list[Told]:
        """The events behind a number, from the store."""
        found = await self._store.events(execution_id, after=after, limit=limit)
        return [Told(event) for event in found]

    def _on_changes(self, changes: Sequence[Change]) -> None:
        for change in changes:
            channel = self._channels.get(change.execution_id)
            if channel is not None and change.event_seq > channel.wanted:
                channel.wanted = change.event_seq
                if 0 <= channel.head < change.event_seq:
                    self._go_on(channel)

    def _on_live(self, events: Sequence[LiveEvent]) -> None:
        for event in events:
            channel = self._channels.get(event.execution_id)
            if channel is not None and channel.abreast:
                channel.held.append(event)
                # By another way it may have come before what was recorded before it.
                channel.wanted = max(channel.wanted, event.after)
                if channel.head < channel.wanted:
                    self._go_on(channel)
                _give_live(channel)

    def _go_on(self, channel: _Channel) -> None:
        """Give out what is new. Where all readers are behind, each reads it when it can take it."""
        if not channel.abreast and channel.execution_id not in self._dirty:
            channel.skip()
            return
        self._dirty[channel.execution_id] = channel
        if self._reading is None or self._reading.done():
            self._reading = self._loop.create_task(self._read_dirty())

    async def _read_dirty(self) -> None:
        """Read what is new of all executions that are followed, and give it out."""
        while self._dirty and not self.is_closed:
            dirty, self._dirty = self._dirty, {}
            ranges = [
                (name, one.head + 1, min(one.wanted, one.head + _AT_ONCE))
                for name, one in dirty.items()
            ]
            try:
                found = await self._store.events_between(ranges)
            except Unavailable:
                self._dirty = {**dirty, **self._dirty}
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for name, events in itertools.groupby(found, lambda event: event.execution_id):
                self._give(dirty.pop(name), list(events))
            for channel in dirty.values():
                # It has been deleted: whoever follows it finds out by reading.
                channel.skip()
                for following in list(channel.abreast):
                    following.wake()

    def _give(self, channel: _Channel, events: Sequence[Event]) -> None:
        told = [Told(event) for event in events]
        channel.recent.extend(told)
        channel.head = events[-1].seq
        if channel.head < channel.wanted and self._channels.get(channel.execution_id) is channel:
            self._dirty[channel.execution_id] = channel
        for following in list(channel.abreast):
            following.give(told)
        channel.trim()
        _give_live(channel)


def _give_live(channel: _Channel) -> None:
    """Give out live-only events, once all that was recorded before them has been."""
    while channel.held and channel.head >= channel.wanted:
        told = [Told(channel.held.popleft(), after=channel.head)]
        for following in list(channel.abreast):
            following.give(told)


def _seq(told: Told) -> int:
    return told.event.seq if isinstance(told.event, Event) else told.after
