"""Runs today's code against a recorded execution, without performing any step."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from moderately.domain.commands import Complete, Fail
from moderately.domain.execution import Claim, Execution, NewEvent, Step
from moderately.domain.ports import Outcome
from moderately.protocol.vocabulary import Status
from moderately.runtime.agents import AgentDefinition
from moderately.runtime.runner import LocalRunner, RunnerOptions

__all__ = ["FORMAT", "RecordError", "Replayed", "replay"]

FORMAT = "moderately-execution/1"
"""What a file of a recorded execution says that it is."""


class RecordError(Exception):
    """A file is no recorded execution, or there is no code for it. The message says why."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay.

    Attributes:
        steps: How many journal entries there were to replay.
        difference: The first difference; None if there is none.
        note: What else there is to say, as that the record ends before the agent does.
    """

    steps: int
    difference: str | None
    note: str | None


class _Record:
    """The part of a store that a replay needs: a journal that can be read only."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps

    async def steps(self, execution_id: str) -> Sequence[Step]:
        del execution_id
        return self._steps

    async def places(self, execution_id: str) -> AbstractSet[str]:
        del execution_id
        return frozenset()

    async def append(self, execution_id: str, fence: int, events: Sequence[NewEvent]) -> None:
        del execution_id, fence, events


class _Lease:
    def is_held(self) -> bool:
        return True


class _Clock:
    def now(self) -> int:
        return time.time_ns() // 1000


async def replay(
    record: Mapping[str, Any], agents: Mapping[str, Sequence[AgentDefinition]]
) -> Replayed:
    """Run today's code against a recorded execution.

    Args:
        record: What `moderately executions export` wrote.
        agents: The agents, by id.

    Raises:
        RecordError: If the record is none, or its agent is not among these.

    Example:
        >>> replayed = await replay(json.loads(path.read_text()), load_agents(["agents.py"]))
        >>> assert replayed.difference is None, replayed.difference
    """
    execution, steps = _read(record)
    if execution.agent_id not in agents:
        raise RecordError(f"there is no agent {execution.agent_id!r} here")
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Outcome | None] = loop.create_future()
    store: Any = _Record(steps)
    runner = LocalRunner(agents, store, _Lease(), _Clock(), RunnerOptions(replay_only=True))

    def done(_: Claim, outcome: Outcome | None) -> None:
        loop.call_soon_threadsafe(ended.set_result, outcome)

    runner.start([Claim(execution, 1)], done)
    try:
        outcome = await ended
    finally:
        runner.close()
    recorded = sum(step.is_recorded for step in steps)
    return _judge(record["execution"], recorded, outcome)


def _judge(known: Mapping[str, Any], steps: int, outcome: Outcome | None) -> Replayed:
    difference: str | None = None
    note: str | None = None
    error = known["error"] or {}
    match outcome:
        case Complete(output=output):
            if known["status"] != "completed":
                difference = f"it completes now, and was {known['status']}"
            elif output != known["output_data"]:
                difference = f"its result is {output!r} now"
        case Fail(failure=failure) if failure.code == "beyond_record":
            if known["status"] == "completed":
                difference = failure.message
            else:
                note = failure.message
        case Fail(failure=failure):
            if (failure.code, failure.message) != (error.get("code"), error.get("message")):
                difference = f"{failure.code}: {failure.message}"
        case _:
            note = "it waits where the record ends"
    return Replayed(steps, difference, note)


def _read(record: Any) -> tuple[Execution, list[Step]]:
    if not isinstance(record, Mapping) or record.get("format") != FORMAT:
        raise RecordError(f"this is no recorded execution: its format is not {FORMAT!r}")
    try:
        known = record["execution"]
        steps = [
            Step(
                id=step["id"],
                kind=step["kind"],
                name=step["name"],
                status=step["status"],
                position=step["position"] or 0,
                fingerprint=step["fingerprint"],
                effects=step["effects"],
                result=step["result"],
                error=step["error"],
                attempt=step["attempt"],
                wait=step["wait"],
            )
            for step in record["steps"]
        ]
        execution = Execution(
            id=known["id"],
            team_id="replay",
            agent_id=known["agent_id"],
            agent_version=known["agent_version"],
            status=Status.RUNNING,
            created_at=0,
            updated_at=0,
            metadata=known["metadata"],
            input_data=known["input_data"],
            step_count=max((step.position for step in steps), default=0),
            max_steps=known["max_steps"],
            attempt=max(2, known["attempt"]),
            fence=1,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"this record is incomplete: {error}") from None
    return execution, steps
