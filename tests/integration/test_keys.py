"""Keys: made, listed and revoked beside a service that runs; each sees its team only."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.conftest import ClientOf

from moderately import AuthenticationError, NotFoundError
from moderately.testing import ServiceProcess

AGENTS = Path(__file__).parents[1] / "support/agents.py"


def keys(data: Path, env: dict[str, str], *args: str) -> Any:
    command = [sys.executable, "-m", "moderately", "keys", *args, "--data", str(data), "--json"]
    found = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_a_key_sees_its_own_team_only(client_of: ClientOf, tmp_path: Path) -> None:
    with ServiceProcess([AGENTS], data=tmp_path) as service:
        made = keys(tmp_path, service.env, "create", "--team", "other", "--name", "ci")
        ours = client_of(service)
        theirs = client_of(service, made["api_key"])
        execution = ours.agent_executions.create(agent_id="sleeper")
        for call in (
            theirs.agent_executions.retrieve,
            theirs.agent_executions.cancel,
            theirs.agent_executions.delete,
            theirs.agent_executions.steps,
            theirs.agent_executions.events,
        ):
            with pytest.raises(NotFoundError):
                call(execution.id)
        assert len(theirs.agent_executions.list()) == 0
        # The same idempotency key is another one in another team.
        one = ours.agent_executions.create(agent_id="noop", idempotency_key="k")
        two = theirs.agent_executions.create(agent_id="noop", idempotency_key="k")
        assert one.id != two.id
        ours.agent_executions.cancel(execution.id)


def test_a_revoked_key_is_refused_within_a_second(client_of: ClientOf, tmp_path: Path) -> None:
    with ServiceProcess([AGENTS], data=tmp_path) as service:
        made = keys(tmp_path, service.env, "create")
        client = client_of(service, made["api_key"])
        client.agents.list()
        revoked = keys(tmp_path, service.env, "revoke", made["id"])
        assert revoked["revoked_at"]
        # A held reply tells the time: it is answered a second and a bit after the revocation.
        ours = {"Authorization": f"Bearer {service.api_key}"}
        sleeper = httpx2.post(
            f"{service.base_url}/agent-executions", json={"agent_id": "sleeper"}, headers=ours
        ).json()
        path = f"{service.base_url}/agent-executions/{sleeper['id']}"
        httpx2.get(path, params={"wait": 1.05}, headers=ours)
        with pytest.raises(AuthenticationError, match="revoked"):
            client.agents.list()
        httpx2.post(f"{path}/cancel", headers=ours)


def test_keys_are_listed_without_their_secrets(tmp_path: Path) -> None:
    with ServiceProcess([AGENTS], data=tmp_path) as service:
        made = keys(tmp_path, service.env, "create", "--name", "ci")
        listed = keys(tmp_path, service.env, "list")["items"]
        assert [key["name"] for key in listed] == ["first", "ci"]
        assert made["api_key"] not in json.dumps(listed)
        service.terminate()
        stored = b"".join(file.read_bytes() for file in tmp_path.glob("moderately.db*"))
        assert made["api_key"].encode() not in stored
        assert service.api_key.encode() not in stored


def test_revoking_what_is_not_there_is_said(tmp_path: Path) -> None:
    env = ServiceProcess([], data=tmp_path).env
    command = [sys.executable, "-m", "moderately", "keys", "revoke", "key_none"]
    found = subprocess.run(
        [*command, "--data", str(tmp_path)], env=env, capture_output=True, text=True, timeout=60
    )
    assert found.returncode == 6
    assert "key_none" in found.stderr
