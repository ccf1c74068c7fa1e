"""The database locked, or its log with a torn end; the clock set back."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from moderately import ModeratelyAI
from moderately.testing import ServiceProcess

AGENTS = Path(__file__).parents[1] / "support/durable.py"

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""

# An hour is taken off the clock as soon as a file is there.
STEP_BACK = """
import os, time
from moderately import Context, agent
real = time.time_ns
time.time_ns = lambda: real() - (3600 * 10**9 if os.path.exists({file!r}) else 0)
@agent
async def nobody(ctx: Context) -> None: ...
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    env = {"DIARY": str(tmp_path / "diary")}
    with ServiceProcess([AGENTS], data=tmp_path, env=env, args=["--park-after", "0.2"]) as found:
        yield found


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[ModeratelyAI]:
    with ModeratelyAI(base_url=service.base_url, api_key=service.api_key, max_retries=0) as found:
        yield found


def test_a_locked_database_is_waited_for(
    client: ModeratelyAI, service: ServiceProcess, tmp_path: Path
) -> None:
    asked = client.agent_executions.create(agent_id="asker")
    made: list[str] = []

    def create() -> None:
        made.append(client.agent_executions.create(agent_id="stepper").id)

    command = [sys.executable, "-c", LOCK, str(tmp_path / "moderately.db")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        creating = threading.Thread(target=create)
        creating.start()
        # Reads go on meanwhile; the create waits for the lock.
        assert httpx2.get(f"{service.base_url}/health").status_code == 200
        assert client.agent_executions.retrieve(asked.id).id == asked.id
        creating.join(0.15)
        assert not made
        holder.communicate("")
    creating.join(20)
    done = client.agent_executions.wait_for_completion(made[0], timeout=20)
    assert done.status == "completed"


def test_a_torn_end_of_the_log_loses_nothing_that_was_accepted(
    client: ModeratelyAI, service: ServiceProcess, tmp_path: Path
) -> None:
    made = [client.agent_executions.create(agent_id="stepper").id for _ in range(20)]
    service.kill()
    log = tmp_path / "moderately.db-wal"
    with log.open("ab") as torn:
        torn.write(b"\x00\x01garbage of a frame that was being written" * 50)
    service.start()
    with ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as again:
        ends = [again.agent_executions.wait_for_completion(one, timeout=20).status for one in made]
    assert ends == ["completed"] * 20
    database = sqlite3.connect(tmp_path / "moderately.db")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_clock_that_is_set_back_an_hour_delays_nothing(tmp_path: Path) -> None:
    flag, agents = tmp_path / "flag", tmp_path / "clock.py"
    agents.write_text(STEP_BACK.format(file=str(flag)))
    env = {"DIARY": str(tmp_path / "diary")}
    with (
        ServiceProcess(
            [AGENTS, agents], data=tmp_path / "data", env=env, args=["--park-after", "0.2"]
        ) as service,
        ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
    ):
        sleeping = client.agent_executions.create(agent_id="sleeper", input_data={"seconds": 1.0})
        flag.touch()
        later = client.agent_executions.create(agent_id="stepper", delay_seconds=0.5)
        for execution in (sleeping, later):
            done = client.agent_executions.wait_for_completion(execution.id, timeout=20)
            assert done.status == "completed"
            assert done.created_at <= done.started_at <= done.completed_at
        events = client.agent_executions.events(sleeping.id)["items"]
        times = [event["created_at"] for event in events]
        assert times == sorted(times)
        assert "clock was set back" in service.output()


def test_a_service_that_was_frozen_for_longer_than_its_lease_goes_on(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    with (
        ServiceProcess(
            [AGENTS], data=tmp_path, env={"DIARY": str(diary)}, args=["--lease", "1"]
        ) as service,
        ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
    ):
        going = client.agent_executions.create(agent_id="stepper", input_data={"steps": 500})
        while not diary.exists():
            time.sleep(0.005)
        service.freeze()
        time.sleep(1.5)
        service.thaw()
        # It was in the middle: whatever it says next comes after that.
        assert client.agent_executions.retrieve(going.id).status == "running"
        done = client.agent_executions.wait_for_completion(going.id, timeout=60)
    assert done.status == "completed"
    # Its lease had lapsed, and nobody had taken it: it goes on, and repeats nothing.
    assert done.attempt == 1
    assert len(diary.read_text().split()) == 500


def test_a_read_only_place_is_told_of_at_the_start_and_nothing_is_lost(
    tmp_path: Path, not_run: Callable[[str], None]
) -> None:
    data = tmp_path / "place/data"
    is_root = os.geteuid() == 0
    data.parent.mkdir()
    if is_root and subprocess.run(["mount", "-t", "tmpfs", "none", str(data.parent)]).returncode:
        not_run("a read-only place: root may write to it, and cannot mount another one here")
        return
    try:
        service = ServiceProcess([AGENTS], data=data, env={"DIARY": str(tmp_path / "diary")})
        with (
            service,
            ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
        ):
            accepted = client.agent_executions.create(
                agent_id="sleeper", input_data={"seconds": 0.2}
            )
            service.kill()
        make_read_only(data, is_root=is_root, wanted=True)
        command = [sys.executable, "-m", "moderately", "serve", str(AGENTS), "--data", str(data)]
        refused = subprocess.run(
            [*command, "--port", "0"], env=service.env, capture_output=True, text=True, timeout=60
        )
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        assert str(data) in refused.stderr
        make_read_only(data, is_root=is_root, wanted=False)
        with (
            service,
            ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
        ):
            done = client.agent_executions.wait_for_completion(accepted.id, timeout=20)
            assert done.status == "completed"
    finally:
        if is_root:
            subprocess.run(["umount", str(data.parent)], check=True)


def make_read_only(data: Path, *, is_root: bool, wanted: bool) -> None:
    """Make a folder read-only, or take that back."""
    if is_root:
        mode = "ro" if wanted else "rw"
        subprocess.run(["mount", "-o", f"remount,{mode}", str(data.parent)], check=True)
        return
    for file in data.iterdir():
        file.chmod(0o400 if wanted else 0o600)
    data.chmod(0o500 if wanted else 0o700)
