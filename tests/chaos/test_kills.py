"""Kills at random moments and between any two statements: `moderately chaos`, and that it sees."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SUPPORT = Path(__file__).parent.parent / "support"

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

# Runs are given up at random while their code goes on: zombies.
ZOMBIES = """
import random
from moderately.domain.commands import Release
from moderately.engine.local import LocalEngine
from moderately.runtime.runner import LocalRunner
begin = LocalEngine._begin
def haunted(self, execution):
    claim = begin(self, execution)
    if random.random() < 0.5 and execution.attempt < 4:
        give_up = lambda: self._spawn(self._write(claim, Release(claim.fence, "given up")))
        self._loop.call_later(random.random() * 0.05, give_up)
    return claim
LocalEngine._begin = haunted
LocalRunner.interrupt = lambda self, execution_id, fence: None
"""

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
NOBODY = "from moderately import Context, agent\n@agent\nasync def nobody(ctx: Context): ...\n"


def chaos(
    *agents: Path, runs: int, kills: int, patience: float = 60, agent: str = "chaotic"
) -> dict[str, Any]:
    command = [sys.executable, "-m", "moderately", "chaos", agent, "--json"]
    for file in agents:
        command += ["--agents", str(file)]
    command += ["--runs", str(runs), "--kills", str(kills), "--patience", str(patience)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert found.returncode in (0, 1), found.stderr
    return dict(json.loads(found.stdout))


def test_no_promise_is_broken_by_kills() -> None:
    runs = int(os.environ.get("CHAOS_RUNS", "80"))
    kills = int(os.environ.get("CHAOS_KILLS", "16"))
    verdict = chaos(SUPPORT / "chaotic.py", runs=runs, kills=kills, patience=240)
    assert verdict["is_clean"], verdict
    assert (verdict["runs"], verdict["kills"]) == (runs, kills)
    # Something was at stake: steps were in flight when it died.
    assert verdict["in_flight"] > 0


@pytest.mark.parametrize(
    ("broken", "seen"),
    [("journal", "repeated"), ("unsafe", "repeated_unsafe"), ("recovery", "stuck")],
)
def test_chaos_sees_what_is_broken(tmp_path: Path, broken: str, seen: str) -> None:
    file = tmp_path / "sabotage.py"
    file.write_text(NOBODY + SABOTAGE[broken])
    for _ in range(5):
        verdict = chaos(SUPPORT / "chaotic.py", file, runs=30, kills=6, patience=5)
        if verdict[seen]:
            break
    assert not verdict["is_clean"]
    assert verdict[seen], verdict


@pytest.mark.parametrize("is_fenced", [True, False])
def test_zombies_write_nothing_and_chaos_sees_it_if_they_could(
    tmp_path: Path, is_fenced: bool
) -> None:
    file = tmp_path / "zombies.py"
    file.write_text(NOBODY + ZOMBIES + ("" if is_fenced else NO_FENCE))
    files = (SUPPORT / "chaotic.py", file)
    verdict = chaos(*files, runs=40, kills=0, patience=20, agent="racer")
    # There were two runs of one execution at a time: both may have begun a step.
    assert verdict["in_flight"] > 0
    assert bool(verdict["repeated"]) is not is_fenced
    if is_fenced:
        assert (verdict["lost"], verdict["stuck"], verdict["repeated_unsafe"]) == ([], [], [])
