"""Runs a plain agent in a process of its own, which can be killed."""

import asyncio
import inspect
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from moderately.domain.commands import Fail
from moderately.domain.errors import FencedOut, Unavailable
from moderately.domain.execution import Claim, Execution, Failure, Step
from moderately.domain.log import LiveEvent
from moderately.domain.ports import Outcome
from moderately.runtime.agents import AgentDefinition
from moderately.runtime.isolation_wire import (
    Line,
    pack,
    read_claim,
    read_event,
    read_outcome,
    read_step,
)
from moderately.runtime.journal import Site

__all__ = ["AgentProcess"]

_RETRY_SECONDS: Final = 0.25
Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]


class AgentProcess:
    """One run in a process of its own. The process does its writes through this one.

    Args:
        definition: The agent.
        claim: The right to run it.
        site: Where it runs.
    """

    def __init__(self, definition: AgentDefinition, claim: Claim, site: Site) -> None:
        self._definition = definition
        self._claim = claim
        self._site = site
        self._interrupted = False
        ours, self._theirs = socket.socketpair()
        self._line = Line(ours)
        self._process: subprocess.Popen[bytes] | None = None
        self._handlers: dict[str, Handler] = {
            "steps": lambda _: site.store.steps(claim.execution.id),
            "places": lambda _: site.store.places(claim.execution.id),
            "agent": lambda said: site.store.agent(said["agent_id"]),
            "record": lambda said: self._write(site.store.record, read_step(said["step"])),
            "enter": lambda said: self._write(site.store.enter, read_step(said["step"])),
            "wait": lambda said: self._write(site.store.wait, read_step(said["step"])),
            "append": lambda said: self._write(
                site.store.append, [read_event(event) for event in said["events"]]
            ),
            "broadcast": self._broadcast,
            "spawn": self._spawn,
            "is_held": self._is_held,
        }

    async def _write(self, write: Callable[..., Awaitable[Any]], value: Any) -> Any:
        return await write(self._claim.execution.id, self._claim.fence, value)

    async def _broadcast(self, said: Mapping[str, Any]) -> None:
        self._site.store.broadcast([LiveEvent(**event) for event in said["events"]])

    async def _spawn(self, said: Mapping[str, Any]) -> None:
        child: Execution = read_claim({"execution": said["child"], "fence": 0}).execution
        await self._site.store.spawn(self._claim.fence, read_step(said["step"]), child)

    async def _is_held(self, said: Mapping[str, Any]) -> bool:
        del said
        return self._site.lease.is_held()

    def run(self) -> Outcome | None:
        """Run it, and do what it asks for, until it has ended. Blocks."""
        number = self._theirs.fileno()
        command = [sys.executable, "-m", "moderately.runtime.isolated", str(number)]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command, pass_fds=[number], stdin=subprocess.DEVNULL
        )
        self._theirs.close()
        if self._interrupted:
            self.interrupt()
        self._line.send(
            {
                "claim": pack(self._claim),
                "source": _source(self._definition),
                "version": self._definition.version.version,
                "park_after": self._site.park_after,
            }
        )
        outcome: Outcome | None = None
        has_ended = False
        while (message := self._line.receive()) is not None:
            if "ended" in message:
                outcome, has_ended = read_outcome(message["ended"]), True
            else:
                self._line.send(self._answer(message))
        code = self._process.wait()
        self._line.close()
        if has_ended or self._interrupted:
            return outcome
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        message_ = f"the agent's process ended by itself ({how})"
        return Fail(self._claim.fence, Failure("agent_error", message_, "ProcessDied"))

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        work = self._perform(message)
        try:
            found = asyncio.run_coroutine_threadsafe(work, self._site.home.loop).result()
        except FencedOut:
            return {"to": message["number"], "error": "fenced"}
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            return {"to": message["number"], "error": str(error)}
        return {"to": message["number"], "value": pack(found)}

    async def _perform(self, message: Mapping[str, Any]) -> Any:
        while True:
            try:
                return await self._handlers[message["call"]](message)
            except Unavailable:
                if self._interrupted:
                    raise FencedOut(self._claim.execution.id) from None
                await asyncio.sleep(_RETRY_SECONDS)

    def settle(self, step: Step) -> None:
        """Tell it that something has come which it waits for."""
        self._line.send({"settled": pack(step)})

    def interrupt(self) -> None:
        """Ask it to end."""
        self._interrupted = True
        self._line.send({"interrupt": True})

    def kill(self) -> None:
        """End it."""
        self._interrupted = True
        if self._process is not None:
            self._process.kill()


def _source(definition: AgentDefinition) -> str:
    """Where a process of its own finds an agent: its module, or its file."""
    module = sys.modules.get(definition.function.__module__)
    name = getattr(getattr(module, "__spec__", None), "name", "")
    if "." in name:
        return str(name)
    return os.path.abspath(inspect.getsourcefile(definition.function) or name)  # noqa: PTH100
