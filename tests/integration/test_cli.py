"""The commands, as processes, against a real service."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moderately.testing import ServiceProcess


def moderately(
    service: ServiceProcess, *args: str, stdin: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "moderately", *args],
        env=service.env | env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def as_json(service: ServiceProcess, *args: str) -> Any:
    found = moderately(service, *args, "--json")
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_run_prints_the_result_and_shows_the_steps(service: ServiceProcess) -> None:
    found = moderately(service, "run", "stepper", "--input", '{"steps": 2}')
    assert (found.returncode, json.loads(found.stdout)) == (0, 3)
    assert "step step 1" in found.stderr
    assert "100% 2 of 2" in found.stderr
    assert "info: done total=3" in found.stderr


def test_run_takes_its_input_from_a_file_or_standard_input(
    service: ServiceProcess, tmp_path: Path
) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"a": "ü"}', encoding="utf-8")
    found = moderately(service, "run", "echo", "--input", f"@{file}")
    assert json.loads(found.stdout) == {"a": "ü"}
    found = moderately(service, "run", "echo", "-i", "-", stdin='{"b": 1}')
    assert json.loads(found.stdout) == {"b": 1}


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["run", "failing"], 1, "LookupError: no luck"),
        (["run", "hasty"], 1, "timeout"),
        (["run", "nobody"], 6, "There is no agent 'nobody'"),
        (["run", "echo", "--input", "{"], 2, "not JSON"),
        (["run", "echo", "--input", "[]"], 2, "object"),
        (["run", "echo", "--input", "@/no/such/file"], 2, "/no/such/file"),
        (["run", "echo", "--metadata", "x"], 2, "key=value"),
        (["run", "typed"], 2, "input_data.point"),
        (["run"], 2, "AGENT"),
        (["run", "sleeper", "--timeout", "0.2"], 4, "goes on"),
        (["run", "echo", "--api-key", "wrong-wrong-wrong"], 7, "unknown"),
        (["run", "echo", "--base-url", "http://127.0.0.1:9", "--api-key", "k"], 5, "Cannot reach"),
        (["executions", "show", "exec_none"], 6, "exec_none"),
        (["executions", "list", "--status", "done"], 2, "status"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_each_kind_of_failure_has_its_exit_code_and_words(
    service: ServiceProcess, args: list[str], code: int, words: str
) -> None:
    found = moderately(service, *args)
    assert found.returncode == code, found.stderr
    assert words in found.stderr
    assert "Traceback" not in found.stderr


def test_a_cancelled_execution_has_its_exit_code(service: ServiceProcess) -> None:
    made = moderately(service, "run", "sleeper", "--no-wait")
    execution_id = made.stdout.strip()
    assert made.returncode == 0
    found = moderately(service, "executions", "cancel", execution_id, "--reason", "enough")
    assert found.returncode == 0
    waited = moderately(service, "executions", "wait", execution_id)
    assert waited.returncode == 3
    assert "enough" in waited.stderr
    again = moderately(service, "executions", "cancel", execution_id)
    assert again.returncode == 8


def test_json_is_one_document(service: ServiceProcess) -> None:
    done = as_json(service, "run", "echo", "--input", '{"x": 1}')
    assert done["output_data"] == {"x": 1}
    shown = as_json(service, "executions", "show", done["id"])
    assert shown["id"] == done["id"]
    assert shown["steps"] == []
    page = as_json(service, "executions", "list", "--agent", "echo", "--page-size", "1")
    assert len(page["items"]) == 1
    agents = as_json(service, "agents", "list")
    assert "echo" in [agent["id"] for agent in agents["items"]]
    assert as_json(service, "agents", "show", "typed")["input_schema"]["required"] == ["point"]


def test_interrupting_a_watch_leaves_the_execution_running(service: ServiceProcess) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "moderately", "run", "sleeper"],
        env=service.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        execution_id = process.stderr.readline().split()[1]
        while "asleep" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert f"moderately executions cancel {execution_id}" in rest
    assert as_json(service, "executions", "show", execution_id)["status"] == "running"
    moderately(service, "executions", "cancel", execution_id)


def test_what_an_agent_says_cannot_act_on_the_terminal(service: ServiceProcess) -> None:
    evil = json.dumps({"message": "[bold]x\x1b[2J"})
    found = moderately(service, "run", "failing", "--input", evil)
    assert "\x1b" not in found.stderr
    assert "[bold]x\\x1b[2J" in found.stderr


def test_the_demo_runs_to_an_answer(service: ServiceProcess) -> None:
    docs = Path(__file__).parents[2] / "docs"
    found = moderately(service, "demo", "--docs", str(docs), "--question", "exit code of a timeout")
    assert found.returncode == 0, found.stderr
    assert "cli.md:" in found.stdout
