"""The writes, as coroutines over a `Unit`: the same for every store."""

from collections.abc import Sequence

from moderately.domain.commands import (
    Cancel,
    Command,
    Enter,
    Expire,
    Note,
    Park,
    Pause,
    Record,
    Release,
    RetryLater,
    Settle,
    Spawn,
    Start,
    Wait,
    Wake,
)
from moderately.domain.errors import (
    ExecutionNotFound,
    ExecutionTerminal,
    FencedOut,
    IdempotencyKeyReused,
)
from moderately.domain.execution import Claim, Execution, Failure, NewEvent, Step
from moderately.domain.lifecycle import as_created, created_event, decide
from moderately.domain.storing import Answer, Claimed, Created, Idempotency, Offer
from moderately.domain.waits import child_outcome, find_wait
from moderately.protocol.vocabulary import Status
from moderately.store.unit import Unit

__all__ = [
    "append",
    "apply",
    "claim",
    "create",
    "enter",
    "fork",
    "record",
    "release_all",
    "release_lapsed",
    "resume",
    "spawn",
    "wait",
    "wake_due",
]

_DUE_LIMIT = 500
_PARENT_ENDED = "Its parent has ended."


async def create(
    unit: Unit, execution: Execution, idempotency: Idempotency | None, start: Start | None
) -> Created:
    """Create an execution, or find the one that the key stands for."""
    if (known := await _known(unit, execution, idempotency)) is not None:
        return Created(known, replayed=True)
    events = [created_event(execution)]
    stored = execution
    if start is not None:
        stored, more = decide(execution, start, execution.created_at)
        events += more
    unit.insert(stored, events)
    return Created(execution, started=start is not None)


async def _known(
    unit: Unit, execution: Execution, idempotency: Idempotency | None
) -> Execution | None:
    """The execution that a key stands for; None if the key is new, and noted."""
    if idempotency is None:
        return None
    found = await unit.idempotent(execution.team_id, idempotency.key)
    if found is None:
        key = (execution.team_id, idempotency.key)
        unit.keys[key] = (idempotency.fingerprint, execution.id)
        return None
    if found[0] != idempotency.fingerprint:
        raise IdempotencyKeyReused(
            "This idempotency key was used with another body. Send the same body again, or a new"
            " key."
        )
    return as_created(found[1])


async def fork(
    unit: Unit,
    source_id: str,
    execution: Execution,
    before: int,
    idempotency: Idempotency | None,
) -> Created:
    """Create an execution that shares another one's journal, or find the one of the key."""
    if (known := await _known(unit, execution, idempotency)) is not None:
        return Created(known, replayed=True)
    unit.insert(execution, [created_event(execution)])
    unit.copies.append((source_id, execution.id, before))
    return Created(execution)


async def spawn(unit: Unit, fence: int, step: Step, child: Execution) -> None:
    """Create a child, and let its parent wait for it."""
    parent = await _find(unit, child.parent_id or "")
    unit.decide(parent, Spawn(fence, step))
    unit.put_step(parent.id, step)
    unit.insert(child, [created_event(child)])


async def apply(
    unit: Unit, execution_id: str, command: Command, team_id: str | None = None
) -> Execution:
    """Apply a command, and what follows from it."""
    execution = await _find(unit, execution_id, team_id)
    if isinstance(command, Park | Pause):
        still_open = {step.id for step in await unit.waits(execution_id)}
        if not still_open.issuperset(command.waits):
            command = Release(command.fence, "What it waited for has come.")
    after = unit.decide(execution, command)
    if isinstance(command, RetryLater) and command.failure.step is not None:
        unit.drop_step(execution_id, command.failure.step)
    if after.status.is_terminal:
        await _ended(unit, after)
    return after


async def _find(unit: Unit, execution_id: str, team_id: str | None = None) -> Execution:
    execution = await unit.execution(execution_id)
    if execution is None or (team_id is not None and execution.team_id != team_id):
        raise ExecutionNotFound(f"There is no execution {execution_id!r}.")
    return execution


async def _ended(unit: Unit, execution: Execution) -> None:
    if execution.child_count:
        for child_id in await unit.source.children(execution.id):
            child = await unit.execution(child_id)
            if child is not None and not child.status.is_terminal:
                await _ended(unit, unit.decide(child, Cancel(_PARENT_ENDED)))
    if execution.parent_id is None or execution.parent_step is None:
        return
    parent = await unit.execution(execution.parent_id)
    step = await unit.step(execution.parent_id, execution.parent_step)
    if parent is None or parent.status.is_terminal or step is None or step.status != "waiting":
        return
    _settle(unit, parent, child_outcome(step, execution, unit.now(execution)))


def _settle(unit: Unit, execution: Execution, step: Step) -> Execution:
    after = unit.decide(execution, Settle(step))
    if step.status == "dropped":
        unit.drop_step(execution.id, step.id)
    else:
        step = step._replace(position=after.step_count)
        unit.put_step(execution.id, step)
    last = unit.changes[-1]
    unit.changes[-1] = type(last)(
        last.execution_id, last.agent_id, last.status, last.event_seq, after, step
    )
    return after


async def resume(
    unit: Unit, team_id: str, execution_id: str, wanted: str | None, answer: Answer
) -> Execution:
    """Settle what a person was asked."""
    execution = await _find(unit, execution_id, team_id)
    if execution.status.is_terminal:
        raise ExecutionTerminal(execution)
    found = find_wait(execution, await unit.waits(execution_id), wanted)
    return _settle(unit, execution, answer(found, unit.now(execution)))


