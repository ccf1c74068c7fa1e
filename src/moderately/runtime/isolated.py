"""`python -m moderately.runtime.isolated FD`: an agent's own process."""

import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Coroutine, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from moderately.domain.agents import Agent
from moderately.domain.errors import FencedOut
from moderately.domain.execution import Execution, NewEvent, Step
from moderately.domain.log import LiveEvent
from moderately.runtime.isolation_wire import Line, pack, pack_outcome, read_agent, read_claim
from moderately.runtime.isolation_wire import read_step as to_step
from moderately.runtime.journal import Interrupted, Site
from moderately.runtime.loader import load_agents
from moderately.runtime.outcomes import run_plain
from moderately.runtime.sync_journal import SyncJournal, drive
from moderately.runtime.threads import DaemonThreads

__all__ = ["main"]

_THREADS = 8


class _Worker:
    """The worker, as this process sees it: a store, a lease, and what it says by itself."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._number = 0
        self._replies: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.journal: SyncJournal | None = None

    def listen(self) -> None:
        """Hear what the worker says, until it has gone; then there is nothing left to do."""
        while (message := self._line.receive()) is not None:
            if "to" in message:
                self._replies.put(message)
            elif self.journal is not None and "settled" in message:
                self.journal.settle(to_step(message["settled"]))
            elif self.journal is not None:
                self.journal.interrupted = True
                os.kill(os.getpid(), signal.SIGUSR1)
        os._exit(1)

    def ask(self, call: str, **said: Any) -> Any:
        """Ask the worker for something, and wait for the answer."""
        with self._lock:
            self._number += 1
            self._line.send({"number": self._number, "call": call, **said})
            reply = self._replies.get()
        if reply.get("error") == "fenced":
            raise FencedOut("this run")
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["value"]

    def is_held(self) -> bool:
        return bool(self.ask("is_held"))

    async def steps(self, execution_id: str) -> Sequence[Step]:
        del execution_id
        return [to_step(step) for step in self.ask("steps")]

    async def places(self, execution_id: str) -> AbstractSet[str]:
        del execution_id
        return set(self.ask("places"))

    async def agent(self, agent_id: str) -> Agent | None:
        return read_agent(self.ask("agent", agent_id=agent_id))

    async def record(self, execution_id: str, fence: int, step: Step) -> int:
        del execution_id, fence
        return int(self.ask("record", step=pack(step)))

    async def enter(self, execution_id: str, fence: int, step: Step) -> None:
        del execution_id, fence
        self.ask("enter", step=pack(step))

    async def wait(self, execution_id: str, fence: int, step: Step) -> None:
        del execution_id, fence
        self.ask("wait", step=pack(step))

    async def spawn(self, fence: int, step: Step, child: Execution) -> None:
        del fence
        self.ask("spawn", step=pack(step), child=pack(child))

    async def append(self, execution_id: str, fence: int, events: Sequence[NewEvent]) -> None:
        del execution_id, fence
        self.ask("append", events=pack(list(events)))

    def broadcast(self, events: Sequence[LiveEvent]) -> None:
        self.ask("broadcast", events=[event._asdict() for event in events])


class _Home:
    """The way to the store: at once, since asking for it blocks."""

    def post(self, work: Coroutine[Any, Any, None]) -> None:
        drive(work)


class _Clock:
    def now(self) -> int:
        return time.time_ns() // 1000


def main(number: int) -> None:
    """Run the agent that the worker names, and tell its outcome.

    Args:
        number: The file descriptor of the socket to the worker.
    """
    line = Line(socket.socket(fileno=number))
    order = line.receive()
    if order is None:
        return
    claim = read_claim(order["claim"])
    worker = _Worker(line)
    store: Any = worker
    threads = DaemonThreads(_THREADS, "step")
    home: Any = _Home()
    site = Site(store, home, worker, _Clock(), threads, order["park_after"])
    journal = worker.journal = SyncJournal(claim, site)
    signal.signal(signal.SIGUSR1, _interrupt)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=worker.listen, daemon=True).start()
    found = load_agents([order["source"]])[claim.execution.agent_id]
    definition = next(one for one in found if one.version.version == order["version"])
    outcome = run_plain(definition, claim, journal)
    line.send({"ended": pack_outcome(outcome)})
    sys.stdout.flush()
    os._exit(0)


def _interrupt(*_: object) -> None:
    raise Interrupted("this run")


if __name__ == "__main__":
    main(int(sys.argv[1]))
