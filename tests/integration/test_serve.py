"""`moderately serve` as a process: starts, stops, is killed, and loses nothing."""

import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.conftest import ClientOf

from moderately import ModeratelyAI
from moderately.testing import ServiceProcess

AGENTS = Path(__file__).parents[1] / "support/agents.py"


def start(client: ModeratelyAI, agent_id: str, **inputs: Any) -> str:
    """Create an execution and wait until its first log."""
    execution = client.agent_executions.create(agent_id=agent_id, input_data=inputs)
    after = 0
    while True:
        page = client.agent_executions.events(execution.id, after=after, wait=20)
        if any(event["type"] == "log" for event in page["items"]):
            return execution.id
        after = page["next_after"]


def moderately(*args: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moderately", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


def test_it_says_where_it_is_and_which_key_to_use(client_of: ClientOf, tmp_path: Path) -> None:
    with ServiceProcess([AGENTS], data=tmp_path) as service:
        output = service.output()
        assert service.base_url in output
        assert str(tmp_path / "moderately.db") in output
        assert service.api_key in output
        credentials = tmp_path / "credentials.json"
        assert str(credentials) in output
        assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "moderately.db").stat().st_mode) == 0o600
        service.terminate()
        service.start()
        # The second start shows no key: it tells where the client finds it.
        assert service.api_key
        assert service.api_key not in service.output()
        client_of(service).agents.list()


def test_a_second_process_on_the_same_data_is_refused(client_of: ClientOf, tmp_path: Path) -> None:
    with ServiceProcess([AGENTS], data=tmp_path) as service:
        second = moderately("serve", str(AGENTS), "--data", str(tmp_path), env=service.env)
        assert second.returncode == 1
        assert f"process {service.process.pid}" in second.stderr
        assert "--data" in second.stderr
        assert "Traceback" not in second.stderr
        client = client_of(service)
        execution = client.agent_executions.create(agent_id="noop")
        done = client.agent_executions.wait_for_completion(execution.id, timeout=20)
        assert done.status == "completed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_hands_running_executions_back_and_they_go_on(
    client_of: ClientOf, tmp_path: Path, number: int
) -> None:
    with ServiceProcess([AGENTS], data=tmp_path, args=["--grace", "0.1"]) as service:
        long = start(client_of(service), "sleeper", seconds=60)
        assert service.terminate(number) == 0
        with closing(sqlite3.connect(tmp_path / "moderately.db")) as database:
            row = database.execute("SELECT status FROM executions WHERE id = ?", (long,)).fetchone()
        assert row == ("pending",)
        service.start()
        client = client_of(service)
        client.agent_executions.events(long, after=4, wait=20)
        events = client.agent_executions.events(long)["items"]
        # The log of the first attempt is not repeated by the second.
        begun = ["execution.created", "execution.started", "log"]
        released = ["execution.released", "execution.started"]
        assert [event["type"] for event in events] == [*begun, *released]
        assert client.agent_executions.retrieve(long).attempt == 2
        client.agent_executions.cancel(long)


def test_a_stop_lets_running_executions_end_within_the_grace(
    client_of: ClientOf, tmp_path: Path
) -> None:
    with ServiceProcess([AGENTS], data=tmp_path, args=["--grace", "20"]) as service:
        execution_id = start(client_of(service), "sleeper", seconds=0.5)
        assert service.terminate() == 0
        service.start()
        done = client_of(service).agent_executions.retrieve(execution_id)
        assert (done.status, done.output_data, done.attempt) == ("completed", "slept", 1)


def test_a_stop_does_not_wait_for_code_that_blocks(client_of: ClientOf, tmp_path: Path) -> None:
    with ServiceProcess([AGENTS], data=tmp_path, args=["--grace", "0"]) as service:
        client = client_of(service)
        execution = client.agent_executions.create(agent_id="blocking", input_data={"seconds": 600})
        client.agent_executions.events(execution.id, after=1, wait=20)
        assert service.terminate() == 0


def test_nothing_that_was_accepted_is_lost_when_it_is_killed(
    client_of: ClientOf, tmp_path: Path
) -> None:
    with ServiceProcess([AGENTS], data=tmp_path) as service:
        client = client_of(service)
        running = start(client, "sleeper", seconds=0.3)
        made = [client.agent_executions.create(agent_id="stepper").id for _ in range(20)]
        service.restart()
        client = client_of(service)
        for execution_id in [running, *made]:
            done = client.agent_executions.wait_for_completion(execution_id, timeout=20)
            assert done.status == "completed"


def test_recorded_steps_are_not_taken_again_after_a_kill(
    client_of: ClientOf, tmp_path: Path
) -> None:
    agents = tmp_path / "once.py"
    agents.write_text(
        "import asyncio\n"
        "from pathlib import Path\n"
        "from moderately import agent, Context\n"
        f"log = Path({str(tmp_path / 'effects.txt')!r})\n"
        "def effect():\n"
        "    with log.open('a') as file:\n"
        "        file.write('x')\n"
        "    return 1\n"
        "@agent\n"
        "async def once(ctx: Context) -> int:\n"
        "    found = await ctx.step('effect', effect)\n"
        "    ctx.log('recorded')\n"
        "    await asyncio.sleep(0 if ctx.attempt > 1 else 600)\n"
        "    return found\n"
    )
    with ServiceProcess([agents], data=tmp_path / "data") as service:
        execution_id = start(client_of(service), "once")
        service.restart()
        done = client_of(service).agent_executions.wait_for_completion(execution_id, timeout=20)
        assert (done.status, done.output_data, done.attempt) == ("completed", 1, 2)
    assert (tmp_path / "effects.txt").read_text() == "x"


