"""Durability over real HTTP, in real processes that are killed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from moderately import AgentExecution, ConflictError, ModeratelyAI, ValidationError
from moderately.testing import ServiceProcess, WorkerProcess

AGENTS = Path(__file__).parent.parent / "support/durable.py"
ARGS = ["--park-after", "0.2", "--grace", "0", "--cancel-grace", "0.5"]


class Bench:
    """A service, what runs its agents, its client, and the diary of the agents' effects."""

    def __init__(
        self,
        service: ServiceProcess,
        runner: ServiceProcess | WorkerProcess,
        diary: Path,
        client: ModeratelyAI,
    ) -> None:
        self.service = service
        self.runner = runner
        self.client = client
        self._diary = diary

    def diary(self) -> list[str]:
        return self._diary.read_text().split("\n")[:-1] if self._diary.exists() else []

    def create(self, agent_id: str, **properties: Any) -> AgentExecution:
        fields = ("metadata", "run_at", "delay_seconds", "concurrency_key", "timeout_seconds")
        options = {name: properties.pop(name) for name in fields if name in properties}
        return self.client.agent_executions.create(
            agent_id=agent_id, input_data=properties, **options
        )

    def await_event(self, execution: AgentExecution, *kinds: str) -> dict[str, Any]:
        """The first event of one of these kinds."""
        after = 0
        while True:
            page = self.client.agent_executions.events(execution.id, after=after, wait=20)
            for event in page["items"]:
                if event["type"] in kinds:
                    return dict(event)
            assert not page["is_terminal"], self.get(execution)
            after = page["next_after"]

    def get(self, execution: AgentExecution) -> AgentExecution:
        return self.client.agent_executions.retrieve(execution.id)

    def end(self, execution: AgentExecution) -> AgentExecution:
        return self.client.agent_executions.wait_for_completion(execution.id, timeout=30)

    def kill(self) -> None:
        """Kill what runs the agents, and start it again."""
        self.runner.restart()
        if self.runner is self.service:
            self.client.close()
            self.client = client_of(self.service)


def client_of(service: ServiceProcess) -> ModeratelyAI:
    return ModeratelyAI(base_url=service.base_url, api_key=service.api_key)


@contextmanager
def one_process(tmp_path: Path, env: dict[str, str]) -> Iterator[Bench]:
    """One process, which owns a SQLite file."""
    with ServiceProcess([AGENTS], data=tmp_path, env=env, args=ARGS) as service:
        yield Bench(service, service, tmp_path / "diary", client_of(service))


@contextmanager
def two_processes(tmp_path: Path, env: dict[str, str], url: str) -> Iterator[Bench]:
    """The API and a worker, which share a PostgreSQL database."""
    args = [*ARGS, "--database", url]
    with (
        ServiceProcess([AGENTS], data=tmp_path, env=env, args=[*args, "--workers", "0"]) as service,
        WorkerProcess([AGENTS], data=tmp_path, env=env, args=args) as worker,
    ):
        yield Bench(service, worker, tmp_path / "diary", client_of(service))


