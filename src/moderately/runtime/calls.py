"""What `ctx` does, once for async and plain agents: a plain one's journal blocks where it waits."""

import os
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from moderately.domain.execution import Execution, Step
from moderately.domain.ids import ENTROPY_BYTES, new_id
from moderately.domain.retry import Retry
from moderately.protocol.vocabulary import IDENTIFIER_LIMIT, Status
from moderately.runtime.async_journal import AsyncJournal
from moderately.runtime.scope import StepScope, current_step
from moderately.runtime.sync_journal import SyncJournal
from moderately.runtime.values import (
    NotJson,
    as_json,
    as_returned,
    error_of,
    exception_of,
    fingerprint,
    mark,
)

__all__ = ["Approval", "Calls", "Effects", "StepOptions", "checked"]

Effects = Literal["pure", "idempotent", "unsafe"]

_EFFECTS: Final = ("pure", "idempotent", "unsafe")
_MICROSECONDS: Final = 1_000_000
_LEASE_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 100 * 366 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person has said to `ctx.approve`.

    Attributes:
        approved: Whether it may be done.
        arguments: With what: as asked, or as the person has edited them.
        reason: What the person has said; `expired` if nobody has in time.
    """

    approved: bool
    arguments: dict[str, Any]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step runs.

    Attributes:
        retry: When to try again if it raises; never when None.
        timeout: How long one try may take, in seconds.
        effects: What repeating it would do.

    Raises:
        ValueError: If `effects` is none of the known ones.
    """

    retry: Retry | None = None
    timeout: float | None = None
    effects: Effects = "idempotent"

    def __post_init__(self) -> None:
        """Check the values."""
        if self.effects not in _EFFECTS:
            raise ValueError(f"effects is one of {', '.join(_EFFECTS)}; not {self.effects!r}")

    def delay(self, error: Exception, tries: int) -> float | None:
        """After how many seconds to try again; None if the error stands."""
        kinds = [kind.__name__ for kind in type(error).__mro__]
        retry = self.retry
        if retry is None or tries >= retry.attempts or not retry.covers(kinds):
            return None
        if isinstance(error, NotJson):
            return None
        return retry.delay(tries, random.random())  # noqa: S311 - it spreads retries


