"""Kills at random moments and between any two statements: `moderately chaos`, and that it sees."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.sabotage import NO_FENCE, NOBODY, SABOTAGE, ZOMBIES

SUPPORT = Path(__file__).parent.parent / "support"


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
    for _ in range(5):
        verdict = chaos(*files, runs=40, kills=0, patience=20, agent="racer")
        # Whether a zombie that may write runs ahead of its successor is up to chance.
        if is_fenced or verdict["repeated"]:
            break
    # There were two runs of one execution at a time: both may have begun a step.
    assert verdict["in_flight"] > 0
    assert bool(verdict["repeated"]) is not is_fenced
    if is_fenced:
        assert (verdict["lost"], verdict["stuck"], verdict["repeated_unsafe"]) == ([], [], [])
