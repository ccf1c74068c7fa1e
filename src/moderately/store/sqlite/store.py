"""`moderately.domain.ports.Store` on SQLite: one process owns the database and writes to it."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.errors import (
    Conflict,
    ExecutionNotFound,
    ExecutionNotTerminal,
    FencedOut,
    IdempotencyKeyReused,
)
from moderately.domain.execution import Claim, Event, Execution, NewEvent, Step
from moderately.domain.lifecycle import (
    Cancel,
    Command,
    Complete,
    Fail,
    Release,
    Start,
    as_created,
    created_event,
    decide,
)
from moderately.domain.listing import Cursor, ExecutionList, ListQuery
from moderately.domain.ports import Change, Clock, Created, Idempotency, Listener
from moderately.protocol.vocabulary import OrderBy, Status
from moderately.store.sqlite.lists import build_count, build_page
from moderately.store.sqlite.readers import Readers
from moderately.store.sqlite.rows import (
    EXECUTION_COLUMNS,
    read_agent,
    read_event,
    read_execution,
    read_step,
    read_version,
    to_json,
    write_execution,
    write_version,
)
from moderately.store.sqlite.writer import Transaction, Writer

__all__ = ["SQLiteStore"]

_WRITES: Final[dict[type[Command], tuple[str, tuple[str, ...]]]] = {
    Start: ("start_execution", ("status_reason", "attempt", "started_at")),
    Complete: ("complete_execution", ("output_data", "completed_at")),
    Fail: ("fail_execution", ("status_reason", "error", "failed_at")),
    Release: ("release_execution", ("status_reason",)),
    Cancel: ("cancel_execution", ("status_reason", "cancelled_at")),
}
_JSON: Final = frozenset({"output_data", "error"})


class SQLiteStore:
    """The store. Made by `open_store`.

    Args:
        writer: Runs the writes.
        readers: Run the reads.
        queries: The named queries.
        clock: Tells the time.
        listeners: Called after each commit.
    """

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        queries: dict[str, str],
        clock: Clock,
        listeners: list[Listener],
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._queries = queries
        self._clock = clock
        self._listeners = listeners
        # What runs, as this writer last wrote it: nobody else writes, so that it need not be read
        # again to end it. Forgotten whenever anything is rolled back.
        self._live: dict[str, Execution] = {}
        writer.on_rollback(self._live.clear)
        self._get = queries["get_execution"].format(columns=EXECUTION_COLUMNS)
        self._waiting = queries["waiting_executions"].format(columns=EXECUTION_COLUMNS)

    def subscribe(self, listener: Listener) -> None:
        """Call this after each commit."""
        self._listeners.append(listener)

    async def create(
        self,
        execution: Execution,
        idempotency: Idempotency | None = None,
        *,
        start: bool = False,
    ) -> Created:
        """Record a new execution, its first event and its idempotency key."""

        def write(tx: Transaction) -> Created:
            if idempotency is not None and (found := self._replay(tx, execution, idempotency)):
                return Created(found, replayed=True)
            self._insert(tx, execution, start=start)
            if idempotency is not None:
                row = (execution.team_id, idempotency.key, idempotency.fingerprint, execution.id)
                tx.run(self._queries["insert_idempotency_key"], row)
            return Created(execution, started=start)

        return await self._writer.submit(write)

    def _replay(
        self, tx: Transaction, execution: Execution, idempotency: Idempotency
    ) -> Execution | None:
        key = (execution.team_id, idempotency.key)
        row = tx.run(self._queries["find_idempotency_key"], key).fetchone()
        if row is None:
            return None
        if row[1] != idempotency.fingerprint:
            raise IdempotencyKeyReused(
                "This idempotency key was used with another body. Send the same body again, or a"
                " new key."
            )
        return as_created(self._read(tx, row[0]))

    def _insert(self, tx: Transaction, execution: Execution, *, start: bool) -> None:
        now = execution.created_at
        events = [created_event(execution)]
        if start:
            execution, event = decide(execution, Start(), now)
            events.append(event)
        tx.run(self._queries["insert_execution"], write_execution(execution))
        for key, value in execution.metadata.items():
            tx.run(self._queries["insert_metadata"], (execution.team_id, key, value, execution.id))
        self._record(tx, execution, events, now)

    def _record(
        self, tx: Transaction, execution: Execution, events: Sequence[NewEvent], now: int
    ) -> None:
        """Record the newest events of an execution that was just written whole."""
        if execution.status is Status.RUNNING:
            self._live[execution.id] = execution
        else:
            self._live.pop(execution.id, None)
        first = execution.event_seq - len(events) + 1
        for seq, event in enumerate(events, first):
            self._insert_event(tx, execution.id, seq, event, now)
        tx.changes.append(
            Change(
                execution.id, execution.agent_id, execution.status, execution.event_seq, execution
            )
        )

    def _insert_event(
        self, tx: Transaction, execution_id: str, seq: int, event: NewEvent, now: int
    ) -> None:
        row = (execution_id, seq, event.type, to_json(event.data), now)
        tx.run(self._queries["insert_event"], row)

    def _read(self, tx: Transaction, execution_id: str) -> Execution:
        if (live := self._live.get(execution_id)) is not None:
            return live
        row = tx.run(self._get, (execution_id,)).fetchone()
        if row is None:
            raise ExecutionNotFound(f"There is no execution {execution_id!r}.")
        return read_execution(row)

    async def get(self, team_id: str, execution_id: str) -> Execution | None:
        """One execution of a team."""
        row = self._readers.one(self._get, (execution_id,))
        return read_execution(row) if row is not None and row[1] == team_id else None

    async def list(self, team_id: str, query: ListQuery) -> ExecutionList:
        """A page of a team's executions."""

        def read(connection: sqlite3.Connection) -> ExecutionList:
            (total,) = connection.execute(*build_count(self._queries, team_id, query)).fetchone()
            page = build_page(self._queries, team_id, query, total)
            rows = connection.execute(*page).fetchall() if total else []
            items = [read_execution(row) for row in rows[: query.page_size]]
            more = len(rows) > query.page_size and query.order_by is OrderBy.CREATED_AT
            cursor = Cursor(items[-1].created_at, items[-1].id).encode() if more else None
            return ExecutionList(items, total, cursor)

        return await self._readers.far(read)

    async def apply(
        self, execution_id: str, command: Command, *, team_id: str | None = None
    ) -> Execution:
        """Read an execution, let the lifecycle decide, and write what it says, at once."""

        def write(tx: Transaction) -> Execution:
            execution = self._read(tx, execution_id)
            if team_id is not None and execution.team_id != team_id:
                raise ExecutionNotFound(f"There is no execution {execution_id!r}.")
            return self._apply(tx, execution, command)

        return await self._writer.submit(write)

    def _apply(self, tx: Transaction, execution: Execution, command: Command) -> Execution:
        now = max(self._clock.now(), execution.updated_at)
        after, event = decide(execution, command, now)
        query, columns = _WRITES[type(command)]
        parameters: dict[str, Any] = {
            "id": execution.id,
            "from_status": execution.status.value,
            "from_fence": execution.fence,
            "status": after.status.value,
            "fence": after.fence,
            "updated_at": now,
            "event_seq": after.event_seq,
        }
        for column in columns:
            value = getattr(after, column)
            parameters[column] = to_json(value) if column in _JSON else value
        if tx.run(self._queries[query], parameters).rowcount != 1:
            raise FencedOut(execution.id)
        self._record(tx, after, [event], now)
        return after

    async def claim(self, agents: Mapping[str, int], limit: int) -> Sequence[Claim]:
        """Take pending executions to run them: higher priority first, then the older."""

        def write(tx: Transaction) -> Sequence[Claim]:
            found: list[Execution] = []
            for agent_id, free in agents.items():
                rows = tx.run(self._waiting, (agent_id, min(free, limit))).fetchall()
                found += [read_execution(row) for row in rows]
            found.sort(key=lambda execution: (-execution.priority, execution.id))
            started = [self._apply(tx, execution, Start()) for execution in found[:limit]]
            return [Claim(execution, execution.fence) for execution in started]

        return await self._writer.submit(write)

    async def release_all(self, reason: str) -> int:
        """Give every running execution back as pending: no run of an earlier owner lives."""

        def write(tx: Transaction) -> int:
            ids = [row[0] for row in tx.run(self._queries["running_ids"]).fetchall()]
            for execution_id in ids:
                execution = self._read(tx, execution_id)
                self._apply(tx, execution, Release(execution.fence, reason))
            return len(ids)

        return await self._writer.submit(write)

    async def record_step(self, execution_id: str, fence: int, step: Step) -> None:
        """Record a finished step and its event."""
        entered = to_json({"id": step.id, "name": step.name})
        result = to_json(step.result) if step.error is None else None
        error = to_json(step.error) if step.error is not None else None
        data: dict[str, Any] = {
            "id": step.id,
            "name": step.name,
            "duration_ms": (step.ended_at - step.started_at) / 1000,
        }
        if step.error is not None:
            data["error"] = {"type": step.error["type"], "message": step.error["message"]}
        event = NewEvent(f"step.{step.status}", data)

        def write(tx: Transaction) -> None:
            now = self._clock.now()
            key = (entered, now, execution_id, fence)
            self._live.pop(execution_id, None)
            row = tx.run(self._queries["advance_step"], key).fetchone()
            if row is None:
                raise FencedOut(execution_id)
            seq, agent_id, position = row
            tx.run(
                self._queries["insert_step"],
                (
                    execution_id,
                    position,
                    step.id,
                    step.name,
                    step.status,
                    result,
                    error,
                    step.attempt,
                    step.started_at,
                    step.ended_at,
                ),
            )
            self._insert_event(tx, execution_id, seq, event, now)
            tx.changes.append(Change(execution_id, agent_id, Status.RUNNING, seq))

        await self._writer.submit(write)

    async def enter_step(self, execution_id: str, fence: int, step_id: str, name: str) -> None:
        """Say which step has begun. May reach the disk with a later write."""
        entered = {"id": step_id, "name": name}

        def write(tx: Transaction) -> None:
            key = (to_json(entered), execution_id, fence)
            self._add(tx, "enter_step", key, [NewEvent("step.started", entered)])

        await self._writer.submit(write, lazy=True)

    async def append(self, execution_id: str, fence: int, events: Sequence[NewEvent]) -> None:
        """Record events of a run. May reach the disk with a later write, but in order."""

        def write(tx: Transaction) -> None:
            self._add(tx, "advance_events", (len(events), execution_id, fence), events)

        await self._writer.submit(write, lazy=True)

    def _add(
        self, tx: Transaction, query: str, key: tuple[Any, ...], events: Sequence[NewEvent]
    ) -> None:
        execution_id = key[-2]
        self._live.pop(execution_id, None)
        row = tx.run(self._queries[query], key).fetchone()
        if row is None:
            raise FencedOut(execution_id)
        seq, agent_id = row
        now = self._clock.now()
        for number, event in enumerate(events, seq - len(events) + 1):
            self._insert_event(tx, execution_id, number, event, now)
        tx.changes.append(Change(execution_id, agent_id, Status.RUNNING, seq))

    async def steps(self, execution_id: str) -> Sequence[Step]:
        """The recorded steps, in the order in which they were recorded."""
        rows = self._readers.all(self._queries["list_steps"], (execution_id,))
        return [read_step(row) for row in rows]

    async def events(self, execution_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """The events behind a number, in order."""
        rows = self._readers.all(self._queries["list_events"], (execution_id, after, limit))
        return [read_event(row) for row in rows]

    async def delete(self, team_id: str, execution_id: str) -> None:
        """Remove an execution that has ended, with all that belongs to it."""

        def write(tx: Transaction) -> None:
            execution = self._read(tx, execution_id)
            if execution.team_id != team_id:
                raise ExecutionNotFound(f"There is no execution {execution_id!r}.")
            if tx.run(self._queries["delete_execution"], (execution_id,)).rowcount != 1:
                raise ExecutionNotTerminal(
                    f"Execution {execution_id} is {execution.status.value}; cancel it, or wait"
                    " until it ends, before you delete it."
                )

        await self._writer.submit(write)

    async def register(self, versions: Sequence[AgentVersion]) -> None:
        """Record the versions of agents in code, each as its agent's newest."""

        def write(tx: Transaction) -> None:
            now = self._clock.now()
            known = {}
            for version in versions:
                key = (version.agent_id, version.version)
                row = tx.run(self._queries["get_agent_version"], key).fetchone()
                known[key] = read_version(row) if row else None
            for version in versions:
                _check_schemas(known[version.agent_id, version.version], version)
            for version in versions:
                agent = (version.agent_id, version.version, now, now)
                tx.run(self._queries["upsert_agent"], agent)
                tx.run(self._queries["upsert_agent_version"], write_version(version, now))

        await self._writer.submit(write)

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

        def write(tx: Transaction) -> None:
            tx.run(self._queries["probe"], (self._clock.now(),))

        await self._writer.submit(write)


def _check_schemas(known: AgentVersion | None, version: AgentVersion) -> None:
    if known is None:
        return
    for name in ("input_schema", "output_schema"):
        if getattr(known, name) != getattr(version, name):
            raise Conflict(
                f"Agent {version.agent_id!r} has another {name} than its version"
                f" {version.version!r} on record. Versions never change: give it a new one, as in"
                f' @agent(version="…").'
            )