@pytest.fixture(params=["sqlite", "postgres"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    env = {"DIARY": str(tmp_path / "diary")}
    if request.param == "sqlite":
        opened = one_process(tmp_path, env)
    else:
        opened = two_processes(tmp_path, env, request.getfixturevalue("postgres_url"))
    with opened as bench:
        yield bench
        bench.client.close()
        # What an agent raises is in the journal, for its team; never in the log.
        assert "Traceback" not in bench.service.output() + bench.runner.output()


def test_a_recorded_step_never_runs_again(bench: Bench) -> None:
    execution = bench.create("stepper", steps=5, hang_at=4)
    bench.await_event(execution, "log")
    bench.kill()
    done = bench.end(execution)
    assert (done.status, done.attempt) == ("completed", 2)
    assert done.output_data == ["1", "2", "3", "4", "5"]
    assert bench.diary() == ["1", "2", "3", "4", "5"]


def test_values_on_record_are_the_same_in_every_attempt(bench: Bench) -> None:
    execution = bench.create("values")
    bench.await_event(execution, "log")
    bench.kill()
    done = bench.end(execution)
    assert bench.diary() == [" ".join(done.output_data)] * 2


def test_a_step_in_flight_runs_again_with_the_same_key(bench: Bench) -> None:
    execution = bench.create("in_flight".replace("_", "-"))
    bench.await_event(execution, "log")
    bench.kill()
    assert bench.end(execution).output_data == "worked"
    first, second = bench.diary()
    assert first == second == f"{execution.id}:0/1"


def test_a_sleep_survives_a_restart_and_is_not_begun_anew(bench: Bench) -> None:
    execution = bench.create("sleeper", seconds=1.5)
    begun = time.monotonic()
    bench.await_event(execution, "execution.parked")
    parked = bench.get(execution)
    assert (parked.status, parked.blocked_on["kind"]) == ("pending", "sleep")
    bench.kill()
    done = bench.end(execution)
    assert done.output_data == "slept"
    assert bench.diary() == ["before", "after"]
    assert time.monotonic() - begun >= 1.5


@pytest.mark.parametrize("kills", [0, 1])
def test_an_answer_ends_a_pause(bench: Bench, kills: int) -> None:
    execution = bench.create("asker")
    bench.await_event(execution, "execution.paused")
    paused = bench.get(execution)
    assert (paused.status, paused.status_reason) == ("paused", "waiting_for_input")
    [wait] = paused.blocked_on["waits"]
    assert (wait["name"], wait["schema"]) == ("number", {"type": "integer"})
    for _ in range(kills):
        bench.kill()
    executions = bench.client.agent_executions
    with pytest.raises(ValidationError, match="value"):
        executions.resume(execution.id, value="seven")
    with pytest.raises(ValidationError, match="names no wait"):
        executions.resume(execution.id, wait="other", value=7)
    resumed = executions.resume(execution.id, wait="number", value=41)
    assert resumed.status == "pending"
    done = bench.end(execution)
    assert (done.status, done.output_data) == ("completed", 42)
    assert bench.diary() == ["before"]
    with pytest.raises(ConflictError):
        executions.resume(execution.id, value=1)


def test_nobody_answers_in_time(bench: Bench) -> None:
    execution = bench.create("asker", timeout=0.7)
    done = bench.end(execution)
    assert (done.status, done.error["type"]) == ("failed", "TimeoutError")


def test_an_approval_may_change_the_arguments(bench: Bench) -> None:
    execution = bench.create("approver")
    bench.await_event(execution, "execution.paused")
    assert bench.get(execution).status_reason == "waiting_for_approval"
    bench.client.agent_executions.resume(
        execution.id, approved=True, arguments={"amount": 4}, reason="less"
    )
    said = {"approved": True, "arguments": {"amount": 4}, "reason": "less"}
    assert bench.end(execution).output_data == said


def test_an_approval_that_expires_is_a_no(bench: Bench) -> None:
    done = bench.end(bench.create("approver", expires_in=0.4))
    assert done.output_data == {"approved": False, "arguments": {"amount": 5}, "reason": "expired"}


def test_children_outlive_a_kill_and_end_their_parents_wait(bench: Bench) -> None:
    execution = bench.create("parent", children=3, seconds=1.0)
    bench.await_event(execution, "execution.parked")
    blocked_on = bench.get(execution).blocked_on
    assert (blocked_on["kind"], len(blocked_on["waits"])) == ("agent", 3)
    bench.kill()
    assert bench.end(execution).output_data == ["slept"] * 3
    assert sorted(bench.diary()) == ["after"] * 3 + ["before"] * 3


def test_a_childs_failure_is_its_parents_to_handle(bench: Bench) -> None:
    assert bench.end(bench.create("lonely")).output_data == "ChildFailed"


def test_a_cancel_goes_down_the_tree(bench: Bench) -> None:
    execution = bench.create("parent", children=2, seconds=3600)
    bench.await_event(execution, "execution.parked")
    children = [wait["execution_id"] for wait in bench.get(execution).blocked_on["waits"]]
    bench.client.agent_executions.cancel(execution.id)
    found = [bench.client.agent_executions.retrieve(child) for child in children]
    assert [child.status for child in found] == ["cancelled", "cancelled"]
    assert {child.parent_id for child in found} == {execution.id}


Answer = Callable[[ModeratelyAI, str], Any]


@pytest.mark.parametrize(
    ("answer", "status", "output", "payments"),
    [
        ({"outcome": "happened", "result": "by hand"}, "completed", "by hand", 1),
        ({"outcome": "did_not_happen"}, "completed", "paid", 2),
        ({"outcome": "failed", "reason": "no money"}, "failed", None, 1),
    ],
)
def test_an_unsafe_effect_in_doubt_waits_for_a_persons_word(
    bench: Bench, answer: dict[str, Any], status: str, output: str | None, payments: int
) -> None:
    execution = bench.create("unsafe", seconds=0.3)
    bench.await_event(execution, "log")
    bench.kill()
    bench.await_event(execution, "execution.paused")
    paused = bench.get(execution)
    assert paused.status_reason == paused.blocked_on["kind"] == "effect_in_doubt"
    assert len(bench.diary()) == 1
    bench.client.agent_executions.resume(execution.id, **answer)
    done = bench.end(execution)
    assert (done.status, done.output_data) == (status, output)
    assert bench.diary() == [f"pay {execution.id}:0/1"] * payments


def test_a_new_attempt_repeats_only_the_step_that_failed(bench: Bench) -> None:
    done = bench.end(bench.create("flaky", failures=2))
    assert (done.status, done.output_data, done.retries) == ("completed", 3, 2)
    assert bench.diary() == ["first", "second", "second", "second"]


def test_attempts_come_to_an_end(bench: Bench) -> None:
    done = bench.end(bench.create("flaky", failures=99))
    assert (done.status, done.attempt, done.error["type"]) == ("failed", 3, "ConnectionError")
    assert done.error["step"] == "0/2"


def test_a_failure_that_was_survived_is_on_record(bench: Bench) -> None:
    execution = bench.create("survivor")
    bench.await_event(execution, "log")
    bench.kill()
    assert bench.end(execution).output_data == ["LookupError: not there"]
    assert bench.diary() == ["fail"]


def test_a_step_is_tried_again(bench: Bench) -> None:
    execution = bench.create("tries")
    assert bench.end(execution).output_data == 3
    assert bench.client.agent_executions.steps(execution.id)[0]["tries"] == 3


def test_what_came_first_comes_first_again(bench: Bench) -> None:
    execution = bench.create("race")
    first = bench.await_event(execution, "log")["data"]["fields"]["first"]
    bench.kill()
    assert bench.end(execution).output_data == first


def test_a_step_within_a_step_is_refused(bench: Bench) -> None:
    assert "within a step" in bench.end(bench.create("nested")).output_data


def test_a_result_that_is_no_json_is_a_failure_that_names_it(bench: Bench) -> None:
    execution = bench.create("not-json")
    done = bench.end(execution)
    assert (done.status, done.error["type"]) == ("failed", "NotJson")
    assert "'odd'" in done.error["message"]
    [step] = bench.client.agent_executions.steps(execution.id)
    assert (step["status"], step["error"]["type"]) == ("failed", "NotJson")


def test_clean_up_is_finished_when_a_run_is_cancelled(bench: Bench) -> None:
    execution = bench.create("tidy")
    bench.await_event(execution, "log")
    bench.client.agent_executions.cancel(execution.id)
    other = bench.create("sleeper", seconds=0)
    bench.end(other)
    while len(bench.diary()) < 4:
        bench.get(execution)
    assert set(bench.diary()) == {"shielded", "finally", "before", "after"}


@pytest.mark.parametrize("kills", [0, 1])
def test_a_plain_agent_waits_as_an_async_one_does(bench: Bench, kills: int) -> None:
    execution = bench.create("plain", seconds=0.4)
    bench.await_event(execution, "execution.paused")
    for _ in range(kills):
        bench.kill()
    bench.client.agent_executions.resume(execution.id, value="word")
    assert bench.end(execution).output_data == "word"
    assert bench.diary() == ["before", "word"]


def test_a_failed_execution_is_retried_by_a_fork_at_its_failed_step(bench: Bench) -> None:
    failed = bench.end(bench.create("flaky", failures=99))
    before = len(bench.diary())
    fork = bench.client.agent_executions.fork(failed.id)
    assert (fork.forked_from, fork.id != failed.id) == (failed.id, True)
    bench.end(fork)
    assert set(bench.diary()[before:]) == {"second"}


def test_a_fork_may_have_another_input(bench: Bench) -> None:
    done = bench.end(bench.create("stepper", steps=2))
    executions = bench.client.agent_executions
    fork = executions.fork(done.id, from_step=2, input_data={"steps": 3})
    assert bench.end(fork).output_data == ["1", "2", "3"]
    assert bench.diary() == ["1", "2", "2", "3"]
    with pytest.raises(ConflictError, match="from_step"):
        executions.fork(done.id, from_step=9)


def test_an_execution_waits_for_its_time(bench: Bench) -> None:
    begun = time.monotonic()
    execution = bench.create("stepper", steps=1, delay_seconds=0.6)
    assert execution.blocked_on["kind"] == "time"
    bench.kill()
    assert bench.end(execution).status == "completed"
    assert time.monotonic() - begun >= 0.6


def test_executions_with_one_key_run_one_by_one(bench: Bench) -> None:
    made = [
        bench.create("keyed", concurrency_key=key, metadata={"key": key})
        for key in ("x", "y", "x", "x")
    ]
    for execution in made:
        bench.end(execution)
    lines = [line for line in bench.diary() if line.endswith("x")]
    assert lines == ["+x", "-x"] * 3


def test_a_rate_spaces_starts(bench: Bench) -> None:
    begun = time.monotonic()
    made = [bench.create("rated") for _ in range(4)]
    assert [bench.end(execution).status for execution in made] == ["completed"] * 4
    assert time.monotonic() - begun >= 0.9


def test_time_is_up_for_what_is_parked_too(bench: Bench) -> None:
    execution = bench.create("sleeper", seconds=3600, timeout_seconds=0.8)
    done = bench.end(execution)
    assert (done.status, done.error["code"]) == ("failed", "timeout")


def test_time_spent_paused_does_not_count(bench: Bench) -> None:
    execution = bench.create("asker", timeout_seconds=1.0)
    bench.await_event(execution, "execution.paused")
    late = bench.create("stepper", steps=1, delay_seconds=1.2)
    bench.end(late)
    bench.client.agent_executions.resume(execution.id, value=1)
    assert bench.end(execution).status == "completed"


def test_a_fork_or_an_answer_with_a_wrong_value_is_refused(bench: Bench) -> None:
    executions = bench.client.agent_executions
    done = bench.end(bench.create("stepper", steps=1))
    with pytest.raises(ValidationError, match=r"input_data\.steps"):
        executions.fork(done.id, from_step=1, input_data={"steps": "many"})
    with pytest.raises(ValidationError, match=r"U\+0000"):
        executions.fork(done.id, from_step=1, input_data={"steps\0": 1})
    execution = bench.create("asker")
    bench.await_event(execution, "execution.paused")
    for answer, message in (
        ({"value": "\0"}, r"U\+0000"),
        ({}, "value"),
        ({"approved": True}, "approved"),
        ({"values": 1}, "values"),
    ):
        with pytest.raises(ValidationError, match=message):
            executions.resume(execution.id, **answer)
    assert bench.get(execution).status == "paused"


def test_an_isolated_agent_runs_in_processes_of_its_own(bench: Bench) -> None:
    execution = bench.create("isolated")
    bench.await_event(execution, "execution.paused")
    bench.kill()
    bench.client.agent_executions.resume(execution.id, value="word")
    done = bench.end(execution)
    assert done.status == "completed", done.error
    assert done.output_data[1:] == ["word", ["1"]]
    pids = [int(line.split()[1]) for line in bench.diary() if line.startswith("pid")]
    # A process for each attempt: from the first to the pause, from there to the child, and on.
    assert len(set(pids)) == len(pids) >= 2
    assert done.output_data[0] == pids[0] != bench.runner.process.pid


def test_an_isolated_agent_that_ignores_a_cancel_is_killed(bench: Bench) -> None:
    execution = bench.create("isolated", hang=True)
    bench.await_event(execution, "log")
    [line] = bench.diary()
    process = psutil.Process(int(line.split()[1]))
    assert bench.client.agent_executions.cancel(execution.id).status == "cancelled"
    process.wait(20)
    assert bench.diary()[1:] == ["ignored"]


def test_an_isolated_agent_that_dies_fails(bench: Bench) -> None:
    done = bench.end(bench.create("isolated", die=True))
    assert (done.status, done.error["type"]) == ("failed", "ProcessDied")
    assert "exit code 3" in done.error["message"]


def test_code_that_blocks_keeps_its_slot_until_it_ends_and_is_reported(
    bench: Bench, tmp_path: Path
) -> None:
    execution = bench.create("deaf")
    bench.await_event(execution, "log")
    bench.client.agent_executions.cancel(execution.id)
    gauges(bench, active_runs=1, lingering_runs=1)
    (tmp_path / "diary.end").touch()
    gauges(bench, active_runs=0, lingering_runs=0)
    written(bench, "went on")
    events = bench.client.agent_executions.events(execution.id)["items"]
    assert events[-1]["type"] == "execution.cancelled"


def written(bench: Bench, *lines: str) -> None:
    """Look until the diary has this many lines; they are these."""
    while len(bench.diary()) < len(lines):
        time.sleep(0.01)
    assert bench.diary() == list(lines)


def gauges(bench: Bench, **wanted: float) -> None:
    """Look until the gauges show this."""
    if bench.runner is not bench.service:
        # A worker alone answers no requests; what it does is seen by its diary.
        return
    while True:
        text = httpx2.get(f"{bench.service.base_url}/metrics").text
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        if all(float(lines[f"moderately_{name}"]) == value for name, value in wanted.items()):
            return


def test_a_cancel_tells_what_was_in_flight(bench: Bench) -> None:
    execution = bench.create("unsafe")
    bench.await_event(execution, "log")
    bench.client.agent_executions.cancel(execution.id, reason="enough")
    event = bench.await_event(execution, "execution.cancelled")
    assert event["data"] == {
        "reason": "enough",
        "in_flight": [{"id": "0/1", "name": "pay", "in_doubt": True}],
    }


@pytest.mark.parametrize("agent_id", ["slow-step", "slow-plain-step"])
def test_a_step_has_a_timeout_of_its_own(bench: Bench, agent_id: str) -> None:
    execution = bench.create(agent_id)
    assert bench.end(execution).output_data == "thread"
    slow, quick = bench.client.agent_executions.steps(execution.id)
    assert (slow["status"], slow["error"]["type"]) == ("failed", "TimeoutError")
    assert quick["status"] == "completed"
    event = bench.await_event(execution, "custom")
    assert event["data"] == {"name": "noticed", "data": {"step": "slow"}}


def test_no_step_begins_after_a_cancel(bench: Bench) -> None:
    execution = bench.create("headstrong")
    bench.await_event(execution, "log")
    bench.client.agent_executions.cancel(execution.id)
    gauges(bench, active_runs=0)
    written(bench, "caught", "refused")
