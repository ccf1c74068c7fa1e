"""The commands for executions that wait, failed, or were recorded."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from moderately import ModeratelyAI
from moderately.testing import ServiceProcess, assert_replays

AGENTS = Path(__file__).parent.parent / "support/durable.py"

VERSION = """
from moderately import Context, agent

@agent("greeter", version="{version}")
async def greeter(ctx: Context) -> str:
    await ctx.step("first", str, "{first}")
    name = await ctx.wait_for_input("name")
    return f"{greeting}, {{name}}"
"""


def moderately(*args: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moderately", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


def done(*args: str, service: ServiceProcess) -> Any:
    found = moderately(*args, "--json", env=service.env)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def paused(client: ModeratelyAI, execution_id: str) -> None:
    after = 0
    while True:
        page = client.agent_executions.events(execution_id, after=after, wait=20)
        if any(event["type"] == "execution.paused" for event in page["items"]):
            return
        assert not page["is_terminal"]
        after = page["next_after"]


def test_resume_retry_and_fork(tmp_path: Path) -> None:
    env = {"DIARY": str(tmp_path / "diary")}
    with (
        ServiceProcess([AGENTS], data=tmp_path, env=env) as service,
        ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
    ):
        execution = client.agent_executions.create(agent_id="asker")
        paused(client, execution.id)
        wrong = moderately("executions", "resume", execution.id, "--value", "x", env=service.env)
        assert (wrong.returncode, "not JSON" in wrong.stderr) == (2, True)
        done("executions", "resume", execution.id, "--value", "41", service=service)
        assert done("executions", "wait", execution.id, service=service)["output_data"] == 42
        failed = client.agent_executions.create(
            agent_id="flaky", input_data={"failures": 1}, retry={"attempts": 1}
        )
        client.agent_executions.wait_for_completion(failed.id, timeout=20)
        # Its first attempt fails here too: what is retried has its own count.
        again = moderately("executions", "retry", failed.id, "--json", env=service.env)
        assert json.loads(again.stdout)["forked_from"] == failed.id
        complete = client.agent_executions.create(agent_id="stepper", input_data={"steps": 2})
        client.agent_executions.wait_for_completion(complete.id, timeout=20)
        args = ("executions", "fork", complete.id, "--from-step", "2", "-i", '{"steps": 3}')
        assert done(*args, service=service)["output_data"] == ["1", "2", "3"]


def test_a_recorded_execution_is_a_regression_test(tmp_path: Path) -> None:
    env = {"DIARY": str(tmp_path / "diary")}
    file, changed = tmp_path / "record.json", tmp_path / "changed.py"
    with (
        ServiceProcess([AGENTS], data=tmp_path, env=env) as service,
        ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
    ):
        execution = client.agent_executions.create(agent_id="stepper", input_data={"steps": 3})
        client.agent_executions.wait_for_completion(execution.id, timeout=20)
        args = ("executions", "export", execution.id, "-o", str(file))
        assert moderately(*args, env=service.env).returncode == 0
    before = (tmp_path / "diary").read_text()
    plain = dict(os.environ) | env
    same = moderately("replay", str(file), "--agents", str(AGENTS), env=plain)
    assert (same.returncode, "no difference in 3 recorded steps" in same.stderr) == (0, True)
    changed.write_text(AGENTS.read_text().replace('f"step {number}"', 'f"stage {number}"'))
    other = moderately("replay", str(file), "--agents", str(changed), env=plain)
    assert other.returncode == 1
    assert "'step 1', and now is step 'stage 1'" in other.stderr
    assert_replays(file, [AGENTS])
    with pytest.raises(AssertionError, match="stage 1"):
        assert_replays(file, [changed])
    assert (tmp_path / "diary").read_text() == before
    nonsense = moderately("replay", str(AGENTS), "--agents", str(AGENTS), env=plain)
    assert (nonsense.returncode, "Traceback" in nonsense.stderr) == (2, False)


def test_what_has_begun_needs_its_version_until_it_is_moved(tmp_path: Path) -> None:
    agents = tmp_path / "agents.py"
    agents.write_text(VERSION.format(version="1", first="a", greeting="Hello"))
    service = ServiceProcess([agents], data=tmp_path / "data", args=["--grace", "0"])
    with service:
        with ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client:
            begun = client.agent_executions.create(agent_id="greeter").id
            paused(client, begun)
            later = client.agent_executions.create(agent_id="greeter", delay_seconds=0.5).id
        service.kill()
        agents.write_text(VERSION.format(version="2", first="a", greeting="Good day"))
        service.start()
        with ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client:
            executions = client.agent_executions
            blocked = executions.resume(begun, value="Ada")
            assert blocked.blocked_on is not None
            assert (blocked.status, blocked.blocked_on["kind"]) == ("pending", "version")
            paused(client, later)
            assert executions.retrieve(later).agent_version == "2"
            unknown = moderately("executions", "move", begun, "--to", "9", env=service.env)
            assert (unknown.returncode, "no such version" in unknown.stderr) == (8, True)
            done("executions", "move", begun, "--to", "2", service=service)
            found = executions.wait_for_completion(begun, timeout=20)
            assert (found.output_data, found.agent_version) == ("Good day, Ada", "2")


def test_prune_removes_what_ended_long_ago_beside_a_service_that_runs(tmp_path: Path) -> None:
    env = {"DIARY": str(tmp_path / "diary")}
    with (
        ServiceProcess([AGENTS], data=tmp_path, env=env) as service,
        ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
    ):
        executions = client.agent_executions
        ended = [executions.create(agent_id="stepper").id for _ in range(5)]
        for execution_id in ended:
            executions.wait_for_completion(execution_id, timeout=20)
        waiting = executions.create(agent_id="asker")
        paused(client, waiting.id)
        data = ("--data", str(tmp_path))
        kept = moderately("prune", "--older-than", "1d", *data, env=service.env)
        assert (kept.returncode, "0 executions removed" in kept.stderr) == (0, True)
        pruned = moderately("prune", "--older-than", "0.001s", *data, env=service.env)
        assert "5 executions removed" in pruned.stderr
        assert [one.id for one in executions.list()] == [waiting.id]
        assert executions.resume(waiting.id, value=1).status == "pending"
        wrong = moderately("prune", "--older-than", "soon", *data, env=service.env)
        assert wrong.returncode == 2


def test_retention_removes_by_itself(tmp_path: Path) -> None:
    options, env = ["--retention", "0.0001"], {"DIARY": str(tmp_path / "diary")}
    with (
        ServiceProcess([AGENTS], data=tmp_path, env=env) as service,
        ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
    ):
        ended = client.agent_executions.create(agent_id="stepper").id
        client.agent_executions.wait_for_completion(ended, timeout=20)
    with sqlite3.connect(tmp_path / "moderately.db") as database:
        database.execute("UPDATE executions SET created_at = 1, updated_at = 2")
    database.close()
    with (
        ServiceProcess([AGENTS], data=tmp_path, args=options) as service,
        ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
    ):
        while client.agent_executions.list().items:
            pass
        assert client.agent_executions.list().pagination.total_items == 0


def test_what_a_silent_worker_runs_says_so_and_is_taken_from_it(tmp_path: Path) -> None:
    env = {"DIARY": str(tmp_path / "diary")}
    # The lease is long enough for a look between two renewals.
    service = ServiceProcess([AGENTS], data=tmp_path, env=env, args=["--lease", "6"])
    with (
        service,
        ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client,
    ):
        later = client.agent_executions.create(agent_id="stepper", delay_seconds=3600)
        with closing(sqlite3.connect(tmp_path / "moderately.db", isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(
                "INSERT INTO workers (id, seen_at, expires_at) VALUES ('worker_gone', 1, 2)"
            )
            database.execute(
                "UPDATE executions SET status = 'running', run_at = NULL, fence = 1, attempt = 1,"
                " started_at = updated_at, worker_id = 'worker_gone'"
            )
            database.execute("COMMIT")
            found = client.agent_executions.retrieve(later.id)
        assert found.blocked_on is not None
        assert (found.status, found.blocked_on["kind"]) == ("running", "lease")
        assert found.blocked_on["worker_id"] == "worker_gone"
        done = client.agent_executions.wait_for_completion(later.id, timeout=20)
        assert (done.status, done.attempt) == ("completed", 2)
