"""Reads the log in the order of its numbers, though transactions end in any order.

A number is drawn from a sequence within the transaction that then commits under it. So when one is
seen, all smaller numbers were drawn before, and one of them that is not seen belongs to a
transaction that is still open, or was rolled back. While it is open, whoever reads the log must not
pass it.

Which it is, the locks tell. Whoever writes to the log holds a lock on its table from before the
number is drawn until the transaction has ended, and can be seen. So a number that is missing is
dead once all who held such a lock after a larger one was seen have ended, and it is missing still.
The transactions' own ids would not do: the newest id in a snapshot is that of the newest
transaction that has *ended*, and an open one may have a larger id; and any long transaction in any
database of the server would keep the log from going on.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from moderately.domain.errors import Unavailable
from moderately.domain.log import Commit
from moderately.store.postgres.connections import PATIENCE_SECONDS
from moderately.store.postgres.reads import Reads
from moderately.store.rows import read_commit

__all__ = ["Log", "Settling"]

_AT_ONCE: Final = 1000
_FIRST_LOOK_SECONDS: Final = 0.02
_LAST_LOOK_SECONDS: Final = 0.5
_START_SECONDS: Final = 0.01
_LOOKS_AT_ONCE: Final = 3


class Settling:
    """How far the numbers are settled: each is visible, or never will be.

    Attributes:
        number: The largest number up to which all are.
    """

    def __init__(self) -> None:
        self.number = 0
        self._until = 0
        self._open: set[str] | None = None

    @property
    def until(self) -> int:
        """A number that is seen, and larger than one that is missing; 0 if there is none."""
        return self._until

    def look(self, visible: Sequence[int], holders: Collection[str] | None = None) -> None:
        """Take in what is visible.

        Args:
            visible: Numbers in one snapshot, ascending; not necessarily all of them.
            holders: The transactions that had written to the log, as they were after the last look
                and before this snapshot; None where nobody has asked.
        """
        if self._until and holders is not None:
            self._open = {*holders} if self._open is None else self._open.intersection(holders)
            if not self._open:
                self.number, self._until = self._until, 0
        for number in visible:
            if number == self.number + 1:
                self.number = number
        if self._until <= self.number:
            self._until, self._open = 0, None
            if visible and visible[-1] > self.number:
                self._until = visible[-1]


class Log:
    """The commits that are settled.

    Args:
        reads: Runs the queries.
        on_more: Called when there is more to read, of which no commit has told.
    """

    def __init__(self, reads: Reads, on_more: Callable[[], None]) -> None:
        self._reads = reads
        self._on_more = on_more
        self._loop = asyncio.get_running_loop()
        self._settling = Settling()
        self._newest = 0
        self._is_new = True
        self._stuck_since: float | None = None
        self._delay = _FIRST_LOOK_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    async def commits(self, after: int, limit: int) -> Sequence[Commit]:
        """The commits behind a number, in order."""
        await self._refresh()
        number = self._settling.number
        if number <= after:
            return []
        rows = await self._reads.all("list_commits", after, number, limit)
        return [read_commit(row) for row in rows]

    async def commit(self, number: int) -> Commit | None:
        """One commit, settled or not: some other process may know better."""
        rows = await self._reads.all("get_commit", number)
        return read_commit(rows[0]) if rows else None

    async def newest(self) -> Commit | None:
        """The newest that is settled."""
        await self._refresh()
        rows = await self._reads.all("newest_commit", self._settling.number)
        return read_commit(rows[0]) if rows else None

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _refresh(self) -> "asyncio.Future[None]":
        """Find out how far the log is settled, at this moment or later.

        Those who ask while a look is under way share the next one.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(future)
        if self._task is None:
            self._task = self._loop.create_task(self._answer())
        return future

    async def _answer(self) -> None:
        asking: list[asyncio.Future[None]] = []
        failure: Exception | None = None
        try:
            while self._waiting:
                asking, self._waiting = self._waiting, []
                failure = None
                try:
                    await self._look()
                    if self._is_new:
                        await self._start()
                except Exception as error:  # noqa: BLE001 - its callers get it, whatever it is
                    failure = error
                _settle(asking, failure)
        finally:
            self._task = None
            stopping = Unavailable("The service is stopping; try again later.")
            _settle([*asking, *self._waiting], stopping)

    async def _start(self) -> None:
        """Look until everything is settled that there was at first."""
        until, give_up_at = self._newest, self._loop.time() + PATIENCE_SECONDS
        while self._settling.number < until:
            if self._loop.time() > give_up_at:
                raise Unavailable("A transaction on the database's log does not end.")
            await self._look(is_hasty=True)
            until = min(until, self._newest)
            await asyncio.sleep(_START_SECONDS)
        self._is_new = False

    async def _look(self, *, is_hasty: bool = False) -> None:
        """Look once, and some more times at once where there is much."""
        for _ in range(_LOOKS_AT_ONCE):
            before = self._settling.number
            holders: list[str] | None = None
            if self._settling.until and (is_hasty or self._is_stuck()):
                # First the locks, then the numbers: whoever has let go is visible by then.
                holders = [row[0] for row in await self._reads.all("commit_holders")]
            rows = await self._reads.all("visible_commits", before, _AT_ONCE)
            visible = sorted({row[0] for row in rows})
            self._newest = visible[-1] if visible else 0
            if self._newest < before:
                # The database has gone back, to a backup or to what a standby had of it.
                self._settling, self._stuck_since, self._is_new = Settling(), None, True
                continue
            self._settling.look(visible, holders)
            self._take_note(before)
            if len(rows) <= _AT_ONCE or self._settling.number == self._newest:
                return
            is_hasty = True

    def _is_stuck(self) -> bool:
        since = self._stuck_since
        return since is not None and self._loop.time() - since > _FIRST_LOOK_SECONDS

    def _take_note(self, before: int) -> None:
        """See to it that what is not settled yet is looked at again, and told of."""
        has_moved = self._settling.number > before
        was_stuck = self._stuck_since is not None
        if not self._settling.until:
            self._stuck_since = None
        elif has_moved or not was_stuck:
            self._stuck_since = self._loop.time()
            self._delay = _FIRST_LOOK_SECONDS
        if self._settling.until and self._timer is None:
            self._timer = self._loop.call_later(self._delay, self._look_again)
            self._delay = min(2 * self._delay, _LAST_LOOK_SECONDS)
        if was_stuck and has_moved:
            self._on_more()

    def _look_again(self) -> None:
        self._timer = None
        # Whoever reads hears of what comes of it; where it fails, they will find out themselves.
        self._refresh().add_done_callback(lambda future: future.cancelled() or future.exception())


def _settle(futures: Iterable["asyncio.Future[None]"], failure: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