def test_an_execution_whose_agent_is_gone_says_what_it_waits_for(
    client_of: ClientOf, tmp_path: Path
) -> None:
    other = tmp_path / "other.py"
    other.write_text("from moderately import agent\n@agent\ndef other(ctx): ...\n")
    data = tmp_path / "data"
    with ServiceProcess([AGENTS], data=data, args=["--grace", "0"]) as service:
        execution_id = start(client_of(service), "sleeper")
    with ServiceProcess([other], data=data) as service:
        client = client_of(service)
        execution = client.agent_executions.retrieve(execution_id)
        assert execution.status == "pending"
        assert execution.blocked_on is not None
        assert "sleeper" in execution.blocked_on["message"]
        assert client.agents.retrieve("sleeper").is_available is False


def test_a_bootstrap_key_is_taken(client_of: ClientOf, tmp_path: Path) -> None:
    env = {"MODERATELY_BOOTSTRAP_API_KEY": "bootstrap-0123456789"}
    with ServiceProcess([AGENTS], data=tmp_path, env=env) as service:
        assert service.api_key == "bootstrap-0123456789"
        assert service.api_key not in service.output()
        client_of(service).agents.list()


def test_no_auth_asks_for_no_key(client_of: ClientOf, tmp_path: Path) -> None:
    with ServiceProcess([AGENTS], data=tmp_path, args=["--no-auth"]) as service:
        assert service.api_key == ""
        assert client_of(service).agents.list().pagination.total_items > 5


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["missing.py"], 1, ["missing.py", "no such file"]),
        (["no_such_module"], 1, ["no module"]),
        (["--no-auth", "--host", "0.0.0.0"], 2, ["loopback"]),  # noqa: S104
        (["--port", "x"], 2, ["--port", "65535"]),
        (["--database", "mysql://x"], 1, ["mysql", "sqlite"]),
        (["--host", "203.0.113.1", "--port", "0"], 1, ["203.0.113.1"]),
    ],
)
def test_what_keeps_it_from_starting_is_said(
    tmp_path: Path, args: list[str], code: int, words: list[str]
) -> None:
    env = ServiceProcess([], data=tmp_path).env
    found = moderately("serve", *args, "--data", str(tmp_path), env=env)
    assert found.returncode == code
    assert "Traceback" not in found.stderr
    for word in words:
        assert word in found.stderr


def test_a_broken_agent_file_is_said_with_its_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import json\n\nraise LookupError('no luck')\n")
    with pytest.raises(RuntimeError, match=r"LookupError: no luck \(line 3 of broken.py\)"):
        ServiceProcess([broken], data=tmp_path / "data").start()


def test_a_changed_schema_needs_a_new_version(client_of: ClientOf, tmp_path: Path) -> None:
    agents = tmp_path / "a.py"
    source = "from moderately import agent\n@agent{version}\ndef a(ctx, {name}: str): ...\n"
    agents.write_text(source.format(version="", name="x"))
    with ServiceProcess([agents], data=tmp_path / "data"):
        pass
    agents.write_text(source.format(version="", name="y"))
    with pytest.raises(RuntimeError, match="give it a new one"):
        ServiceProcess([agents], data=tmp_path / "data").start()
    agents.write_text(source.format(version="(version='2')", name="y"))
    with ServiceProcess([agents], data=tmp_path / "data") as service:
        assert client_of(service).agents.retrieve("a").version == "2"


def test_a_damaged_database_is_said_and_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "moderately.db"
    database.write_bytes(b"this is no database, but somebody's diary" * 100)
    before = database.read_bytes()
    with pytest.raises(RuntimeError, match="cannot open the database"):
        ServiceProcess([AGENTS], data=tmp_path).start()
    assert database.read_bytes() == before


def test_without_keys_no_other_site_speaks_through_a_browser(tmp_path: Path) -> None:
    with (
        ServiceProcess([AGENTS], data=tmp_path, args=["--no-auth"]) as service,
        httpx2.Client(base_url=service.base_url) as http,
    ):
        body = {"agent_id": "noop"}
        for headers in (
            {"Origin": "https://elsewhere.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-origin", "Host": "rebound.example"},
        ):
            refused = http.post("/agent-executions", json=body, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        # Of a name without TLS a browser does not even say that it is one, where it only reads.
        for headers in ({"Sec-Fetch-Site": "same-origin"}, {}):
            rebound = {**headers, "Host": "rebound.example"}
            for path in ("/agent-executions", "/events", "/"):
                assert http.get(path, headers=rebound).status_code == 403
        for origin in ("http://[", "null", "http://[::1"):
            refused = http.post("/agent-executions", json=body, headers={"Origin": origin})
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert http.get("/agent-executions").json()["pagination"]["total_items"] == 0
        for headers in ({}, {"Origin": service.base_url, "Sec-Fetch-Site": "same-origin"}):
            assert http.post("/agent-executions", json=body, headers=headers).status_code == 201
