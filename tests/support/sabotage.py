"""Modules that break one promise each, to show that the judges would notice."""

SABOTAGE = {
    # Recorded steps are not looked up any more.
    "journal": """
from moderately.runtime.journal import Journal
Journal.known = lambda self, step: None
""",
    # An unsafe step leaves no trace before it acts.
    "unsafe": """
from moderately.store.batched import BatchedStore
async def enter(self, execution_id, fence, step):
    return None
BatchedStore.enter = enter
""",
    # What ran when the service died is not taken back.
    "recovery": """
from moderately.store.batched import BatchedStore
async def recover(self, reason):
    return 0
BatchedStore.recover = recover
""",
}

# What is not wanted any more goes on.
NO_INTERRUPT = """
from moderately.runtime.runner import LocalRunner
LocalRunner.interrupt = lambda self, execution_id, fence: None
"""

# Runs are given up at random while their code goes on: zombies.
ZOMBIES = (
    """
import random
from moderately.domain.commands import Release
from moderately.engine.local import LocalEngine
begin = LocalEngine._begin
def haunted(self, execution):
    claim = begin(self, execution)
    if random.random() < 0.5 and execution.attempt < 4:
        give_up = lambda: self._spawn(self._write(claim, Release(claim.fence, "given up")))
        self._loop.call_later(random.random() * 0.05, give_up)
    return claim
LocalEngine._begin = haunted
"""
    + NO_INTERRUPT
)

# Every write carries the right fence, whoever writes it, and the schema's last line of defence, by
# which a recorded step never changes, is not tried.
NO_FENCE = """
import dataclasses
from moderately.store import unit, writes
record = writes.record
async def lenient(unit, execution_id, fence, step):
    known = await unit.step(execution_id, step.id)
    if known is not None and known.is_recorded:
        return known.position
    return await record(unit, execution_id, fence, step)
writes.record = lenient
decide = unit.decide
def fenceless(execution, command, now):
    if getattr(command, "fence", None) is not None:
        command = dataclasses.replace(command, fence=execution.fence)
    return decide(execution, command, now)
unit.decide = fenceless
"""
# A worker never doubts that it may go on.
NO_LEASE = """
from moderately.engine.lease import WorkerLease
WorkerLease.is_held = lambda self: True
"""

# A module to serve agents from must have one.
NOBODY = "from moderately import Context, agent\n@agent\nasync def nobody(ctx: Context): ...\n"
