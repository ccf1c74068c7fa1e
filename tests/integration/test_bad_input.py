"""Bad input: each gets its own clear problem, and nothing is stored."""

import json
from typing import Any

import httpx2
import pytest

from moderately.testing import ServiceProcess

EXECUTIONS = "/agent-executions"
CURSOR = "1.exec_" + "0" * 26
DEEP = b'{"agent_id":"echo","input_data":' + b'{"a":' * 1000 + b"1" + b"}" * 1001


def total(http: httpx2.Client) -> int:
    return http.get(EXECUTIONS).json()["pagination"]["total_items"]


def check(reply: httpx2.Response, status: int, code: str, field: str | None = None) -> Any:
    problem = reply.json()
    assert reply.status_code == status, problem
    assert reply.headers["content-type"] == "application/problem+json"
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert problem["message"] == problem["detail"]
    assert "Traceback" not in reply.text
    if field is not None:
        assert field in [detail["field"] for detail in problem["details"]], problem
    return problem


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"agent_id": "echo", "input_data": {"a": NaN}}', "body"),
        (b'{"agent_id": "echo", "input_data": {"a": 1e999}}', "body"),
        (b'{"agent_id": "echo", "agent_id": "echo"}', "body"),
        (b'{"agent_id": "echo", "input_data": {"a": "\xff"}}', "body"),
        (DEEP, "body"),
        (b'{"agent_id": "echo", "input_data": {"a": "\\u0000"}}', "input_data.a"),
        (b'{"agent_id": "echo", "input_data": {"a": "\\ud800"}}', "input_data.a"),
        (b"{}", "agent_id"),
        (b'{"agent_id": 1}', "agent_id"),
        (b'{"agent_id": ""}', "agent_id"),
        (b'{"agent_id": "echo", "input_data": [1]}', "input_data"),
        (b'{"agent_id": "echo", "input_data": "x"}', "input_data"),
        (b'{"agent_id": "echo", "metadata": {"a": 1}}', "metadata.a"),
        (b'{"agent_id": "echo", "priority": 101}', "priority"),
        (b'{"agent_id": "echo", "priority": true}', "priority"),
        (b'{"agent_id": "echo", "timeout_seconds": 0}', "timeout_seconds"),
        (b'{"agent_id": "echo", "max_steps": 0}', "max_steps"),
        (b'{"agent_id": "echo", "agnet": 1, "more": 2}', "agnet"),
        (b'{"agent_id": "echo", "idempotency_key": ""}', "idempotency_key"),
    ],
)
def test_a_bad_body_is_refused_by_field_and_stores_nothing(
    http: httpx2.Client, raw: bytes, field: str
) -> None:
    before = total(http)
    headers = {"Content-Type": "application/json"}
    check(http.post(EXECUTIONS, content=raw, headers=headers), 400, "invalid_request", field)
    assert total(http) == before


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1.5", "page"),
        ("page=" + "9" * 40, "page"),
        ("page_size=0", "page_size"),
        ("page_size=100000", "page_size"),
        ("order_by=size", "order_by"),
        ("order_direction=up", "order_direction"),
        ("status=done", "status"),
        ("created_after=yesterday", "created_after"),
        ("created_before=2026-01-01T00:00:00", "created_before"),
        ("cursor=x", "cursor"),
        ("page=1&page=2", "page"),
        (f"page=2&cursor={CURSOR}", "page"),
        (f"order_by=status&cursor={CURSOR}", "order_by"),
        ("sort=asc", "sort"),
        ("agent_id=%00", "agent_id"),
        ("agent_id=%ff", "query"),
    ],
)
def test_a_bad_query_is_refused_by_parameter(http: httpx2.Client, query: str, field: str) -> None:
    problem = check(http.get(f"{EXECUTIONS}?{query}"), 400, "invalid_request", field)
    assert problem["message"]


def test_an_unknown_agent_is_not_found(http: httpx2.Client) -> None:
    before = total(http)
    check(http.post(EXECUTIONS, json={"agent_id": "nobody"}), 404, "agent_not_found")
    check(http.get("/agents/nobody"), 404, "agent_not_found")
    assert total(http) == before


