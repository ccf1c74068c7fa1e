"""The writes, as coroutines over a `Unit`: the same for every store."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from moderately.domain.claims import Claimed, Offer
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
from moderately.domain.fairness import Head, Room, Turns, deal
from moderately.domain.lifecycle import as_created, created_event, decide
from moderately.domain.storing import Answer, Created, Idempotency
from moderately.domain.waits import child_outcome, find_wait
from moderately.protocol.vocabulary import Status
from moderately.store.unit import Look, Search, Unit

__all__ = [
    "append",
    "apply",
    "claim",
    "create",
    "enter",
    "fork",
    "record",
    "recover",
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
        for child_id in await unit.children(execution.id):
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
    unit.changes[-1] = unit.changes[-1]._replace(execution=after, settled=step)
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


async def claim(
    unit: Unit, offers: Sequence[Offer], limit: int, worker_id: str, turns: Turns
) -> Claimed:
    """Start what may start."""
    now = unit.clock.now()
    limited = sorted(offer.agent_id for offer in offers if offer.is_limited)
    if limited:
        await unit.source.hold(limited)
    arrivals = await _arrivals(unit, offers)
    rooms = await _rooms(unit, offers, arrivals, now)
    searches = [
        Search(
            offer.agent_id,
            offer.lanes,
            turns.behind(offer.agent_id),
            min(rooms[offer.agent_id].free, limit),
            offer.key_limit,
            turns.behind_key(offer.agent_id),
            rooms[offer.agent_id].full_keys(),
        )
        for offer in offers
        if rooms[offer.agent_id].free > 0
    ]
    looks = await unit.source.waiting(searches) if searches else []
    chosen = deal([head for look in looks for head in look.heads], rooms, limit, turns)
    claims = []
    newest = {offer.agent_id: offer.versions[0] for offer in offers}
    for found in await unit.source.take(chosen, searches) if chosen else []:
        execution = await unit.execution(found.id)
        if execution is None or execution.status is not Status.PENDING:
            continue
        if execution.run_at is not None:
            continue
        started = unit.decide(execution, Start(worker_id, newest[execution.agent_id]))
        claims.append(Claim(started, started.fence))
    next_at = _spend(unit, offers, arrivals, now, claims)
    more = {
        search.agent_id
        for search, look in zip(searches, looks, strict=True)
        if _is_more(search, look, set(chosen), rooms[search.agent_id], turns)
    }
    return Claimed(claims, next_at, more)


async def _arrivals(unit: Unit, offers: Sequence[Offer]) -> Mapping[str, int]:
    rated = [offer.agent_id for offer in offers if offer.rate is not None]
    return await unit.source.arrivals(rated) if rated else {}


async def _rooms(
    unit: Unit, offers: Sequence[Offer], arrivals: Mapping[str, int], now: int
) -> dict[str, Room]:
    """How many more of each agent may start."""
    rooms = {offer.agent_id: Room(offer.free, offer.key_limit) for offer in offers}
    counted = [o.agent_id for o in offers if o.limit is not None or o.key_limit is not None]
    running: Counter[str] = Counter()
    if counted:
        for (agent_id, key), number in (await unit.source.running(counted)).items():
            running[agent_id] += number
            if key is not None:
                rooms[agent_id].by_key[key] = number
    for offer in offers:
        room = rooms[offer.agent_id]
        if offer.limit is not None:
            room.free = min(room.free, offer.limit - running[offer.agent_id])
        if offer.rate is not None:
            room.free = min(room.free, offer.rate.allowance(arrivals.get(offer.agent_id, 0), now))
    return rooms


def _spend(
    unit: Unit,
    offers: Sequence[Offer],
    arrivals: Mapping[str, int],
    now: int,
    claims: Sequence[Claim],
) -> dict[str, int]:
    """Count the starts against the rates; give when the next ones are allowed."""
    starts = Counter(claim.execution.agent_id for claim in claims)
    next_at = {}
    for offer in offers:
        if offer.rate is None:
            continue
        arrival = arrivals.get(offer.agent_id, 0)
        if starts[offer.agent_id]:
            arrival = offer.rate.spend(arrival, now, starts[offer.agent_id])
            unit.arrivals[offer.agent_id] = arrival
        if not offer.rate.allowance(arrival, now):
            next_at[offer.agent_id] = offer.rate.next_at(arrival, now)
    return next_at


def _is_more(
    search: Search, look: Look, chosen: AbstractSet[Head], room: Room, turns: Turns
) -> bool:
    """Whether more of an agent may wait than was chosen, and may start where there is a slot."""
    was_all = turns.looked_at(search.agent_id, look.teams, look.heads)
    if not was_all or any(room.has_room(one.concurrency_key) for one in {*look.heads} - chosen):
        return True
    # Of each concurrency key with a limit as many were found as may run.
    plain = [one for one in look.heads if search.key_limit is None or one.concurrency_key is None]
    counts = Counter((one.team_id, one.lane) for one in plain)
    return max(counts.values(), default=0) >= search.share(len(look.teams))


async def recover(unit: Unit, reason: str) -> int:
    """Give back what runs on no worker that is known."""
    return await _release(unit, await unit.source.orphans(), reason)


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
