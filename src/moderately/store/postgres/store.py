"""`moderately.domain.storing.Store` on PostgreSQL: any number of processes share the database."""

import asyncio
import time
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Mapping,
    Sequence,
)
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeVar

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.errors import ExecutionNotFound, ExecutionNotTerminal, Unavailable
from moderately.domain.execution import Event, Execution, Step
from moderately.domain.listing import ExecutionList, ListQuery
from moderately.domain.log import Commit, LiveEvent
from moderately.domain.ports import Clock
from moderately.domain.storing import (
    Change,
    CommitListener,
    Listener,
    LiveListener,
    Work,
    WorkListener,
)
from moderately.domain.workers import Worker
from moderately.protocol.vocabulary import Status
from moderately.store.batched import BatchedStore
from moderately.store.lists import Lists, make_page
from moderately.store.postgres.connections import Connections
from moderately.store.postgres.live import Live
from moderately.store.postgres.log import Log
from moderately.store.postgres.reads import Reads
from moderately.store.postgres.registry import register
from moderately.store.postgres.session import News, Session, news_of
from moderately.store.postgres.suspects import Suspects
from moderately.store.postgres.writer import Writer
from moderately.store.rows import (
    STEPS,
    read_agent,
    read_event,
    read_step,
    read_version,
    read_worker,
    to_json,
)
from moderately.store.subscribers import Subscriber, Subscribers
from moderately.store.unit import Unit

__all__ = ["PostgresStore"]

T = TypeVar("T")

_SILENT_MICROSECONDS: Final = 3600 * 1_000_000
_RETRY_SECONDS: Final = 0.25
_LOOKS_AT_TIME: Final = 5
_GLANCE_LIMIT: Final = 1000
_MOST_EARLY: Final = 20_000
_FORGET_LIMIT: Final = 5_000
_RANGES_AT_ONCE: Final = 1000