def test_a_body_over_the_limit_is_refused_with_the_limit(http: httpx2.Client) -> None:
    body = {"agent_id": "echo", "input_data": {"a": "x" * 1024 * 1024}}
    problem = check(http.post(EXECUTIONS, json=body), 413, "body_too_large")
    assert "1048576" in problem["message"]

    def stream() -> Any:
        yield b'{"agent_id": "echo", "input_data": {"a": "'
        for _ in range(20):
            yield b"x" * 65536
        yield b'"}}'

    check(http.post(EXECUTIONS, content=stream()), 413, "body_too_large")


def test_a_body_of_another_type_is_refused(http: httpx2.Client) -> None:
    before = total(http)
    headers = {"Content-Type": "text/plain"}
    check(http.post(EXECUTIONS, content=b"{}", headers=headers), 415, "unsupported_media_type")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    check(http.post(EXECUTIONS, content=b"{}", headers=headers), 415, "unsupported_media_type")
    assert total(http) == before


@pytest.mark.parametrize("identifier", ["exec_none", "x" * 10_000, "%00", "%ff", "..%2f..%2fetc"])
def test_an_impossible_id_is_not_found(http: httpx2.Client, identifier: str) -> None:
    reply = http.get(f"{EXECUTIONS}/{identifier}")
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert len(reply.content) < 1000


def test_a_wrong_key_is_refused(service: ServiceProcess) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic abc"}):
        reply = httpx2.get(service.base_url + EXECUTIONS, headers=headers)
        check(reply, 401, "unauthenticated")
        assert reply.headers["www-authenticate"] == "Bearer"


def test_a_method_that_does_not_apply_is_refused_with_those_that_do(http: httpx2.Client) -> None:
    reply = http.put(EXECUTIONS, json={})
    check(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/health/x",
        "/agents/",
        "/agents//versions",
        "/agents/a/nothing",
        "/agents/a/versions/",
        "//agents",
        "/agent-executions/%2F/steps",
    ],
)
def test_there_is_nothing_at_other_paths(http: httpx2.Client, path: str) -> None:
    # The whole address: a client takes what begins with two slashes for a host.
    check(http.get(f"{str(http.base_url).rstrip('/')}{path}"), 404, "not_found")


def test_differing_idempotency_keys_are_refused(http: httpx2.Client) -> None:
    before = total(http)
    body = {"agent_id": "echo", "idempotency_key": "a"}
    reply = http.post(EXECUTIONS, json=body, headers={"Idempotency-Key": "b"})
    check(reply, 400, "invalid_request", "idempotency_key")
    assert total(http) == before


def test_a_malformed_preference_is_ignored_and_a_malformed_wait_refused(
    http: httpx2.Client,
) -> None:
    execution = http.post(EXECUTIONS, json={"agent_id": "sleeper"}).json()
    path = f"{EXECUTIONS}/{execution['id']}"
    for preference in ("wait", "wait=-1", "wait=soon", "respond-async"):
        reply = http.get(path, headers={"Prefer": preference})
        assert "preference-applied" not in reply.headers
    applied = http.get(path, headers={"Prefer": 'respond-async, wait = "0.05"; x=y'})
    assert applied.headers["preference-applied"] == "wait=0.05"
    for wait in ("-1", "soon", "nan", "inf", ""):
        check(http.get(path, params={"wait": wait}), 400, "invalid_request", "wait")
    http.post(f"{path}/cancel")


def test_an_output_with_half_a_surrogate_still_has_a_reply(http: httpx2.Client) -> None:
    raw = json.dumps({"agent_id": "failing", "input_data": {"message": "\ud83d\ude00"}})
    execution = http.post(EXECUTIONS, content=raw.encode()).json()
    done = http.get(f"{EXECUTIONS}/{execution['id']}?wait=20").json()
    assert done["error"]["message"] == "\U0001f600"