async def claim(unit: Unit, offers: Sequence[Offer], limit: int, worker_id: str) -> Claimed:
    """Start what may start."""
    found: list[tuple[Execution, str]] = []
    next_at: dict[str, int] = {}
    now = unit.clock.now()
    for offer in offers:
        number = min(offer.free, limit)
        arrival = 0
        if offer.rate is not None:
            arrival = await unit.source.arrival(offer.agent_id)
            number = min(number, offer.rate.allowance(arrival, now))
        taken = await _candidates(unit, offer, number) if number > 0 else []
        found += [(execution, offer.versions[0]) for execution in taken]
        if offer.rate is not None:
            arrival = offer.rate.spend(arrival, now, len(taken))
            if taken:
                unit.arrivals[offer.agent_id] = arrival
            if not offer.rate.allowance(arrival, now):
                next_at[offer.agent_id] = offer.rate.next_at(arrival, now)
    found.sort(key=lambda one: (-one[0].priority, one[0].id))
    claims = []
    for execution, newest in found[:limit]:
        started = unit.decide(execution, Start(worker_id, newest))
        claims.append(Claim(started, started.fence))
    return Claimed(claims, next_at)


async def _candidates(unit: Unit, offer: Offer, number: int) -> list[Execution]:
    counts: dict[str, int] = {}
    full: list[str] = []
    most = offer.key_limit
    if most is not None:
        counts = await unit.source.running_by_key(offer.agent_id)
        full = [key for key, count in counts.items() if count >= most]
    taken: list[Execution] = []
    while len(taken) < number:
        rows = await unit.source.claimable(offer, full, number)
        known = {execution.id for execution in taken}
        before = len(taken)
        for row in rows:
            execution = await unit.execution(row.id)
            if execution is None or execution.status is not Status.PENDING or row.id in known:
                continue
            key = execution.concurrency_key
            if most is not None and key is not None:
                if counts.get(key, 0) >= most:
                    continue
                counts[key] = counts.get(key, 0) + 1
                if counts[key] >= most:
                    full.append(key)
            taken.append(execution)
            if len(taken) == number:
                break
        if len(rows) < number or len(taken) == before:
            break
    return taken


async def release_all(unit: Unit, reason: str) -> int:
    """Give back all that runs."""
    return await _release(unit, await unit.source.running(), reason)


async def release_lapsed(unit: Unit, reason: str) -> int:
    """Give back what runs on workers whose leases have ended."""
    return await _release(unit, await unit.source.lapsed(unit.clock.now()), reason)


async def _release(unit: Unit, ids: Sequence[str], reason: str) -> int:
    released = 0
    for execution_id in ids:
        execution = await unit.execution(execution_id)
        if execution is not None and execution.status is Status.RUNNING:
            unit.decide(execution, Release(execution.fence, reason))
            released += 1
    return released


async def wake_due(unit: Unit) -> int | None:
    """Wake what waits for a time that has come; fail what is out of time."""
    now = unit.clock.now()
    overdue = await unit.source.overdue(now, _DUE_LIMIT)
    for execution_id in overdue:
        execution = await unit.execution(execution_id)
        if execution is not None and execution.status is Status.PENDING:
            message = f"It took longer than its timeout of {execution.timeout_seconds:g} s."
            await _ended(unit, unit.decide(execution, Expire(Failure("timeout", message))))
    due = await unit.source.due(now, _DUE_LIMIT)
    for execution_id in due:
        execution = await unit.execution(execution_id)
        if execution is not None and execution.run_at is not None and execution.run_at <= now:
            unit.decide(execution, Wake())
    if max(len(due), len(overdue)) == _DUE_LIMIT:
        return now
    return await unit.source.next_due(now)


async def record(unit: Unit, execution_id: str, fence: int, step: Step) -> int:
    """Record a step's outcome. A wait that was settled meanwhile keeps the outcome that it has."""
    execution = await _run_of(unit, execution_id)
    if step.wait is not None:
        known = await unit.step(execution_id, step.id)
        if known is not None and known.is_recorded and fence == execution.fence:
            return known.position
    after = unit.decide(execution, Record(fence, step))
    unit.put_step(execution_id, step._replace(position=after.step_count))
    return after.step_count


async def enter(unit: Unit, execution_id: str, fence: int, step: Step) -> None:
    """Say that a step has begun; an unsafe one has an entry from here on."""
    unit.decide(await _run_of(unit, execution_id), Enter(fence, step))
    if step.effects == "unsafe":
        unit.put_step(execution_id, step)


async def wait(unit: Unit, execution_id: str, fence: int, step: Step) -> None:
    """Say that a run waits."""
    unit.decide(await _run_of(unit, execution_id), Wait(fence, step))
    unit.put_step(execution_id, step)


async def append(unit: Unit, execution_id: str, fence: int, events: Sequence[NewEvent]) -> None:
    """Record events of a run."""
    unit.decide(await _run_of(unit, execution_id), Note(fence, tuple(events)))


async def _run_of(unit: Unit, execution_id: str) -> Execution:
    execution = await unit.execution(execution_id)
    if execution is None:
        raise FencedOut(execution_id)
    return execution
