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
async def release_all(self, reason):
    return 0
BatchedStore.release_all = release_all
""",
}


def chaos(*agents: Path, runs: int, kills: int, patience: float = 60) -> dict[str, Any]:
    command = [sys.executable, "-m", "moderately", "chaos", "chaotic", "--json"]
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
    nobody = "from moderately import Context, agent\n@agent\nasync def nobody(ctx: Context): ...\n"
    file.write_text(nobody + SABOTAGE[broken])
    for _ in range(5):
        verdict = chaos(SUPPORT / "chaotic.py", file, runs=30, kills=6, patience=5)
        if verdict[seen]:
            break
    assert not verdict["is_clean"]
    assert verdict[seen], verdict
