"""1. One idempotency key per create, the same on every retry; other calls only where it is safe."""

import json
import time
from typing import Any

import pytest
from tests.support.twins import Twin

from moderately import APIConnectionError, ConflictError, RateLimitError, ServerError
from moderately.testing import FakeServer
from moderately.testing.faults import Fault, cut, drop, html, reply, slow

TRANSIENT = [drop(), drop(done=True), cut(), *(reply(s) for s in (429, 500, 502, 503, 504)), html()]


@pytest.mark.parametrize("fault", TRANSIENT, ids=lambda fault: f"{fault.status}{fault.is_done}")
def test_a_create_is_sent_again_with_the_same_key(
    executions: Any, server: FakeServer, fault: Fault
) -> None:
    server.misbehave(fault)
    made = executions.create(agent_id="echo", input_data={"q": 1}, priority=3)
    assert len(server.requests) == 2
    assert len({asked.headers["idempotency-key"] for asked in server.requests}) == 1
    body = {"agent_id": "echo", "input_data": {"q": 1}, "priority": 3}
    assert all(json.loads(asked.body) == body for asked in server.requests)
    assert executions.list().pagination.total_items == 1
    assert executions.retrieve(made.id).input_data == {"q": 1}


def test_a_create_whose_reply_is_late_is_sent_again(twin: Twin, server: FakeServer) -> None:
    server.misbehave(slow(30))
    executions = twin.client(timeout=0.3).agent_executions
    made = executions.create(agent_id="echo")
    assert executions.list().items[0].id == made.id
    assert executions.list().pagination.total_items == 1


def test_each_create_has_a_key_of_its_own_and_takes_another(
    executions: Any, server: FakeServer
) -> None:
    executions.create(agent_id="echo")
    executions.create(agent_id="echo")
    one = executions.create(agent_id="echo", idempotency_key="mine")
    two = executions.create(agent_id="echo", idempotency_key="mine")
    keys = [asked.headers["idempotency-key"] for asked in server.requests]
    assert len(set(keys)) == 3
    assert keys[2:] == ["mine", "mine"]
    assert one.id == two.id


@pytest.mark.parametrize("key", ["", "two words", "ümlaut", "line\nend", "x" * 201])
def test_a_key_that_no_header_holds_is_refused(executions: Any, key: str) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        executions.create(agent_id="echo", idempotency_key=key)


def test_a_create_that_meets_its_own_first_try_at_work_waits_for_it(
    executions: Any, server: FakeServer
) -> None:
    server.misbehave(reply(409, {"code": "request_in_progress"}, retry_after=0.05))
    assert executions.create(agent_id="echo").status == "pending"


def test_retries_end(executions: Any, server: FakeServer) -> None:
    server.misbehave(reply(503), always=True)
    with pytest.raises(ServerError):
        executions.create(agent_id="echo")
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_what_cannot_pass_is_not_sent_again(
    executions: Any, server: FakeServer, status: int
) -> None:
    server.misbehave(reply(status), always=True)
    with pytest.raises(Exception, match="fault"):
        executions.create(agent_id="echo")
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [drop(), cut(), reply(500), reply(503), html()])
def test_reading_and_deleting_are_safe_to_repeat(
    executions: Any, server: FakeServer, fault: Fault
) -> None:
    made = executions.run(agent_id="echo", timeout=10)
    server.misbehave(fault, where="GET")
    assert executions.retrieve(made.id).id == made.id
    server.misbehave(drop(done=True), where="DELETE")
    assert executions.delete(made.id) is None


def test_a_resume_is_sent_again_only_where_it_was_not_done(
    executions: Any, server: FakeServer
) -> None:
    made = executions.create(agent_id="asker")
    server.misbehave(reply(429), where="/resume")
    assert executions.resume(made.id, value=1).status == "pending"
    made = executions.create(agent_id="asker")
    for fault, kind in ((drop(), APIConnectionError), (reply(503), ServerError)):
        server.misbehave(fault, where="/resume")
        asked = len(server.requests)
        with pytest.raises(kind):
            executions.resume(made.id, value=1)
        assert len(server.requests) == asked + 1


def test_a_resume_that_could_not_be_sent_is_sent_again(twin: Twin, server: FakeServer) -> None:
    twin.base_url = "http://127.0.0.1:9"
    begun = time.monotonic()
    with pytest.raises(APIConnectionError) as caught:
        twin.client(max_retries=1).agent_executions.resume("exec_1", value=1)
    assert caught.value.was_sent is False
    assert time.monotonic() - begun < 5


def test_a_retry_after_that_nobody_waits_for_ends_it(executions: Any, server: FakeServer) -> None:
    server.misbehave(reply(429, retry_after=3600), always=True)
    with pytest.raises(RateLimitError) as caught:
        executions.create(agent_id="echo")
    assert caught.value.retry_after == 3600
    assert len(server.requests) == 1


def test_a_key_that_was_used_with_another_body_is_said(executions: Any) -> None:
    executions.create(agent_id="echo", idempotency_key="k", input_data={"a": 1})
    with pytest.raises(Exception, match="another body") as caught:
        executions.create(agent_id="echo", idempotency_key="k", input_data={"a": 2})
    assert not isinstance(caught.value, ConflictError)
