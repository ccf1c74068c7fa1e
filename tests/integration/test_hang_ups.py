"""Callers that hang up, dawdle, or come twice at once."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2

from moderately.testing import ServiceProcess


def gauge(http: httpx2.Client, name: str) -> float:
    for line in http.get("/metrics").text.splitlines():
        if line.startswith(f"moderately_{name} "):
            return float(line.split()[1])
    raise AssertionError(name)


def create(http: httpx2.Client, agent_id: str, **fields: Any) -> str:
    reply = http.post("/agent-executions", json={"agent_id": agent_id, **fields})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


def request(service: ServiceProcess, text: str, body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{text} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_key}\r\n{length}\r\n"
    return head.encode() + body


def connect(service: ServiceProcess) -> socket.socket:
    host, port = service.base_url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_a_caller_that_hangs_up_while_it_waits_leaves_nothing_behind(
    service: ServiceProcess, http: httpx2.Client
) -> None:
    before = gauge(http, "waiting_requests")
    execution = create(http, "sleeper")
    with connect(service) as waiting:
        waiting.sendall(request(service, f"GET /agent-executions/{execution}?wait=50"))
        reached(http, "waiting_requests", before + 1)
    reached(http, "waiting_requests", before)
    assert http.get(f"/agent-executions/{execution}").json()["status"] == "running"
    http.post(f"/agent-executions/{execution}/cancel")


def reached(http: httpx2.Client, name: str, value: float) -> None:
    """Look until a gauge shows a value; the test's own timeout is the end of patience."""
    for _ in range(10_000):
        if gauge(http, name) == value:
            return
    raise AssertionError(f"{name} never was {value}")


def test_a_caller_that_hangs_up_in_its_body_stores_nothing(
    service: ServiceProcess, http: httpx2.Client
) -> None:
    before = http.get("/agent-executions").json()["pagination"]["total_items"]
    body = json.dumps({"agent_id": "noop"}).encode()
    with connect(service) as half:
        half.sendall(request(service, "POST /agent-executions", body)[:-3])
    assert http.get("/agent-executions").json()["pagination"]["total_items"] == before


def test_a_caller_that_dawdles_delays_nobody(service: ServiceProcess, http: httpx2.Client) -> None:
    body = json.dumps({"agent_id": "echo", "input_data": {"slow": True}}).encode()
    with connect(service) as slow:
        raw = request(service, "POST /agent-executions", body)
        for number in range(len(raw) - 1):
            slow.sendall(raw[number : number + 1])
        other = create(http, "noop")
        done = http.get(f"/agent-executions/{other}?wait=10").json()
        assert done["status"] == "completed"
        slow.sendall(raw[-1:])
        assert slow.recv(65536).startswith(b"HTTP/1.1 201")


def test_two_cancels_at_once_are_one_success_and_one_conflict(http: httpx2.Client) -> None:
    for _ in range(10):
        execution = create(http, "sleeper")
        barrier = threading.Barrier(2)

        def cancel(path: str, barrier: threading.Barrier = barrier) -> int:
            barrier.wait()
            return http.post(path).status_code

        with ThreadPoolExecutor(2) as pool:
            path = f"/agent-executions/{execution}/cancel"
            assert sorted(pool.map(cancel, [path, path])) == [200, 409]


def test_a_cancel_that_races_the_start_leaves_no_run(http: httpx2.Client) -> None:
    before = gauge(http, "active_runs")
    for _ in range(50):
        execution = create(http, "sleeper")
        assert http.post(f"/agent-executions/{execution}/cancel").status_code == 200
    reached(http, "active_runs", before)
