"""`moderately.domain.ports.Store` on SQLite: one process owns the database and writes to it."""

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeVar

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.errors import ExecutionNotFound, ExecutionNotTerminal
from moderately.domain.execution import Event, Execution, Step
from moderately.domain.listing import ExecutionList, ListQuery
from moderately.domain.log import Commit, LiveEvent
from moderately.domain.ports import Clock
from moderately.domain.storing import CommitListener, Listener, LiveListener, WorkListener
from moderately.domain.workers import Worker
from moderately.protocol.vocabulary import Status
from moderately.store.batched import BatchedStore
from moderately.store.lists import Lists, make_page
from moderately.store.rows import (
    EXECUTION_COLUMNS,
    STEPS,
    check_schemas,
    read_agent,
    read_commit,
    read_event,
    read_execution,
    read_step,
    read_version,
    read_worker,
    to_json,
    write_version,
)
from moderately.store.sqlite.database import free_pages
from moderately.store.sqlite.readers import Readers
from moderately.store.sqlite.writer import Writer
from moderately.store.subscribers import Subscriber, Subscribers
from moderately.store.unit import Unit

__all__ = ["SQLiteStore"]

T = TypeVar("T")

_SILENT_MICROSECONDS: Final = 3600 * 1_000_000
_VACUUM_PAGES: Final = 500
_FORGET_LIMIT: Final = 5_000
_NEAR_RANGES: Final = 32


