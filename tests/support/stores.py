"""The stores that every contract is tested on, and what tests put into them."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from moderately.domain.claims import Offer
from moderately.domain.execution import Claim, Execution
from moderately.domain.fairness import Turns
from moderately.domain.ids import ENTROPY_BYTES, new_id
from moderately.domain.storing import Store
from moderately.protocol.vocabulary import Status
from moderately.store.postgres import open_stores as open_postgres
from moderately.store.sqlite import open_stores as open_sqlite

Opened = Callable[[], AbstractAsyncContextManager[Store]]


class StepClock:
    """A clock that ticks once each time it is asked."""

    def __init__(self) -> None:
        self._ticks = itertools.count(1)

    def now(self) -> int:
        return next(self._ticks)


CLOCK = StepClock()


def sqlite_at(path: Path) -> Opened:
    """A SQLite store; the same one each time that it is opened."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        async with open_sqlite(path, CLOCK) as stores:
            yield stores.executions

    return opened


def postgres_at(url: str) -> Opened:
    """The same on PostgreSQL."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        async with open_postgres(url, CLOCK) as stores:
            yield stores.executions

    return opened


def run(opened: Opened, work: Callable[[Store], Awaitable[None]]) -> None:
    async def inner() -> None:
        async with opened() as store:
            await work(store)

    asyncio.run(inner())


def new(**fields: Any) -> Execution:
    now = CLOCK.now()
    identifier = new_id("exec", now, bytes(ENTROPY_BYTES))
    known: dict[str, Any] = {"team_id": "team", "agent_id": "agent", "agent_version": "1"}
    known |= {"status": Status.PENDING, "created_at": now, "updated_at": now}
    known |= {"metadata": {}, "event_seq": 1}
    return Execution(id=identifier, **(known | fields))


async def claim(store: Store, limit: int = 1, **free: int) -> list[Claim]:
    offers = [Offer(agent_id, ("1",), n) for agent_id, n in (free or {"agent": 1}).items()]
    return list((await store.claim(offers, limit, "worker", Turns())).claims)
