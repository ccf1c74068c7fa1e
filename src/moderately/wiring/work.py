"""`worker`: a worker in a process of its own; and what it shares with one beside the API."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import uvloop

from moderately.domain.errors import DomainError
from moderately.domain.ids import ENTROPY_BYTES, new_id
from moderately.domain.storing import Store
from moderately.engine.lease import WorkerLease
from moderately.engine.local import LocalEngine
from moderately.runtime import LoadError, LocalRunner, RunnerOptions, load_agents
from moderately.runtime.agents import AgentDefinition
from moderately.settings import Settings
from moderately.wiring.clock import SystemClock
from moderately.wiring.crash import crash_point
from moderately.wiring.place import StartError, is_postgres
from moderately.wiring.stores import open_stores

__all__ = [
    "SWITCH_SECONDS",
    "Working",
    "definitions_of",
    "make_worker",
    "register",
    "settle_down",
    "until_stopped",
    "work",
]

# A thread that waits for the interpreter gets it after this long; the default of 5 ms is an age
# for the thread that commits.
SWITCH_SECONDS: Final = 0.0001

# How many objects more than before make the collector look for cycles.
_GARBAGE: Final = 10_000

Definitions = Mapping[str, Sequence[AgentDefinition]]


@dataclass(frozen=True, slots=True)
class Working:
    """What a worker that is up tells.

    Attributes:
        worker_id: Its id.
        data: Its database.
        agents: The agents that it runs.
    """

    worker_id: str
    data: str
    agents: list[str]


def work(settings: Settings, *, on_ready: Callable[[Working], None]) -> None:
    """Run a worker until SIGINT or SIGTERM.

    Args:
        settings: How.
        on_ready: Called once it takes work.

    Raises:
        StartError: If it cannot start.
    """
    definitions = definitions_of(settings)
    if not is_postgres(settings):
        raise StartError(
            "a worker shares its database with the API: give --database postgresql://… (with a"
            " SQLite file, moderately serve does both)"
        )
    if not definitions:
        raise StartError("there is nothing to run: name agents, as in moderately worker agents.py")
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        uvloop.run(_work(settings, definitions, on_ready))
    except DomainError as error:
        raise StartError(error.message) from error


async def _work(
    settings: Settings, definitions: Definitions, on_ready: Callable[[Working], None]
) -> None:
    clock = SystemClock()
    at = crash_point(settings.chaos_crash)
    async with open_stores(settings, clock, is_owner=True, at=at) as stores:
        await register(stores.executions, definitions)
        engine, runner = make_worker(settings, definitions, stores.executions, clock)
        async with until_stopped() as stopped:
            await engine.start()
            try:
                settle_down()
                on_ready(Working(engine.worker_id, stores.place, sorted(definitions)))
                await stopped
            finally:
                await engine.stop(settings.grace)
                runner.close()


def settle_down() -> None:
    """Spare the collector what is of no use, once the process is up."""
    # What is loaded by now stays: it need not be looked at again and again. Nor need what requests
    # make, each time that some dozens of them are under way: only runs leave cycles behind.
    gc.freeze()
    gc.set_threshold(_GARBAGE)


@asynccontextmanager
async def until_stopped() -> AsyncIterator["asyncio.Task[bool]"]:
    """Give a task that ends when SIGINT or SIGTERM comes."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    try:
        yield stopped
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
        stopped.cancel()


def definitions_of(settings: Settings) -> dict[str, list[AgentDefinition]]:
    """Load the agents that the settings name.

    Raises:
        StartError: If one cannot be loaded.
    """
    try:
        return load_agents(settings.agents)
    except LoadError as error:
        raise StartError(str(error)) from error


async def register(store: Store, definitions: Definitions) -> None:
    """Record the versions of agents."""
    # The newest version comes last: it is the one that new executions get.
    await store.register([one.version for found in definitions.values() for one in found[::-1]])


def make_worker(
    settings: Settings, definitions: Definitions, store: Store, clock: SystemClock
) -> tuple[LocalEngine, LocalRunner]:
    """Make what takes executions, and what runs them."""
    worker_id = new_id("worker", clock.now(), os.urandom(ENTROPY_BYTES))
    lease = WorkerLease(store, worker_id, settings.lease)
    options = RunnerOptions(
        settings.threads,
        settings.park_after,
        settings.cancel_grace,
        chaos_log=settings.chaos_log,
    )
    runner = LocalRunner(definitions, store, lease, clock, options)
    engine = LocalEngine(
        store,
        runner,
        lease,
        clock,
        worker_id=worker_id,
        max_concurrency=settings.max_concurrency,
        threads=settings.threads,
        poll_seconds=settings.poll,
    )
    return engine, runner
