"""7. `on_timeout` and `on_interrupt`: leave or cancel; bounded, shielded, never hiding an error."""

import asyncio
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from tests.support.twins import Twin

from moderately import AsyncModeratelyAI, TimeoutError  # noqa: A004
from moderately.testing import FakeServer
from moderately.testing.faults import drop, hang, reply
from moderately.testing.states import completed, running


def test_by_default_the_execution_goes_on(executions: Any) -> None:
    made = executions.create(agent_id="sleeper")
    with pytest.raises(TimeoutError):
        executions.wait_for_completion(made.id, timeout=0.1)
    assert executions.retrieve(made.id).status == "running"


@pytest.mark.parametrize("call", ["wait_for_completion", "run"])
def test_a_timeout_cancels_where_that_is_asked(executions: Any, call: str) -> None:
    given = [executions.create(agent_id="sleeper").id] if call == "wait_for_completion" else []
    named = {} if given else {"agent_id": "sleeper"}
    with pytest.raises(TimeoutError, match="cancelled") as caught:
        getattr(executions, call)(*given, **named, timeout=0.2, on_timeout="cancel")
    assert caught.value.execution is not None
    assert caught.value.execution.status == "cancelled"
    assert executions.retrieve(caught.value.execution.id).status == "cancelled"


def test_what_ends_just_before_it_is_cancelled_is_returned(
    executions: Any, server: FakeServer
) -> None:
    server.script("late", [running(0.3), completed("after all")])
    made = executions.create(agent_id="late")
    server.misbehave(hang(), where="GET")
    done = executions.wait_for_completion(made.id, timeout=0.35, on_timeout="cancel")
    assert done.output_data == "after all"


def test_a_cancel_that_fails_does_not_hide_the_timeout(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    server.misbehave(reply(403), where="/cancel", always=True)
    with pytest.raises(TimeoutError) as caught:
        executions.wait_for_completion(made.id, timeout=0.1, on_timeout="cancel")
    assert any("could not be cancelled" in note for note in caught.value.__notes__)


def test_a_cancel_that_is_only_noted_is_a_timeout(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    server.misbehave(reply(202, {**made, "status": "cancelling"}), where="/cancel")
    with pytest.raises(TimeoutError, match="cancelling"):
        executions.wait_for_completion(made.id, timeout=0.1, on_timeout="cancel")


def test_a_cancel_whose_reply_is_lost_is_sent_again(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    server.misbehave(drop(done=True), where="/cancel")
    with pytest.raises(TimeoutError, match="cancelled"):
        executions.wait_for_completion(made.id, timeout=0.1, on_timeout="cancel")


def test_a_cancel_that_hangs_is_bounded(executions: Any, server: FakeServer) -> None:
    made = executions.create(agent_id="sleeper")
    server.misbehave(hang(), where="/cancel", always=True)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        executions.wait_for_completion(made.id, timeout=0.1, on_timeout="cancel")
    assert time.monotonic() - begun < 7


@pytest.mark.parametrize(("choice", "status"), [("cancel", "cancelled"), ("leave", "running")])
def test_a_task_that_is_cancelled_cancels_where_that_is_asked(
    server: FakeServer, choice: Any, status: str
) -> None:
    async def work() -> str:
        async with AsyncModeratelyAI(base_url=server.base_url, api_key=server.api_key) as client:
            executions = client.agent_executions
            made = await executions.create(agent_id="sleeper")
            waiting = asyncio.create_task(
                executions.wait_for_completion(made.id, on_interrupt=choice)
            )
            await asyncio.to_thread(server.await_requests, 2)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return (await executions.retrieve(made.id)).status

    assert asyncio.run(work()) == status


def test_a_task_that_is_cancelled_twice_still_cancels(server: FakeServer) -> None:
    async def work() -> str:
        async with AsyncModeratelyAI(base_url=server.base_url, api_key=server.api_key) as client:
            executions = client.agent_executions
            made = await executions.create(agent_id="sleeper")
            server.misbehave(reply(503, retry_after=0.3), where="/cancel")
            waiting = asyncio.create_task(
                executions.wait_for_completion(made.id, on_interrupt="cancel")
            )
            await asyncio.to_thread(server.await_requests, 2)
            waiting.cancel()
            await asyncio.to_thread(server.await_requests, 1, "/cancel")
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return (await executions.retrieve(made.id)).status

    assert asyncio.run(work()) == "cancelled"


def test_asyncio_s_own_timeout_stays_a_timeout(server: FakeServer) -> None:
    async def work() -> str:
        async with AsyncModeratelyAI(base_url=server.base_url, api_key=server.api_key) as client:
            executions = client.agent_executions
            made = await executions.create(agent_id="sleeper")
            with pytest.raises(asyncio.TimeoutError):
                async with asyncio.timeout(0.2):
                    await executions.wait_for_completion(made.id, on_interrupt="cancel")
            return (await executions.retrieve(made.id)).status

    assert asyncio.run(work()) == "cancelled"


_PROGRAMS = {
    "sync": """
from moderately import ModeratelyAI
client = ModeratelyAI()
try:
    client.agent_executions.run(agent_id="sleeper", on_interrupt={choice!r})
except KeyboardInterrupt:
    print("interrupted")
""",
    "async": """
import asyncio
from moderately import AsyncModeratelyAI
async def main():
    async with AsyncModeratelyAI() as client:
        await client.agent_executions.run(agent_id="sleeper", on_interrupt={choice!r})
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
""",
}


@pytest.mark.parametrize(("choice", "status"), [("cancel", "cancelled"), ("leave", "running")])
def test_an_interrupt_cancels_where_that_is_asked(
    twin: Twin, server: FakeServer, choice: str, status: str
) -> None:
    program = _PROGRAMS["async" if twin.is_async else "sync"].format(choice=choice)
    env = {"MODERATELY_BASE_URL": server.base_url, "MODERATELY_API_KEY": server.api_key}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        server.await_requests(1, "GET")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "interrupted\n"
    assert [one.status for one in twin.client().agent_executions.list()] == [status]


def test_another_choice_is_refused(executions: Any, server: FakeServer) -> None:
    for name in ("on_timeout", "on_interrupt", "on_paused"):
        with pytest.raises(ValueError, match=name):
            executions.run(agent_id="echo", **{name: "hope"})
    assert server.requests == []
