"""The use cases of the API. Everything is scoped to the caller's team."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.commands import Cancel, Move
from moderately.domain.errors import (
    AgentNotFound,
    Conflict,
    DomainError,
    ExecutionNotFound,
    IllegalTransition,
)
from moderately.domain.execution import Execution, NewExecution, NewFork, Step
from moderately.domain.ids import ENTROPY_BYTES, new_id
from moderately.domain.lifecycle import as_created
from moderately.domain.listing import ExecutionList, ListQuery
from moderately.domain.ports import Clock, Engine
from moderately.domain.reports import Reports
from moderately.domain.storing import Created, Idempotency, Store
from moderately.protocol.vocabulary import Status
from moderately.service.answers import settle
from moderately.service.entropy import Entropy
from moderately.service.events import Events
from moderately.service.forks import fork_position
from moderately.service.fresh import Fresh
from moderately.service.hub import Hub
from moderately.service.inputs import InputChecks
from moderately.service.keys import KeyRing
from moderately.service.overview import Overview
from moderately.service.principal import Principal, shown

__all__ = ["Created", "Service"]

_FRESH_SECONDS: Final = 1.0
_PRUNE_LIMIT: Final = 200


class Service:
    """The use cases.

    Args:
        store: Holds the facts.
        engine: Runs the executions.
        keys: Knows the keys.
        clock: Tells the time.
        monotonic: Tells the time in seconds, for the cache of agents.
        reports: Read sums.

    Attributes:
        events: The use cases of events.
        overview: What there is to see of the whole.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        keys: KeyRing,
        clock: Clock,
        monotonic: Callable[[], float],
        *,
        reports: Reports,
    ) -> None:
        self.overview = Overview(store, reports, clock, monotonic)
        self._store = store
        self._engine = engine
        self._keys = keys
        self._clock = clock
        self._agents = Fresh(self._read_agent, _FRESH_SECONDS, monotonic)
        self._entropy = Entropy()
        self._hub = Hub()
        self._inputs = InputChecks()
        self.events = Events(store, self._hub, keys)
        store.subscribe(self._hub.on_changes, watched=self._hub.watched)

    def now(self) -> int:
        """The time, in microseconds since the epoch."""
        return self._clock.now()

    async def authenticate(self, key: str) -> Principal:
        """Find out who is calling.

        Raises:
            Unauthenticated: If the key is unknown or revoked.
        """
        found = await self._keys.authenticate(key)
        return Principal(found.team_id, found.id)

    async def create(
        self,
        principal: Principal,
        request: NewExecution,
        *,
        idempotency_key: str | None,
        fingerprint: str,
    ) -> Created:
        """Accept an execution. It is on disk when this returns.

        Args:
            principal: Who asks.
            request: What is asked for.
            idempotency_key: Makes a repeated request the same one.
            fingerprint: A digest of the body, to tell a repetition from a mistake.

        Raises:
            AgentNotFound: If there is no such agent.
            InvalidRequest: If the input does not fit the agent.
            IdempotencyKeyReused: If the key came with another body before.
        """
        agent = await self._agents.get(request.agent_id)
        self._inputs.check(agent.newest, request.input_data)
        now = self._clock.now()
        execution = Execution(
            id=new_id("exec", now, self._entropy.take(ENTROPY_BYTES)),
            team_id=principal.team_id,
            agent_id=request.agent_id,
            agent_version=agent.newest.version,
            status=Status.PENDING,
            created_at=now,
            updated_at=now,
            input_data=request.input_data,
            metadata=request.metadata,
            priority=request.priority,
            timeout_seconds=_shorter(request.timeout_seconds, agent.newest.timeout_seconds),
            max_steps=request.max_steps,
            retry=None if request.retry is None else request.retry.to_json(),
            concurrency_key=request.concurrency_key,
            run_at=request.run_at,
            event_seq=1,
        )
        repeat = Idempotency(idempotency_key, fingerprint) if idempotency_key else None
        created = await self._engine.submit(execution, repeat)
        if created.replayed or created.started:
            return created
        return created._replace(execution=self._seen(execution))

    async def _read_agent(self, agent_id: str) -> Agent:
        """An agent, with the version that new executions get."""
        agent = await self._store.agent(agent_id)
        if agent is None:
            raise AgentNotFound(f"There is no agent {shown(agent_id)}.")
        served = self._engine.versions(agent_id)
        if served and agent.newest.version not in served:
            # Only workers of another release are up: what comes now is for them.
            known = await self._store.agent_versions(agent_id)
            newest = next((one for one in known if one.version in served), agent.newest)
            agent = replace(agent, newest=newest)
        return agent

    async def get(
        self, principal: Principal, execution_id: str, *, wait: float | None = None
    ) -> Execution:
        """One execution.

        Args:
            principal: Who asks.
            execution_id: Which one.
            wait: How long to wait for its end, in seconds; not at all when None.

        Raises:
            ExecutionNotFound: If there is none in the team.
        """
        if not wait:
            return await self._looked_at(principal, execution_id)
        waiter = self._hub.join(execution_id)
        try:
            execution = await self._find(principal, execution_id)
            if execution.status.is_terminal:
                return execution
            ended = await self._hub.wait(waiter, wait)
        finally:
            self._hub.leave(execution_id, waiter)
        return ended or await self._looked_at(principal, execution_id)

    async def _looked_at(self, principal: Principal, execution_id: str) -> Execution:
        """The execution, with why it does not run, or does not seem to."""
        execution = self._seen(await self._find(principal, execution_id))
        if execution.status is not Status.RUNNING or self._engine.runs_here(execution):
            return execution
        seen_at = await self._engine.silent_since(execution.worker_id or "")
        if seen_at is None:
            return execution
        ago = (self._clock.now() - seen_at) / 1_000_000
        message = f"Its worker was last heard of {ago:.0f} s ago, which is longer than its lease."
        blocked_on = {"kind": "lease", "message": message, "worker_id": execution.worker_id}
        return execution._replace(blocked_on=blocked_on)

    async def _find(self, principal: Principal, execution_id: str) -> Execution:
        execution = await self._store.get(principal.team_id, execution_id)
        if execution is None:
            raise ExecutionNotFound(f"There is no execution {shown(execution_id)}.")
        return execution

    def _seen(self, execution: Execution) -> Execution:
        """The execution with what only the engine knows: why it does not run yet."""
        if execution.status is not Status.PENDING:
            return execution
        blocked_on = self._engine.blocked_on(execution)
        return execution._replace(blocked_on=blocked_on) if blocked_on else execution

    async def cancel(
        self, principal: Principal, execution_id: str, *, reason: str | None
    ) -> Execution:
        """End an execution. It is over when this returns: nothing more of it is recorded.

        Raises:
            ExecutionNotFound: If there is none in the team.
            ExecutionTerminal: If it had ended already.
        """
        return await self._store.apply(execution_id, Cancel(reason), team_id=principal.team_id)

    async def resume(
        self, principal: Principal, execution_id: str, wait: str | None, body: Mapping[str, Any]
    ) -> Execution:
        """Answer what an execution asks of a person.

        Args:
            principal: Who answers.
            execution_id: Which execution.
            wait: What is answered, by id or name; None where only one thing is asked.
            body: The answer.

        Raises:
            ExecutionNotFound: If there is none in the team.
            ExecutionTerminal: If it has ended.
            Conflict: If it asks nothing.
            InvalidRequest: If the answer does not fit.
        """
        team_id = principal.team_id
        resumed = await self._store.resume(team_id, execution_id, wait, partial(settle, body))
        return self._seen(resumed)

    async def move(self, principal: Principal, execution_id: str, version: str) -> Execution:
        """Let an execution go on under another version of its agent.

        Raises:
            ExecutionNotFound: If there is none in the team.
            ExecutionTerminal: If it has ended.
            Conflict: If the agent has no such version, or the execution runs just now.
        """
        execution = await self._find(principal, execution_id)
        known = [found.version for found in await self._store.agent_versions(execution.agent_id)]
        if version not in known:
            raise Conflict(f"Agent {execution.agent_id!r} has no such version: {', '.join(known)}.")
        try:
            moved = await self._store.apply(execution_id, Move(version), team_id=principal.team_id)
        except IllegalTransition:
            message = f"Execution {execution_id} runs under its version; there is nothing to move."
            raise Conflict(message) from None
        return self._seen(moved)

    async def fork(
        self,
        principal: Principal,
        execution_id: str,
        request: NewFork,
        *,
        idempotency_key: str | None,
        fingerprint: str,
    ) -> Created:
        """Create an execution that shares another one's journal up to a step.

        Args:
            principal: Who asks.
            execution_id: The other one.
            request: From where, and with what.
            idempotency_key: Makes a repeated request the same one.
            fingerprint: A digest of the request.

        Raises:
            ExecutionNotFound: If there is none in the team.
            Conflict: If there is no such position.
            InvalidRequest: If the input does not fit the agent.
        """
        source = await self._find(principal, execution_id)
        steps = await self._store.steps(execution_id)
        before = fork_position(source, steps, request.from_step)
        agent = await self._agents.get(source.agent_id)
        input_data = source.input_data
        if request.input_data is not None:
            input_data = request.input_data
            self._inputs.check(agent.newest, input_data)
        now = self._clock.now()
        execution = as_created(source)._replace(
            id=new_id("exec", now, self._entropy.take(ENTROPY_BYTES)),
            agent_version=agent.newest.version,
            created_at=now,
            updated_at=now,
            input_data=input_data,
            metadata=source.metadata if request.metadata is None else request.metadata,
            step_count=before - 1,
            parent_id=None,
            parent_step=None,
            forked_from=source.id,
        )
        repeat = Idempotency(idempotency_key, fingerprint) if idempotency_key else None
        created = await self._store.fork(source.id, execution, before, repeat)
        if created.replayed:
            return created
        return created._replace(execution=self._seen(execution))

    async def delete(self, principal: Principal, execution_id: str) -> None:
        """Remove an execution that has ended, with all that belongs to it.

        Raises:
            ExecutionNotFound: If there is none in the team.
            ExecutionNotTerminal: If it has not ended.
        """
        await self._store.delete(principal.team_id, execution_id)

    async def prune(self, seconds: float) -> int:
        """Remove some of the executions that ended longer than so many seconds ago.

        Returns:
            How many.
        """
        before = self._clock.now() - int(seconds * 1_000_000)
        return await self._store.prune(before, _PRUNE_LIMIT)

    async def steps(self, principal: Principal, execution_id: str) -> list[Step]:
        """An execution's recorded steps, in order.

        Raises:
            ExecutionNotFound: If there is none in the team.
        """
        await self._find(principal, execution_id)
        return list(await self._store.steps(execution_id))

    async def agents(
        self, principal: Principal, *, page: int, page_size: int
    ) -> tuple[list[Agent], int]:
        """A page of agents by name, and how many there are. Every team sees those in code."""
        del principal
        found, total = await self._store.agents(offset=(page - 1) * page_size, limit=page_size)
        return [self._available(agent) for agent in found], total

    async def agent(self, principal: Principal, agent_id: str) -> Agent:
        """One agent.

        Raises:
            AgentNotFound: If there is none.
        """
        del principal
        found = await self._store.agent(agent_id)
        if found is None:
            raise AgentNotFound(f"There is no agent {shown(agent_id)}.")
        return self._available(found)

    async def agent_versions(self, principal: Principal, agent_id: str) -> list[AgentVersion]:
        """An agent's versions, newest first.

        Raises:
            AgentNotFound: If there is none.
        """
        await self.agent(principal, agent_id)
        return list(await self._store.agent_versions(agent_id))

    def _available(self, agent: Agent) -> Agent:
        return replace(agent, is_available=self._engine.serves(agent.id))

    async def ready(self) -> list[str]:
        """Why the service cannot work now; nothing where it can."""
        try:
            await self._store.probe()
        except DomainError as error:
            return [error.message]
        return []

    async def counts(self) -> Mapping[Status, int]:
        """How many executions there are, by status."""
        return await self._store.counts()

    def stop_waiting(self) -> None:
        """Answer all who wait, as things stand: the service stops."""
        self._hub.close()
        self.events.close()

    def snapshot(self) -> dict[str, int]:
        """Gauges by name."""
        own = {"waiting_requests": len(self._hub), "streams": len(self.events)}
        return {**own, **self._engine.snapshot()}

    # Last, since within a class body it hides the type of the same name.
    async def list(self, principal: Principal, query: ListQuery) -> ExecutionList:
        """A page of the team's executions."""
        found = await self._store.list(principal.team_id, query)
        return replace(found, items=[self._seen(execution) for execution in found.items])


def _shorter(one: float | None, other: float | None) -> float | None:
    return min((seconds for seconds in (one, other) if seconds is not None), default=None)
