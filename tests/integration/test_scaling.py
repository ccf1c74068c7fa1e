"""Several services and workers on one PostgreSQL, as processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from tests.support.cluster import Cluster

from moderately import AgentExecution, ModeratelyAI
from moderately.testing import Postgres, PostgresServer, ServiceProcess, WorkerProcess

DURABLE = Path(__file__).parent.parent / "support/durable.py"
ARGS = ["--park-after", "0.2", "--grace", "0.1", "--cancel-grace", "0.5", "--poll", "1"]

LIMITED = """
import asyncio
from moderately import Context, agent

@agent(max_concurrency=2)
async def limited(ctx: Context) -> str:
    await asyncio.sleep(0.03)
    return "done"
"""

VERSIONED = """
import asyncio
from moderately import Context, agent

@agent(version="{version}")
async def release(ctx: Context, hang: bool = False{more}) -> str:
    await ctx.step("first", str, 1)
    if hang and ctx.attempt == 1:
        ctx.log("hangs")
        await asyncio.sleep(3600)
    return "{version}"
"""


@pytest.fixture
def diary(tmp_path: Path) -> Callable[[], list[str]]:
    file = tmp_path / "diary"
    return lambda: file.read_text().split("\n")[:-1] if file.exists() else []


@pytest.fixture
def cluster(postgres_server: Postgres, tmp_path: Path) -> Iterator[Cluster]:
    env = {"DIARY": str(tmp_path / "diary")}
    with Cluster(
        [DURABLE], postgres=postgres_server, folder=tmp_path, workers=2, env=env, args=ARGS
    ) as found:
        yield found
        for member in found.members:
            assert "Traceback" not in member.process.output()


def first_event(client: ModeratelyAI, execution: AgentExecution, kind: str) -> dict[str, Any]:
    after = 0
    while True:
        page = client.agent_executions.events(execution.id, after=after, wait=20)
        for event in page["items"]:
            if event["type"] == kind:
                return dict(event)
        assert not page["is_terminal"]
        after = page["next_after"]


def worker_of(client: ModeratelyAI, cluster: Cluster, execution: AgentExecution) -> WorkerProcess:
    """The worker that runs an execution."""
    worker_id = first_event(client, execution, "execution.started")["data"]["worker_id"]
    processes = [member.process for member in cluster.workers]
    return next(one for one in processes if f"{worker_id} runs" in one.output())


def test_any_service_answers_for_what_any_worker_runs(cluster: Cluster) -> None:
    with cluster.client(0) as one, cluster.client(1) as other:
        asked = one.agent_executions.create(agent_id="asker")
        first_event(other, asked, "execution.paused")
        other.agent_executions.resume(asked.id, value=41)
        done = one.agent_executions.wait_for_completion(asked.id, timeout=20)
        assert (done.status, done.output_data) == ("completed", 42)
        hanging = other.agent_executions.create(
            agent_id="stepper", input_data={"steps": 2, "hang_at": 2}
        )
        first_event(one, hanging, "log")
        cancelled = one.agent_executions.cancel(hanging.id, reason="enough")
        assert cancelled.status == other.agent_executions.retrieve(hanging.id).status == "cancelled"
        family = one.agent_executions.create(agent_id="parent", input_data={"children": 3})
        done = other.agent_executions.wait_for_completion(family.id, timeout=20)
        assert done.output_data == ["slept"] * 3
        assert one.agents.retrieve("stepper").is_available
        ids = [found.id for found in one.agent_executions.list(page_size=50)]
        assert sorted(ids) == sorted(
            found.id for found in other.agent_executions.list(page_size=50)
        )
    assert "bootstrap" in cluster.command("keys", "list", "--json")
    assert cluster.command("prune", "--older-than", "0s") == ""


def test_runs_that_begin_in_the_middle_of_others_know_nothing_of_them(cluster: Cluster) -> None:
    with cluster.client() as client:
        made = [
            client.agent_executions.create(agent_id="stepper", input_data={"steps": 3}).id
            for _ in range(40)
        ]
        ends = [client.agent_executions.wait_for_completion(one, timeout=30) for one in made]
        assert {(one.status, str(one.error)) for one in ends} == {("completed", "None")}


def test_what_a_killed_worker_ran_goes_on_elsewhere_without_a_repeated_step(
    cluster: Cluster, diary: Callable[[], list[str]]
) -> None:
    with cluster.client() as client:
        execution = client.agent_executions.create(
            agent_id="stepper", input_data={"steps": 4, "hang_at": 3}
        )
        first_event(client, execution, "log")
        victim = worker_of(client, cluster, execution)
        victim.kill()
        done = client.agent_executions.wait_for_completion(execution.id, timeout=30)
        assert (done.status, done.attempt) == ("completed", 2)
        assert diary() == ["1", "2", "3", "4"]
        victim.start()


def test_a_frozen_worker_is_replaced_and_writes_nothing_when_it_thaws(
    postgres_server: Postgres, tmp_path: Path, diary: Callable[[], list[str]]
) -> None:
    env = {"DIARY": str(tmp_path / "diary")}
    args = [*ARGS, "--lease", "1"]
    with (
        Cluster(
            [DURABLE], postgres=postgres_server, folder=tmp_path, apis=1, env=env, args=args
        ) as cluster,
        cluster.client() as client,
    ):
        execution = client.agent_executions.create(
            agent_id="stepper", input_data={"steps": 4, "hang_at": 3}
        )
        first_event(client, execution, "log")
        victim = worker_of(client, cluster, execution)
        victim.freeze()
        done = client.agent_executions.wait_for_completion(execution.id, timeout=30)
        assert (done.status, done.attempt) == ("completed", 2)
        before = client.agent_executions.events(execution.id)["items"]
        victim.thaw()
        # It takes work again, so that it has had its chance to write.
        others = [one.process for one in cluster.workers if one.process is not victim]
        for process in others:
            process.freeze()
        again = client.agent_executions.create(agent_id="stepper", input_data={"steps": 1})
        assert client.agent_executions.wait_for_completion(again.id, timeout=30).output_data
        for process in others:
            process.thaw()
        assert client.agent_executions.events(execution.id)["items"] == before
        assert diary()[:4] == ["1", "2", "3", "4"]


def test_a_worker_that_is_asked_to_stop_hands_over_what_it_runs(
    cluster: Cluster, diary: Callable[[], list[str]]
) -> None:
    with cluster.client() as client:
        execution = client.agent_executions.create(
            agent_id="stepper", input_data={"steps": 3, "hang_at": 2}
        )
        first_event(client, execution, "log")
        stopping = worker_of(client, cluster, execution)
        assert stopping.terminate() == 0
        done = client.agent_executions.wait_for_completion(execution.id, timeout=30)
        assert (done.status, done.attempt) == ("completed", 2)
        assert diary() == ["1", "2", "3"]
        event = first_event(client, execution, "execution.released")
        assert event["data"] == {"reason": "Its worker stopped."}
        stopping.start()


def test_an_agents_limit_holds_over_all_workers(postgres_server: Postgres, tmp_path: Path) -> None:
    agents = tmp_path / "limited.py"
    agents.write_text(LIMITED)
    with (
        Cluster([agents], postgres=postgres_server, folder=tmp_path, apis=1, args=ARGS) as cluster,
        cluster.client() as client,
    ):
        made = [client.agent_executions.create(agent_id="limited").id for _ in range(30)]
        ends = [client.agent_executions.wait_for_completion(one, timeout=60) for one in made]
        moments = [(when(one.started_at), 1) for one in ends]
        moments += [(when(one.completed_at), -1) for one in ends]
        running = 0
        for _, change in sorted(moments):
            running += change
            assert running <= 2
        assert len({row[0] for row in rows(cluster, "SELECT worker_id FROM executions")}) > 1


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def rows(cluster: Cluster, sql: str) -> list[Any]:
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_old_and_new_releases_run_side_by_side(postgres_server: Postgres, tmp_path: Path) -> None:
    old, new = tmp_path / "old/agents.py", tmp_path / "new/agents.py"
    for file, version, more in ((old, "1", ""), (new, "2", ", fresh: int = 0")):
        file.parent.mkdir()
        file.write_text(VERSIONED.format(version=version, more=more))
    with (
        Cluster(
            [old], postgres=postgres_server, folder=tmp_path, apis=1, workers=1, args=ARGS
        ) as cluster,
        cluster.client() as client,
    ):
        executions = client.agent_executions
        begun = executions.create(agent_id="release", input_data={"hang": True})
        first_event(client, begun, "log")
        env = cluster.env
        args = [*ARGS, "--database", cluster.url]
        with WorkerProcess([new], data=tmp_path / "new-worker", env=env, args=args) as worker:
            # A moment later the service knows of the new version, and takes its input.
            while True:
                try:
                    fresh = executions.create(agent_id="release", input_data={"fresh": 1})
                    break
                except Exception:  # noqa: BLE001 - it is refused until then
                    time.sleep(0.05)
            done = [executions.create(agent_id="release") for _ in range(10)]
            ends = [executions.wait_for_completion(one.id, timeout=20) for one in (fresh, *done)]
            assert {one.output_data for one in ends} == {"2"}
            cluster.workers[0].process.restart()
            back = executions.wait_for_completion(begun.id, timeout=20)
            assert (back.output_data, back.agent_version, back.attempt) == ("1", "1", 2)
            worker.terminate()
            # Only the old release is left: a moment later what comes is for it, and what was made
            # for the new one waits.
            while (made := executions.create(agent_id="release")).agent_version == "2":
                time.sleep(0.05)
            assert executions.wait_for_completion(made.id, timeout=20).output_data == "1"
            for waiting in executions.list(status="pending"):
                assert waiting.blocked_on is not None
                assert (waiting.agent_version, waiting.blocked_on["kind"]) == ("2", "version")


def test_a_service_starts_nothing_that_was_made_for_a_newer_release(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    old, new = tmp_path / "old/agents.py", tmp_path / "new/agents.py"
    for file, version, more in ((old, "1", ""), (new, "2", ", fresh: int = 0")):
        file.parent.mkdir()
        file.write_text(VERSIONED.format(version=version, more=more))
    options: dict[str, Any] = {"apis": 1, "workers": 0, "api_workers": 1, "args": ARGS}
    with (
        Cluster([old], postgres=postgres_server, folder=tmp_path, **options) as cluster,
        cluster.client() as client,
    ):
        args = [*ARGS, "--database", cluster.url]
        with WorkerProcess([new], data=tmp_path / "new-worker", env=cluster.env, args=args):
            while (made := client.agent_executions.create(agent_id="release")).agent_version == "1":
                time.sleep(0.05)
            done = client.agent_executions.wait_for_completion(made.id, timeout=20)
            assert (done.output_data, done.agent_version) == ("2", "2")


def test_losing_the_database_repeats_nothing_and_is_said_to_the_callers(
    tmp_path: Path, diary: Callable[[], list[str]]
) -> None:
    env = {"DIARY": str(tmp_path / "diary")}
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer())
        cluster = stack.enter_context(
            Cluster([DURABLE], postgres=server, folder=tmp_path, env=env, args=ARGS)
        )
        client = stack.enter_context(cluster.client(max_retries=0))
        execution = client.agent_executions.create(agent_id="ticker", input_data={"steps": 30})
        first_event(client, execution, "step.completed")
        for mode in ("fast", "immediate"):
            server.stop(mode)  # type: ignore[arg-type]
            base = cluster.apis[1].process.base_url
            headers = {"Authorization": f"Bearer {cluster.api_key}"}
            refused = httpx2.post(
                f"{base}/agent-executions",
                json={"agent_id": "stepper"},
                headers=headers,
                timeout=30,
            )
            assert refused.status_code == 503, refused.text
            assert int(refused.headers["Retry-After"]) >= 1
            assert refused.json()["code"] == "unavailable"
            ready = httpx2.get(f"{base}/ready", timeout=30)
            assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
            assert httpx2.get(f"{base}/health").status_code == 200
            server.start()
            while httpx2.get(f"{base}/ready", timeout=30).status_code != 200:
                time.sleep(0.05)
        done = client.agent_executions.wait_for_completion(execution.id, timeout=60)
        assert done.status == "completed"
        positions = [step["position"] for step in client.agent_executions.steps(execution.id)]
        assert positions == list(range(1, 31))
        # Each step once, but for those in flight when its worker was taken for dead.
        lines = diary()
        assert sorted(set(lines), key=int) == [str(number) for number in range(30)]
        assert len(lines) - 30 <= done.attempt - 1


def refusal(*command: str, **env: str) -> str:
    found = subprocess.run(
        [sys.executable, "-m", "moderately", *command],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode in (1, 2), found
    assert "Traceback" not in found.stderr
    return found.stderr


def test_what_needs_a_shared_database_says_so(tmp_path: Path) -> None:
    assert "--database postgresql://" in refusal("worker", str(DURABLE), "--database", "x.db")
    serve = ("serve", str(DURABLE), "--data", str(tmp_path), "--port", "0", "--workers", "0")
    assert "--database postgresql://" in refusal(*serve)
    url = "postgresql://me:s3cret@127.0.0.1:1/nowhere"
    for command in (("serve", "--port", "0"), ("worker", str(DURABLE)), ("db", "check")):
        said = refusal(*command, "--database", url)
        assert "cannot open the database postgresql://127.0.0.1:1/nowhere" in said
        assert "s3cret" not in said
    for url in ("postgresql://me:s3cret%zz@h/d", "postgresql://me:x@h:s3cret/d"):
        said = refusal("db", "status", "--database", url)
        assert "percent-encoded" in said
        assert "s3cret" not in said
    two = refusal("db", "status", "--database", "postgresql://me:s3cret@127.0.0.1:1,127.0.0.1:2/d")
    assert "postgresql://127.0.0.1:1,127.0.0.1:2/d" in two
    assert "postgresql://USER:PASSWORD@HOST" in refusal(
        "worker", str(DURABLE), "--database-session", "s3cret"
    )


def test_the_schema_is_upgraded_looked_at_and_checked(postgres_url: str, tmp_path: Path) -> None:
    def db(*words: str) -> tuple[int, dict[str, Any]]:
        found = subprocess.run(
            [
                sys.executable,
                "-m",
                "moderately",
                "db",
                *words,
                "--database",
                postgres_url,
                "--json",
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return found.returncode, json.loads(found.stdout)

    code, before = db("check")
    assert (code, before["applied"], before["fits"]) == (1, 0, False)
    assert before["pending"]
    assert db("upgrade")[1]["fits"]
    code, after = db("check")
    assert (code, after["pending"], after["fits"]) == (0, [], True)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (900, 'more', 'expand')")
        assert db("check")[0] == 0
        connection.execute("INSERT INTO schema_migrations VALUES (901, 'less', 'contract')")
    code, newer = db("status")
    assert (code, newer["unknown"], newer["fits"]) == (0, ["less"], False)
    assert db("check")[0] == 1
    said = refusal("worker", str(DURABLE), "--database", postgres_url)
    assert "newer release" in said
    service = ServiceProcess([DURABLE], data=tmp_path, args=["--database", postgres_url])
    with pytest.raises(RuntimeError, match="newer release"):
        service.start()
