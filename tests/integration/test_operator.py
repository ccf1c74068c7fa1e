"""What an operator asks: health, readiness, metrics, the description."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator
from tests.conftest import ClientOf

from moderately import ModeratelyAI, ServerError
from moderately.protocol.problems import Code
from moderately.testing import ServiceProcess

AGENTS = Path(__file__).parents[1] / "support/agents.py"


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/openapi.json", "/docs"])
def test_the_operator_s_paths_ask_for_no_key(service: ServiceProcess, path: str) -> None:
    reply = httpx2.get(service.base_url + path)
    assert reply.status_code == 200
    head = httpx2.head(service.base_url + path)
    assert (head.status_code, head.content) == (200, b"")


def test_metrics_count_requests_and_executions(http: httpx2.Client) -> None:
    http.get("/agent-executions/exec_none")
    text = http.get("/metrics").text
    line = 'moderately_requests_total{method="GET",route="/agent-executions/{id}",status="404"}'
    assert line in text
    assert 'moderately_executions{status="pending"}' in text
    assert "moderately_active_runs" in text
    assert "exec_none" not in text


def test_the_description_s_examples_fit_its_schemas(http: httpx2.Client) -> None:
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    checked = 0

    def check(content: dict[str, Any]) -> int:
        if "example" not in content:
            return 0
        schema = {**content["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(content["example"])
        return 1

    for methods in document["paths"].values():
        for operation in methods.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                checked += sum(map(check, body.get("content", {}).values()))
    assert checked > 20
    codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert set(codes) == {code.value for code in Code}


def test_every_route_is_described(http: httpx2.Client) -> None:
    page = http.get("/docs").text
    for path in http.get("/openapi.json").json()["paths"]:
        assert path in page


def test_a_request_id_is_taken_or_made(http: httpx2.Client) -> None:
    reply = http.get("/health", headers={"X-Request-Id": "mine-1"})
    assert reply.headers["x-request-id"] == "mine-1"
    reply = http.get("/health", headers={"X-Request-Id": "not mine"})
    assert reply.headers["x-request-id"].startswith("req_")


def test_a_full_disk_is_said_loses_nothing_and_is_recovered_from(
    client_of: ClientOf, tmp_path: Path
) -> None:
    # The limit on a file's size stands in for the disk's: a write beyond it fails the same way.
    with ServiceProcess([AGENTS], data=tmp_path, args=["--grace", "0"]) as service:
        client = ModeratelyAI(base_url=service.base_url, api_key=service.api_key, max_retries=0)
        with client:
            first = client.agent_executions.create(agent_id="sleeper")
            client.agent_executions.events(first.id, after=1, wait=20)
            made = [client.agent_executions.create(agent_id="noop") for _ in range(5)]
            for execution in made:
                client.agent_executions.wait_for_completion(execution.id, timeout=20)
            limit = (tmp_path / "moderately.db-wal").stat().st_size
            resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (limit, -1))
            with pytest.raises(ServerError, match="nothing was written") as caught:
                client.agent_executions.create(agent_id="noop")
            assert (caught.value.status_code, caught.value.retry_after) == (503, 1)
            ready = httpx2.get(f"{service.base_url}/ready")
            assert ready.status_code == 503
            assert str(tmp_path) not in ready.text + str(caught.value.body)
            assert client.agent_executions.retrieve(first.id).status == "running"
            resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (-1, -1))
            assert httpx2.get(f"{service.base_url}/ready").status_code == 200
            execution = client.agent_executions.create(agent_id="noop")
            done = client.agent_executions.wait_for_completion(execution.id, timeout=20)
            assert done.status == "completed"
            total = client.agent_executions.list().pagination.total_items
            assert total == 2 + len(made)


def test_help_lists_every_option_with_its_variable() -> None:
    command = [sys.executable, "-m", "moderately", "serve", "--help"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30)
    for words in ("--max-wait", "MODERATELY_MAX_WAIT", "--no-auth", "MODERATELY_DATABASE"):
        assert words in found.stdout
