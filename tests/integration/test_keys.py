"""Keys: made, listed and revoked beside a service that runs; each sees its team only."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.conftest import ClientOf
from tests.support.pages import browser_of
from tests.support.streams import Frames, reading

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


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service whose environment names its database for the commands beside it, too."""
    env = {}
    if request.param == "postgres":
        env["MODERATELY_DATABASE"] = request.getfixturevalue("postgres_url")
    # Heartbeats would keep a reader waiting for ever where a stream does not break off.
    args = ["--heartbeat", "60"]
    with ServiceProcess([AGENTS], data=tmp_path, env=env, args=args) as service:
        yield service
        assert "Traceback" not in service.output()


def test_a_revoked_key_keeps_no_stream(site: ServiceProcess, tmp_path: Path) -> None:
    made, other = (keys(tmp_path, site.env, "create") for _ in range(2))
    with (
        plain_client(site, made["api_key"]) as http,
        plain_client(site, other["api_key"]) as others,
        browser_of(site, signed_in=False) as browser,
        ThreadPoolExecutor(4) as readers,
        ExitStack() as stack,
    ):
        assert browser.sign_in(made["api_key"]).status_code == 303
        sleeper = others.post("/agent-executions", json={"agent_id": "sleeper"}).json()["id"]
        own, shown = f"/agent-executions/{sleeper}/events", f"/ui/executions/{sleeper}/events"
        asked = [(http, "/events"), (http, own)]
        asked += [(browser.client, "/ui/events"), (browser.client, shown)]
        streams = [stack.enter_context(reading(*one)) for one in asked]
        kept = [stack.enter_context(reading(others, path)) for path in ("/events", own)]
        broken = [readers.submit(read_to_the_break, frames) for frames in streams]
        keys(tmp_path, site.env, "revoke", made["id"])
        keep_asking(http, broken)
        for client, path in asked:
            with reading(client, path) as refused:
                assert refused.reply.status_code == 401
        others.post(f"/agent-executions/{sleeper}/cancel")
        for frames in kept:
            frames.until("execution.cancelled")


def plain_client(service: ServiceProcess, key: str) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.Client(base_url=service.base_url, headers=headers, timeout=10)


def read_to_the_break(frames: Frames) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        frames.until("end")


def keep_asking(http: httpx2.Client, broken: list["Future[None]"]) -> None:
    """So that the key was looked up a moment ago, until the streams have broken off."""
    while wait(broken, timeout=0.02).not_done:
        http.get("/agents")
    for one in broken:
        one.result()


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