class Calls:
    """The durable calls of one run.

    Args:
        journal: Its journal.
    """

    def __init__(self, journal: AsyncJournal | SyncJournal) -> None:
        self._journal = journal

    async def step(
        self,
        name: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: StepOptions,
    ) -> Any:
        """Run a function as a step, or give what is on record of it."""
        effects, journal = options.effects, self._journal
        step_id = journal.enter("step", checked(name))
        step = journal.step(
            step_id, "step", name, fingerprint=fingerprint(args, kwargs), effects=effects
        )
        known = journal.known(step)
        if known is not None and not known.is_recorded and known.effects == "unsafe":
            known = await self._settle_doubt(known)
        if known is not None and known.is_recorded:
            outcome = await journal.outcome(known)
            return as_returned(fn, self._value(outcome))
        if effects == "unsafe":
            await journal.commit_begin(step)
        else:
            journal.begin(step)
        return await self._perform(step, fn, args, kwargs, options)

    async def _hold(self, step: Step) -> float:
        """Wait until nobody else may take the run, as far as this worker knows.

        A worker that was frozen or cut off would begin what another one has recorded by now.

        Returns:
            When it was known, in seconds since the epoch: before the step, if not right before it.
        """
        journal = self._journal
        while True:
            looked = time.time()
            if journal.lease.is_held():
                return looked
            while not journal.lease.is_held():
                await journal.pause(_LEASE_SECONDS)
            # Only a write tells whether somebody else has taken it meanwhile.
            await journal.commit_begin(step)

    async def _settle_doubt(self, step: Step) -> Step | None:
        """Let a person say what an interrupted unsafe step did.

        Returns:
            Its outcome, or None where it did not happen and is to run.
        """
        if step.status == "started":
            step = step._replace(wait={"in_doubt": True})
        settled = await self._journal.wait(step)
        return None if settled.status == "dropped" else settled

    async def _perform(
        self,
        step: Step,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: StepOptions,
    ) -> Any:
        journal, tries = self._journal, 0
        execution_id = journal.execution.id
        scope = StepScope(step.id, f"{execution_id}:{step.id}")
        while True:
            tries += 1
            held = await self._hold(step)
            journal.observer.note("begin", execution_id, step, at=held)
            token = current_step.set(scope)
            try:
                result = await journal.call(fn, args, kwargs, options.timeout)
                value = _result(result, step.name)
            except Exception as caught:  # noqa: BLE001 - it is recorded, and raised again
                error = caught
                journal.observer.note("failed", execution_id, step)
            except BaseException:
                journal.observer.note("interrupted", execution_id, step)
                raise
            else:
                await journal.record(journal.ended(step._replace(tries=tries), value, None))
                journal.observer.note("recorded", execution_id, step)
                return result
            finally:
                current_step.reset(token)
            delay = options.delay(error, tries)
            if delay is None:
                await journal.record(
                    journal.ended(step._replace(tries=tries), None, error_of(error))
                )
                raise mark(error, step.id)
            journal.retried(step._replace(tries=tries), error_of(error), delay)
            await journal.pause(delay)

    def _value(self, outcome: Step) -> Any:
        if outcome.error is not None:
            raise exception_of(outcome.error, outcome.id)
        return outcome.result

    async def recorded(self, kind: str, make: Callable[[], Any]) -> Any:
        """A value that is made once, and the same in every attempt."""
        journal = self._journal
        step = journal.step(journal.enter(kind, kind), kind, kind)
        known = journal.known(step)
        if known is not None and known.is_recorded:
            return (await journal.outcome(known)).result
        value = make()
        await journal.record(journal.ended(step, value, None))
        return value

    async def now(self) -> datetime:
        """The time, on record."""
        microseconds = await self.recorded("now", self._journal.now)
        return datetime.fromtimestamp(microseconds / _MICROSECONDS, UTC)

    async def random(self) -> float:
        """A random number, on record."""
        return float(await self.recorded("random", random.random))

    async def uuid(self) -> uuid.UUID:
        """A random UUID, on record."""
        return uuid.UUID(await self.recorded("uuid", lambda: str(uuid.uuid4())))

    async def sleep(self, seconds: float) -> None:
        """Sleep, as long as the first attempt said."""
        if not 0 <= seconds <= _LONGEST_SECONDS:
            raise ValueError(f"sleep takes a number of seconds from 0 on; not {seconds!r}")
        wake_at = self._journal.now() + int(seconds * _MICROSECONDS)
        await self._wait("sleep", "sleep", {"wake_at": wake_at})

    async def _wait(
        self, kind: str, name: str, wait: dict[str, Any], child: Execution | None = None
    ) -> Step:
        journal = self._journal
        step_id = journal.enter(kind, name)
        if child is not None:
            child = child._replace(parent_step=step_id)
        step = journal.step(step_id, kind, name, wait=wait)
        known = journal.known(step)
        if known is None:
            outcome = await journal.wait(step, child)
        elif known.is_recorded:
            outcome = await journal.outcome(known)
        else:
            outcome = await journal.wait(known)
        return outcome

    async def wait_for_input(self, name: str, schema: Any, limit: float | None) -> Any:
        """Wait for a person's answer."""
        adapter, json_schema = _schema(schema)
        wait: dict[str, Any] = {"schema": json_schema}
        if limit is not None:
            wait["wake_at"] = self._journal.now() + int(limit * _MICROSECONDS)
        value = self._value(await self._wait("input", checked(name), wait))
        return value if adapter is None else adapter.validate_python(value)

    async def approve(
        self,
        name: str,
        arguments: Mapping[str, Any] | None,
        message: str,
        expires_in: float | None,
    ) -> Approval:
        """Wait for a person's yes or no."""
        shown = as_json(dict(arguments or {}), f"the arguments of {name!r}")
        wait: dict[str, Any] = {"message": str(message), "arguments": shown}
        if expires_in is not None:
            wait["wake_at"] = self._journal.now() + int(expires_in * _MICROSECONDS)
        said = self._value(await self._wait("approval", checked(name), wait))
        edited = said.get("arguments")
        return Approval(
            bool(said.get("approved")), shown if edited is None else edited, said.get("reason")
        )

    async def run_agent(
        self,
        agent_id: str,
        input_data: Mapping[str, Any] | None,
        metadata: Mapping[str, str] | None,
        limit: float | None,
    ) -> Any:
        """Run another agent as a child, and wait for its result."""
        journal = self._journal
        parent = journal.execution
        agent = await journal.fetch_over_there(lambda: journal.store.agent(agent_id))
        if agent is None:
            raise LookupError(f"there is no agent {agent_id!r}")
        now = self._journal.now()
        limits = [s for s in (agent.newest.timeout_seconds, limit) if s is not None]
        child = Execution(
            id=new_id("exec", now, os.urandom(ENTROPY_BYTES)),
            team_id=parent.team_id,
            agent_id=agent_id,
            agent_version=agent.newest.version,
            status=Status.PENDING,
            created_at=now,
            updated_at=now,
            metadata=dict(metadata or {}),
            input_data=None
            if input_data is None
            else as_json(dict(input_data), f"the input of {agent_id!r}"),
            retry=agent.newest.retry,
            priority=parent.priority,
            timeout_seconds=min(limits, default=None),
            parent_id=parent.id,
            event_seq=1,
        )
        wait = {"execution_id": child.id}
        return self._value(await self._wait("agent", agent_id, wait, child))


def checked(name: object) -> str:
    """A step's name.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(name, str) or not 0 < len(name) <= IDENTIFIER_LIMIT:
        raise ValueError(f"a step's name has 1 to {IDENTIFIER_LIMIT} characters")
    return name


def _result(value: Any, name: str) -> Any:
    try:
        return as_json(value, f"the result of step {name!r}")
    except ValueError as error:
        raise NotJson(str(error)) from None


def _schema(schema: Any) -> tuple[TypeAdapter[Any] | None, dict[str, Any] | None]:
    if schema is None or isinstance(schema, dict):
        return None, schema
    adapter = TypeAdapter[Any](schema)
    return adapter, adapter.json_schema()