class SQLiteStore(BatchedStore):
    """The store. Made by `open_store`.

    Args:
        writer: Runs the writes.
        readers: Run the reads.
        queries: The named queries.
        clock: Tells the time.
        subscribers: Called after each commit.
    """

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        queries: dict[str, str],
        clock: Clock,
        subscribers: Subscribers,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._queries = queries
        self._clock = clock
        self._subscribers = subscribers
        self._get = queries["get_execution"].format(columns=EXECUTION_COLUMNS)
        self._steps = queries["list_steps"].format(steps=STEPS)
        self._lists = Lists(queries, hints=True, mark="?")

    def _submit(
        self,
        work: Callable[[Unit], Coroutine[Any, Any, T]],
        *,
        names: Sequence[str] = (),
        is_new: bool = False,
        lazy: bool = False,
        locks: bool = False,
        patient: bool = False,
    ) -> Awaitable[T]:
        # One connection writes, in the order of submission, and knows what has happened.
        del names, is_new, locks, patient
        return self._writer.submit(work, lazy=lazy)

    @property
    def is_shared(self) -> bool:
        """Whether other processes write to the same database: none does."""
        return False

    @property
    def is_present(self) -> bool:
        """Whether other processes can see that this one lives: there are none."""
        return True

    def subscribe(
        self,
        listener: Listener,
        *,
        watched: Collection[str] = (),
        on_work: WorkListener | None = None,
        on_commit: CommitListener | None = None,
        on_live: LiveListener | None = None,
    ) -> None:
        """Call this after each commit. There are no other processes to hear of."""
        self._subscribers.add(Subscriber(listener, watched, on_work, on_commit, on_live))

    def watch(self, execution_id: str) -> None:
        """Nothing to do: there are no other processes to ask."""

    def broadcast(self, events: Sequence[LiveEvent]) -> None:
        """Tell of events to whoever watches their executions."""
        self._subscribers.say_live(events)

    async def look_again(self) -> None:
        """Nothing to do: word of a commit is never missed."""

    async def get(self, team_id: str, execution_id: str) -> Execution | None:
        """One execution of a team."""
        if (running := self._writer.live.get(execution_id)) is not None:
            return running if running.team_id == team_id else None
        row = self._readers.one(self._get, (execution_id,))
        return read_execution(row) if row is not None and row[1] == team_id else None

    async def list(self, team_id: str, query: ListQuery) -> ExecutionList:
        """A page of a team's executions."""

        def read(connection: sqlite3.Connection) -> ExecutionList:
            (total,) = connection.execute(*self._lists.count(team_id, query)).fetchone()
            page = self._lists.page(team_id, query, total)
            rows = connection.execute(*page).fetchall() if total else []
            return make_page(rows, total, query)

        return await self._readers.far(read)

    async def steps(self, execution_id: str) -> Sequence[Step]:
        """The journal."""
        return [read_step(row) for row in self._readers.all(self._steps, (execution_id,))]

    async def places(self, execution_id: str) -> AbstractSet[str]:
        """The places in the agent's code whose events are on record."""
        rows = self._readers.all(self._queries["list_places"], (execution_id,))
        return {row[0] for row in rows}

    async def events(self, execution_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """The events behind a number, in order."""
        rows = self._readers.all(self._queries["list_events"], (execution_id, after, limit))
        return [read_event(row) for row in rows]

    async def events_between(self, ranges: Sequence[tuple[str, int, int]]) -> Sequence[Event]:
        """Events of any number of executions."""
        query = self._queries["events_between"]
        if len(ranges) <= _NEAR_RANGES:
            rows = [row for wanted in ranges for row in self._readers.all(query, wanted)]
        else:
            rows = await self._readers.far(
                lambda connection: [
                    row for wanted in ranges for row in connection.execute(query, wanted)
                ]
            )
        return [read_event(row) for row in rows]

    async def commits(self, *, after: int, limit: int) -> Sequence[Commit]:
        """The commits behind a number, in order: as they come, since one process writes."""
        rows = self._readers.all(self._queries["list_commits"], (after, limit))
        return [read_commit(row) for row in rows]

    async def commit(self, number: int) -> Commit | None:
        """One commit."""
        row = self._readers.one(self._queries["get_commit"], (number,))
        return read_commit(row) if row else None

    async def newest_commit(self) -> Commit | None:
        """The newest commit."""
        row = self._readers.one(self._queries["newest_commit"])
        return read_commit(row) if row else None

    async def heartbeat(
        self, worker_id: str, seconds: float, serves: Mapping[str, Sequence[str]]
    ) -> None:
        """Renew a worker's lease."""
        text = to_json(serves)

        def write(connection: sqlite3.Connection) -> None:
            now = self._clock.now()
            until = now + int(seconds * 1_000_000)
            connection.execute(self._queries["beat"], (worker_id, now, until, text))
            connection.execute(self._queries["forget_workers"], (now - _SILENT_MICROSECONDS,))

        await self._writer.submit_sql(write)

    async def running_on(self, worker_id: str) -> Sequence[tuple[str, int]]:
        """What a worker runs, by the record: executions and fences."""
        return self._readers.all(self._queries["running_on"], (worker_id,))

    async def retire(self, worker_id: str) -> None:
        """Forget a worker that has stopped."""
        await self._writer.submit_sql(
            lambda connection: connection.execute(self._queries["retire"], (worker_id,))
        )

    async def workers(self) -> Sequence[Worker]:
        """The workers that are known, silent ones among them."""
        rows = self._readers.all(self._queries["list_workers"], (self._clock.now(),))
        return [read_worker(row) for row in rows]

    async def delete(self, team_id: str, execution_id: str) -> None:
        """Remove an execution that has ended, with all that belongs to it."""

        def write(connection: sqlite3.Connection) -> None:
            row = connection.execute(self._get, (execution_id,)).fetchone()
            if row is None or row[1] != team_id:
                raise ExecutionNotFound(f"There is no execution {execution_id!r}.")
            deleted = connection.execute(self._queries["delete_execution"], (execution_id,))
            if deleted.rowcount != 1:
                raise ExecutionNotTerminal(
                    f"Execution {execution_id} is {row[4]}; cancel it, or wait until it ends,"
                    " before you delete it."
                )

        await self._writer.submit_sql(write)

    async def prune(self, before: int, limit: int) -> int:
        """Remove executions that ended before a time, and give their room back."""

        def write(connection: sqlite3.Connection) -> int:
            removed, team = 0, ""
            while removed < limit:
                (found,) = connection.execute(self._queries["next_team"], (team,)).fetchone()
                if found is None:
                    break
                rows = connection.execute(
                    self._queries["prunable_ids"], (found, before, limit - removed)
                ).fetchall()
                connection.executemany(self._queries["delete_execution"], rows)
                removed += len(rows)
                team = found
            connection.execute(self._queries["forget_commits"], (_FORGET_LIMIT, before))
            free_pages(connection, _VACUUM_PAGES)
            return removed

        return await self._writer.submit_sql(write)

    async def vacuum(self) -> int:
        """Give some more of the room that nothing uses back to the disk.

        Returns:
            How many pages were given back; 0 where there was nothing to give.
        """
        return await self._writer.submit_sql(
            lambda connection: free_pages(connection, _VACUUM_PAGES)
        )

    async def register(self, versions: Sequence[AgentVersion]) -> None:
        """Record the versions of agents in code, each as its agent's newest."""

        def write(connection: sqlite3.Connection) -> None:
            now = self._clock.now()
            known = {}
            for version in versions:
                key = (version.agent_id, version.version)
                row = connection.execute(self._queries["get_agent_version"], key).fetchone()
                known[key] = read_version(row) if row else None
            for version in versions:
                check_schemas(known[version.agent_id, version.version], version)
            for version in versions:
                agent = (version.agent_id, version.version, now, now)
                connection.execute(self._queries["upsert_agent"], agent)
                connection.execute(
                    self._queries["upsert_agent_version"], write_version(version, now)
                )

        await self._writer.submit_sql(write)

    async def agents(self, *, offset: int, limit: int) -> tuple[Sequence[Agent], int]:
        """A page of agents by name, and how many there are in all."""
        (total,) = self._readers.one(self._queries["count_agents"])
        rows = self._readers.all(self._queries["list_agents"], (limit, offset))
        return [read_agent(row) for row in rows], total

    async def agent(self, agent_id: str) -> Agent | None:
        """One agent."""
        row = self._readers.one(self._queries["get_agent"], (agent_id,))
        return read_agent(row) if row else None

    async def agent_versions(self, agent_id: str) -> Sequence[AgentVersion]:
        """An agent's versions, newest first."""
        rows = self._readers.all(self._queries["list_agent_versions"], (agent_id,))
        return [read_version(row) for row in rows]

    async def counts(self) -> Mapping[Status, int]:
        """How many executions there are, by status."""

        def read(connection: sqlite3.Connection) -> dict[Status, int]:
            found = dict(connection.execute(self._queries["count_by_status"]).fetchall())
            return {status: found.get(status.value, 0) for status in Status}

        return await self._readers.far(read)

    async def probe(self) -> None:
        """Find out whether a write would succeed, where the newest one did not."""
        if not self._writer.failed:
            return

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(self._queries["probe"], (self._clock.now(),))

        await self._writer.submit_sql(write)
