"""`moderately tail` shows events as they happen, and says how to go on."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from moderately import ModeratelyAI
from moderately.testing import FakeServer
from moderately.testing.states import completed, failed, running

SCRIPTS = {
    "echo": [running(), completed("done")],
    "sleeper": [running()],
    "failing": [running(), failed("no luck")],
}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(SCRIPTS) as found:
        yield found


@pytest.fixture
def client(server: FakeServer) -> Iterator[ModeratelyAI]:
    with ModeratelyAI(base_url=server.base_url, api_key=server.api_key) as found:
        yield found


def environment(server: FakeServer) -> dict[str, str]:
    return os.environ | {
        "MODERATELY_BASE_URL": server.base_url,
        "MODERATELY_API_KEY": server.api_key,
        "PYTHONUNBUFFERED": "1",
        "TERM": "xterm",
    }


def moderately(server: FakeServer, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moderately", *args]
    return subprocess.run(
        command, env=environment(server), capture_output=True, text=True, timeout=60
    )


@contextmanager
def following(server: FakeServer, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on; killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "moderately", *args],
        env=environment(server),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_an_execution_is_shown_to_its_end(server: FakeServer, client: ModeratelyAI) -> None:
    done = client.agent_executions.run(agent_id="echo", timeout=10)
    found = moderately(server, "tail", done.id)
    assert found.returncode == 0, found.stderr
    shown = [re.sub(r"^\S+ +", "", text) for text in found.stdout.splitlines()]
    assert shown == ["1 created: echo 1", "2 started", "3 completed"]
    bad = client.agent_executions.run(agent_id="failing", timeout=10)
    found = moderately(server, "tail", bad.id, "--after", "2")
    assert (found.returncode, found.stdout.split()[1:]) == (1, ["3", "failed:", "no", "luck"])


def test_each_event_is_a_line_of_json(server: FakeServer, client: ModeratelyAI) -> None:
    made = client.agent_executions.create(agent_id="sleeper")
    with following(server, "tail", made.id, "--json") as process:
        assert [json.loads(line(process))["seq"] for _ in range(2)] == [1, 2]
        server.emit(made.id, "token", {"text": "Hel"}, live=True)
        token = json.loads(line(process))
        assert (token["type"], token["seq"], token["is_live"]) == ("token", None, True)
        client.agent_executions.cancel(made.id)
        assert json.loads(line(process))["type"] == "execution.cancelled"
        assert process.wait(10) == 3


def test_tokens_stand_in_one_line_and_control_characters_cannot_act(
    server: FakeServer, client: ModeratelyAI
) -> None:
    made = client.agent_executions.create(agent_id="sleeper")
    with following(server, "tail", made.id) as process:
        line(process), line(process)
        for text in ("Hel", "lo", "\x1b[2J"):
            server.emit(made.id, "token", {"text": text}, live=True)
        server.emit(made.id, "step.started", {"id": "0.1", "name": "look\n"}, live=True)
        log = {"level": "info", "message": "a\nb\x07", "fields": {"x": 1}}
        server.emit(made.id, "log", log)
        assert line(process) == "Hello\\x1b[2J\n"
        assert line(process).split()[1:] == ["live", "step", "look\\n", "…"]
        assert line(process).split()[1:] == ["3", "info:", "a\\nb\\x07", "x=1"]


def test_what_is_on_record_can_be_had_without_waiting(
    server: FakeServer, client: ModeratelyAI
) -> None:
    made = client.agent_executions.create(agent_id="sleeper")
    found = moderately(server, "tail", made.id, "--no-follow")
    assert (found.returncode, len(found.stdout.splitlines())) == (0, 2)


def test_an_interrupt_says_how_to_go_on(server: FakeServer, client: ModeratelyAI) -> None:
    made = client.agent_executions.create(agent_id="sleeper")
    with following(server, "tail", made.id) as process:
        line(process), line(process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
        assert process.returncode == 130
        assert f"moderately tail {made.id} --after 2" in said


def test_the_team_is_followed_from_any_place(server: FakeServer, client: ModeratelyAI) -> None:
    one = client.agent_executions.run(agent_id="echo", metadata={"a": "1"}, timeout=10)
    two = client.agent_executions.run(agent_id="failing", metadata={"a": "2"}, timeout=10)
    with following(server, "tail", "--after", "start", "--label", "a=2") as process:
        shown = [line(process).split() for _ in range(3)]
        assert {text[1] for text in shown} == {two.id}
        assert {text[2] for text in shown} == {"failing"}
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
        assert process.returncode == 130
        cursor = re.search(r"--after (\S+),", said)
        assert cursor is not None
    with following(server, "tail", "--after", cursor[1], "--json") as process:
        client.agent_executions.run(agent_id="echo", timeout=10)
        assert json.loads(line(process))["seq"] == 1
    ends = ("--status", "completed", "--status", "failed")
    with following(server, "tail", "--after", "start", *ends, "--json") as process:
        found = [json.loads(line(process)) for _ in range(2)]
        assert [event["execution_id"] for event in found] == [one.id, two.id]
        assert found[0]["cursor"]


def test_a_place_that_is_gone_says_where_to_go_on(server: FakeServer, client: ModeratelyAI) -> None:
    client.agent_executions.run(agent_id="echo", timeout=10)
    server.reset_cursors()
    found = moderately(server, "tail", "--after", "1.0.1")
    assert found.returncode == 2
    assert "moderately tail --after 3.0.2" in found.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["exec_1", "--status", "failed"], "for the whole team"),
        (["exec_1", "--after", "start"], "a number"),
        (["--no-follow"], "one execution"),
        (["--label", "x"], "--label takes key=value"),
    ],
)
def test_what_does_not_fit_is_said(server: FakeServer, args: list[str], words: str) -> None:
    found = moderately(server, "tail", *args)
    assert found.returncode == 2
    assert words in found.stderr


def test_its_help_teaches_by_an_example(server: FakeServer) -> None:
    assert "moderately tail --status failed --json" in moderately(server, "tail", "--help").stdout


def on_a_terminal(server: FakeServer, *args: str) -> str:
    """What a command shows on a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "moderately", *args]
    with subprocess.Popen(
        command, env=environment(server), stdout=theirs, stderr=theirs, stdin=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:
            # So ends a terminal whose other side was closed.
            pass
        assert process.wait(30) == 0, shown
    os.close(ours)
    return shown.decode()


def test_a_terminal_gets_colours_and_others_do_not(
    server: FakeServer, client: ModeratelyAI
) -> None:
    done = client.agent_executions.run(agent_id="echo", timeout=10)
    assert "\x1b[32mcompleted" in on_a_terminal(server, "tail", done.id)
    assert "\x1b" not in moderately(server, "tail", done.id).stdout


def test_run_shows_steps_and_tokens_as_they_come(server: FakeServer, client: ModeratelyAI) -> None:
    with following(server, "run", "sleeper") as process:
        assert process.stderr is not None
        made = process.stderr.readline().split()[1]
        assert process.stderr.readline() == "started\n"
        server.emit(made, "step.started", {"id": "0.1", "name": "ask"}, live=True)
        for text in ("Hel", "lo ", "there"):
            server.emit(made, "token", {"text": text}, live=True)
        server.emit(made, "message", {"role": "assistant", "content": "Hello there"})
        step = {"id": "0.1", "name": "ask", "kind": "step", "duration_ms": 12.0}
        server.emit(made, "step.completed", step)
        server.emit(made, "message", {"role": "assistant", "content": "Bye"})
        client.agent_executions.cancel(made)
        _, shown = process.communicate(timeout=10)
    assert shown.splitlines() == [
        "  step ask …",
        "Hello there",
        "  step ask (12 ms)",
        "  assistant: Bye",
        f"error: {made} was cancelled",
    ]