class PostgresStore(BatchedStore):
    """The store. Made by `open_stores`.

    Args:
        connections: The connections.
        url: Where the database is, without a pooler that shares sessions.
        queries: The named queries.
        clock: Tells the time.
        batches: How many batches of writes may be under way at once.
        at: Called between any two things that a write does; see `Writer`.
    """

    def __init__(
        self,
        connections: Connections,
        url: str,
        queries: Mapping[str, str],
        clock: Clock,
        *,
        batches: int,
        at: Callable[[str], None],
    ) -> None:
        self._queries = queries
        self._lists = Lists(queries, hints=False, mark="%s")
        self._reads = Reads(connections, queries)
        self._subscribers = subscribers = Subscribers()
        self._log = Log(self._reads, subscribers.say_commit)
        self._live = Live(time.monotonic, subscribers.watched_live, subscribers.say_live)
        self._session = Session(
            url,
            queries,
            self._live,
            on_news=self._hear,
            on_back=self._come_back,
            on_lost=self._lose,
        )
        self._writer = Writer(
            connections,
            queries,
            clock,
            on_commit=self._tell,
            dead=Suspects(self._session).dead,
            limit=batches,
            at=at,
        )
        self._connections = connections
        self._heard: set[str] = set()
        # What was heard of while a batch was under way, and when.
        self._early: dict[str, float] = {}
        self._serves: dict[str, str] = {}
        self._is_present = True
        self._listening: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Begin to hear of the other processes."""
        await self._session.start()

    async def close(self, seconds: float) -> None:
        """Wait for the writes that were taken, for so long at most, and disconnect."""
        await self._writer.close(seconds)
        self._log.close()
        if self._listening is not None:
            self._listening.cancel()
        await self._session.stop()

    @property
    def is_shared(self) -> bool:
        """Whether other processes write to the same database: they do."""
        return True

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
        reads = () if is_new else names
        return self._writer.submit(
            work, names=names, reads=reads, lazy=lazy, locks=locks, patient=patient
        )

    def subscribe(
        self,
        listener: Listener,
        *,
        watched: Collection[str] = (),
        on_work: WorkListener | None = None,
        on_commit: CommitListener | None = None,
        on_live: LiveListener | None = None,
    ) -> None:
        """Call this after each commit here, and when others change what is watched."""
        self._subscribers.add(Subscriber(listener, watched, on_work, on_commit, on_live))

    def watch(self, execution_id: str) -> None:
        """Ask the other processes for an execution's live-only events."""
        self._live.watch(execution_id)
        self._session.tell_live()

    def broadcast(self, events: Sequence[LiveEvent]) -> None:
        """Tell of events to whoever watches their executions."""
        known = self._writer.live
        events = [
            event._replace(after=known[event.execution_id].event_seq)
            if event.execution_id in known
            else event
            for event in events
        ]
        self._subscribers.say_live(events)
        if self._live.add(events):
            self._session.tell_live()

    def _tell(self, unit: Unit, begun: float) -> None:
        """A commit of this process: tell everybody here, and then the others."""
        changes = unit.changes
        self._subscribers.say(changes)
        if unit.events:
            self._subscribers.say_commit()
        self._look_behind(changes, begun)
        news, is_urgent = news_of(changes)
        # Whoever watches a run can wait for a moment; whoever is to run one, or waits for its end,
        # cannot.
        self._session.tell(news, is_urgent=is_urgent)

    def _look_behind(self, changes: Sequence[Change], begun: float) -> None:
        """Read what others have changed while it was about to start here, and was not watched."""
        early = {
            one.execution_id
            for one in changes
            if one.status is Status.RUNNING and self._early.get(one.execution_id, 0.0) > begun
        }
        if not self._writer.is_busy or len(self._early) > _MOST_EARLY:
            self._early.clear()
        if early:
            self._heard |= early
            self._listen()

    def _hear(self, news: News) -> None:
        """Another process tells of a commit."""
        if self._writer.is_under_way:
            self._early |= dict.fromkeys(news.execution_ids, self._loop.time())
        if news.agent_ids or news.freed_ids or news.due_at is not None or news.workers:
            work = Work(news.agent_ids, news.freed_ids, news.due_at, news.workers)
            self._subscribers.say_work(work)
        if news.execution_ids:
            self._subscribers.say_commit()
        wanted = self._subscribers.watched(news.execution_ids)
        if wanted:
            self._heard.update(wanted)
            self._listen()

    @property
    def is_present(self) -> bool:
        """Whether the other processes can see that this one lives, and it knows what they did."""
        return self._is_present

    def _lose(self) -> None:
        """The session is gone: others may take this process for dead."""
        self._is_present = False

    def _come_back(self) -> None:
        """The session is there again: what was said meanwhile was missed."""
        self._subscribers.say_work(Work())
        self._subscribers.say_commit()
        self._listen(is_back=True)

    def _listen(self, *, is_back: bool = False) -> None:
        if is_back or self._listening is None or self._listening.done():
            self._listening = self._loop.create_task(self._read_heard(is_back=is_back))

    async def _read_heard(self, *, is_back: bool = False) -> None:
        """Read what others have changed, and tell everybody here: many at a time."""
        number = self._session.number
        if is_back:
            self._heard.update(self._subscribers.all_watched())
        while self._heard or is_back:
            wanted, self._heard = self._heard, set()
            for name in wanted:
                self._writer.live.pop(name, None)
            try:
                found = await self._reads.executions(wanted)
            except Unavailable:
                self._heard |= wanted
                if not is_back:
                    # What is not read now, polling finds.
                    return
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._subscribers.say(
                [_foreign(execution) for execution in found if execution is not None]
            )
            if is_back:
                # Now it is known what the others have done meanwhile.
                is_back = False
                self._is_present = number is not None and self._session.number == number

    async def look_again(self) -> None:
        """Tell once more of all that is watched, in case that word of a change was missed."""
        ids = sorted(self._subscribers.all_watched())
        runs = self._subscribers.watched_runs()
        changes: list[Change] = []
        for start in range(0, len(ids), _GLANCE_LIMIT):
            for row in await self._reads.all("glance", ids[start : start + _GLANCE_LIMIT]):
                name, agent_id, status, fence, seq = row
                live = self._writer.live.get(name)
                is_known = live is not None and (fence, seq) == (live.fence, live.event_seq)
                if status != "running" or (name in runs and not is_known):
                    self._heard.add(name)
                changes.append(Change(name, agent_id, Status(status), seq, is_foreign=True))
        self._subscribers.say([one for one in changes if one.execution_id not in self._heard])
        await self._read_heard()
        self._subscribers.say_work(Work())
        self._subscribers.say_commit()

    async def get(self, team_id: str, execution_id: str) -> Execution | None:
        """One execution of a team."""
        [found] = await self._reads.executions([execution_id])
        return found if found is not None and found.team_id == team_id else None

    async def steps(self, execution_id: str) -> Sequence[Step]:
        """The journal."""
        rows = await self._reads.all("list_steps", execution_id, steps=STEPS)
        return [read_step(row) for row in rows]

    async def places(self, execution_id: str) -> AbstractSet[str]:
        """The places in the agent's code whose events are on record."""
        return {row[0] for row in await self._reads.all("list_places", execution_id)}

    async def events(self, execution_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """The events behind a number, in order."""
        rows = await self._reads.all("list_events", execution_id, after, limit)
        return [read_event(row) for row in rows]

    async def events_between(self, ranges: Sequence[tuple[str, int, int]]) -> Sequence[Event]:
        """Events of any number of executions."""
        found: list[Event] = []
        for start in range(0, len(ranges), _RANGES_AT_ONCE):
            columns = [
                list(one) for one in zip(*ranges[start : start + _RANGES_AT_ONCE], strict=True)
            ]
            rows = await self._reads.all("events_between", *columns)
            found += [read_event(row) for row in rows]
        return found

    async def commits(self, *, after: int, limit: int) -> Sequence[Commit]:
        """The commits behind a number, in order."""
        return await self._log.commits(after, limit)

    async def commit(self, number: int) -> Commit | None:
        """One commit."""
        return await self._log.commit(number)

    async def newest_commit(self) -> Commit | None:
        """The newest commit that `commits` would give."""
        return await self._log.newest()

    async def heartbeat(
        self, worker_id: str, seconds: float, serves: Mapping[str, Sequence[str]]
    ) -> None:
        """Renew a worker's lease."""
        number = self._session.number
        if number is None:
            raise Unavailable("The database does not answer; the lease was not renewed.")
        self._writer.workers.add(worker_id)
        text = to_json(serves)
        await self._reads.run("beat", worker_id, int(seconds * 1_000_000), text, number)
        if self._serves.get(worker_id) != text:
            self._serves[worker_id] = text
            self._session.tell(News(workers=True), is_urgent=True)
        await self._reads.run("forget_workers", _SILENT_MICROSECONDS)

    async def running_on(self, worker_id: str) -> Sequence[tuple[str, int]]:
        """What a worker runs, by the record: executions and fences."""
        return [(row[0], row[1]) for row in await self._reads.all("running_on", worker_id)]

    async def retire(self, worker_id: str) -> None:
        """Forget a worker that has stopped."""
        await self._reads.run("retire", worker_id)
        self._session.tell(News(workers=True), is_urgent=True)

    async def workers(self) -> Sequence[Worker]:
        """The workers that are known, silent ones among them."""
        return [read_worker(row) for row in await self._reads.all("list_workers")]

    async def delete(self, team_id: str, execution_id: str) -> None:
        """Remove an execution that has ended, with all that belongs to it."""
        found = await self.get(team_id, execution_id)
        if found is None:
            raise ExecutionNotFound(f"There is no execution {execution_id!r}.")
        [(number,)] = await self._reads.run("delete_executions", [execution_id])
        if number != 1:
            raise ExecutionNotTerminal(
                f"Execution {execution_id} is {found.status.value}; cancel it, or wait until it"
                " ends, before you delete it."
            )

    async def prune(self, before: int, limit: int) -> int:
        """Remove executions that ended before a time. Autovacuum gives their room back."""
        removed, team = 0, ""
        while removed < limit:
            [(found,)] = await self._reads.all("next_team", team)
            if found is None:
                break
            rows = await self._reads.run("prunable_ids", found, before, limit - removed)
            [(number,)] = await self._reads.run("delete_executions", [row[0] for row in rows])
            removed += number
            team = found
        await self._reads.run("forget_commits", _FORGET_LIMIT, before)
        return removed

    async def vacuum(self) -> int:
        """Nothing to do: autovacuum does it."""
        return 0

    async def register(self, versions: Sequence[AgentVersion]) -> None:
        """Record the versions of agents in code; a new one as its agent's newest."""
        await register(self._connections, self._queries, versions)

    async def agents(self, *, offset: int, limit: int) -> tuple[Sequence[Agent], int]:
        """A page of agents by name, and how many there are in all."""
        [(total,)] = await self._reads.all("count_agents")
        rows = await self._reads.all("list_agents", limit, offset)
        return [read_agent(row) for row in rows], total

    async def agent(self, agent_id: str) -> Agent | None:
        """One agent."""
        rows = await self._reads.all("get_agent", agent_id)
        return read_agent(rows[0]) if rows else None

    async def agent_versions(self, agent_id: str) -> Sequence[AgentVersion]:
        """An agent's versions, newest first."""
        rows = await self._reads.all("list_agent_versions", agent_id)
        return [read_version(row) for row in rows]

    async def counts(self) -> Mapping[Status, int]:
        """How many executions there are, by status."""
        found: dict[str, int] = dict(await self._reads.all("count_by_status"))
        return {status: found.get(status.value, 0) for status in Status}

    async def time(self) -> int:
        """The database's time in microseconds, as near as it can be told from here."""
        found: list[tuple[float, float]] = []
        for _ in range(_LOOKS_AT_TIME):
            begun = time.monotonic()
            [(there,)] = await self._reads.all("server_time")
            back = time.monotonic()
            found.append((back - begun, there + (back - begun) * 500_000 - back * 1_000_000))
        # The quickest look is off by the least: the others met a busy machine, or had to connect.
        return int(min(found)[1] + time.monotonic() * 1_000_000)

    async def probe(self) -> None:
        """Find out whether a write would succeed, by one where the newest did not."""
        [(is_read_only,)] = await self._reads.run("is_read_only")
        if is_read_only:
            raise Unavailable("The database takes no writes.")
        if self._writer.failed:
            await self._reads.run("probe")

    # The last, since in its body it hides the type of the same name.
    async def list(self, team_id: str, query: ListQuery) -> ExecutionList:
        """A page of a team's executions."""
        # The total is only a hint to what chooses an index, and here nothing does.
        both = self._lists.count(team_id, query), self._lists.page(team_id, query, 0)
        [(total,)], rows = await self._reads.both(*both)
        return make_page(rows, total, query)


def _foreign(execution: Execution) -> Change:
    return Change(
        execution.id,
        execution.agent_id,
        execution.status,
        execution.event_seq,
        execution,
        is_foreign=True,
    )
