"""15. Light, fast, at home everywhere: options, raw replies, transports, forks, threads, logs."""

import asyncio
import logging
import subprocess
import sys
import threading
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
from packaging.requirements import Requirement
from tests.support.twins import Twin

from moderately import (
    APIConnectionError,
    AsyncModeratelyAI,
    AuthenticationError,
    ConnectionTimeoutError,
    ModeratelyAI,
    ModeratelyError,
    NotFoundError,
    RawResponse,
    TimeoutError,  # noqa: A004
)
from moderately.testing import FakeServer
from moderately.testing.faults import cut, dribble, drop, hang, reply, slow


def distributions(name: str) -> set[str]:
    """A distribution with all that it needs, without extras."""
    found, open_ = set(), [name]
    while open_:
        one = open_.pop().lower().replace("_", "-")
        if one not in found:
            found.add(one)
            try:
                needs = [Requirement(need) for need in requires(one) or []]
            except PackageNotFoundError:
                # Not for this version of Python.
                needs = []
            needed = [
                need for need in needs if not need.marker or need.marker.evaluate({"extra": ""})
            ]
            open_ += [need.name for need in needed]
    return found


def test_eight_distributions_are_all_that_is_installed() -> None:
    found = distributions("moderately")
    assert "httpx2" in found
    assert len(found) <= 8, found


def test_one_half_does_not_load_the_other() -> None:
    program = (
        "import sys; from moderately import ModeratelyAI, TimeoutError; ModeratelyAI(api_key='k');"
        "print([m for m in sys.modules if '._async.' in m or m == 'asyncio'])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stdout + found.stderr


def test_options_are_for_the_calls_they_are_given_for(twin: Twin, server: FakeServer) -> None:
    client = twin.client(headers={"X-A": "1"})
    other = client.with_options(timeout=0.2, max_retries=0, headers={"X-B": "2"})
    server.misbehave(hang())
    with pytest.raises(ConnectionTimeoutError):
        other.agent_executions.retrieve("exec_1")
    assert len(server.requests) == 1
    assert {"x-a": "1", "x-b": "2"}.items() <= server.requests[0].headers.items()
    server.misbehave(drop())
    with pytest.raises(NotFoundError):
        client.agent_executions.retrieve("exec_1")
    assert len(server.requests) == 3
    assert server.requests[1].headers["x-a"] == "1"
    assert "x-b" not in server.requests[1].headers


def test_a_header_of_ours_can_be_replaced(twin: Twin, server: FakeServer) -> None:
    client = twin.client(headers={"AUTHORIZATION": "Bearer other", "user-agent": "mine/1"})
    with pytest.raises(AuthenticationError):
        client.with_options(headers={"Authorization": "Bearer third"}).agents.list()
    asked = server.requests[0].headers
    assert (asked["authorization"], asked["user-agent"]) == ("Bearer third", "mine/1")


@pytest.mark.parametrize(
    "options",
    [{"timeout": 0}, {"timeout": -1}, {"max_retries": -1}, {"headers": {"a b": "c"}}],
)
def test_options_that_cannot_be_are_refused(client: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is|has"):
        client.with_options(**options)


def test_a_header_that_cannot_be_is_refused_and_not_shown(client: Any) -> None:
    with pytest.raises(ValueError, match="x-secret") as caught:
        client.with_options(headers={"X-Secret": "s3cret\r\nX-Other: 1"})
    assert "s3cret" not in str(caught.value)


def test_replies_can_be_had_raw(client: Any, server: FakeServer) -> None:
    raw = client.agent_executions.with_raw_response.create(agent_id="echo")
    assert isinstance(raw, RawResponse)
    assert (raw.status_code, raw.tries, raw.request_id[:4]) == (201, 1, "req_")
    made = raw.parse()
    assert raw.json()["id"] == made.id
    server.misbehave(drop())
    raw = client.agent_executions.with_raw_response.list()
    assert raw.tries == 2
    assert [one.id for one in raw.parse().items] == [made.id]
    assert client.agents.with_raw_response.retrieve("echo").parse().id == "echo"


def test_what_there_is_no_method_for_can_be_asked_for(client: Any, server: FakeServer) -> None:
    raw = client.request("GET", "/agents", query={"page_size": 1})
    assert raw.parse()["items"][0]["id"] == "asker"
    server.misbehave(drop())
    with pytest.raises(APIConnectionError):
        client.request("POST", "/agent-executions", json={"agent_id": "echo"})
    server.misbehave(drop())
    headers = {"Idempotency-Key": "k"}
    raw = client.request("POST", "/agent-executions", json={"agent_id": "echo"}, headers=headers)
    assert (raw.status_code, raw.tries) == (201, 2)
    with pytest.raises(ValueError, match="begins with /"):
        client.request("GET", "https://elsewhere.example/")


@pytest.mark.parametrize("library", [httpx2, httpx])
@pytest.mark.parametrize("way", ["auth", "header"])
def test_a_client_handed_in_keeps_its_authentication_and_headers(
    twin: Twin, server: FakeServer, library: Any, way: str
) -> None:
    kind = library.AsyncClient if twin.is_async else library.Client
    headers = {"X-Gateway": "g", "User-Agent": "mine/1"}
    given: dict[str, Any] = {"headers": headers}
    if way == "auth":
        given["auth"] = ("me", "password")
    else:
        headers["Authorization"] = "Bearer theirs"
    handed = kind(**given)
    client = twin.client(http_client=handed, max_retries=0)
    with pytest.raises(Exception, match="no such key"):
        client.agent_executions.retrieve("exec_1")
    asked = server.requests[0].headers
    assert asked["authorization"] == (
        "Basic bWU6cGFzc3dvcmQ=" if way == "auth" else "Bearer theirs"
    )
    assert (asked["x-gateway"], asked["user-agent"]) == ("g", "mine/1")
    assert asked["accept"] == "application/json"
    close = client.aclose if twin.is_async else client.close
    close()
    assert not handed.is_closed
    twin.runner.run(handed.aclose()) if twin.is_async else handed.close()


@pytest.mark.parametrize("library", [httpx2, httpx])
def test_a_client_handed_in_without_them_gets_ours(
    twin: Twin, server: FakeServer, library: Any
) -> None:
    handed = library.AsyncClient() if twin.is_async else library.Client()
    client = twin.client(http_client=handed)
    for fault in (drop(), cut(), slow(0.1), reply(503)):
        server.misbehave(fault)
        assert client.agent_executions.run(agent_id="echo", timeout=20).status == "completed"
    assert server.requests[0].headers["user-agent"].startswith("moderately-python/")
    with pytest.raises(NotFoundError):
        client.agent_executions.retrieve("../x?y=1")
    assert server.requests[-1].target == "/agent-executions/..%2Fx%3Fy%3D1"
    twin.runner.run(handed.aclose()) if twin.is_async else handed.close()
    with pytest.raises(ModeratelyError, match="closed"):
        client.agent_executions.list()


def test_a_client_of_the_other_kind_is_refused(twin: Twin) -> None:
    kind: Any = httpx2.Client if twin.is_async else httpx2.AsyncClient
    with pytest.raises(TypeError, match="synchronous"):
        twin.client(http_client=kind())
    with pytest.raises(ValueError, match="http_client"):
        twin.client(http_client="curl")


def test_aiohttp_carries_many_calls_at_once(server: FakeServer) -> None:
    async def work(given: Any) -> None:
        async with AsyncModeratelyAI(
            base_url=server.base_url, api_key=server.api_key, http_client=given
        ) as client:
            executions = client.agent_executions
            server.misbehave(drop(), reply(503), cut())
            made = await asyncio.gather(*(executions.create(agent_id="quick") for _ in range(50)))
            assert len({one.id for one in made}) == 50
            done = await asyncio.gather(
                *(executions.wait_for_completion(one.id, timeout=20) for one in made)
            )
            assert {one.status for one in done} == {"completed"}
            with pytest.raises(NotFoundError):
                await executions.retrieve("../x?y=1")
            assert server.requests[-1].target == "/agent-executions/..%2Fx%3Fy%3D1"
            server.misbehave(dribble(), always=True)
            with pytest.raises(TimeoutError):
                await executions.wait_for_completion(made[0].id, timeout=0.2)
            server.behave()

    async def handed_in() -> None:
        headers = {"Authorization": f"Bearer {server.api_key}", "X-Gateway": "g"}
        async with aiohttp.ClientSession(headers=headers) as session:
            await work(session)
            assert not session.closed
        assert server.requests[-1].headers["x-gateway"] == "g"

    asyncio.run(work("aiohttp"))
    asyncio.run(handed_in())


def test_a_proxy_of_the_environment_is_used(
    twin: Twin, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.base_url)
    monkeypatch.setenv("http_proxy", server.base_url)
    twin.base_url = "http://service.example"
    server.misbehave(dribble(), where="exec_2", always=True)
    executions = twin.client(max_retries=0).agent_executions
    with pytest.raises(NotFoundError):
        executions.retrieve("exec_1")
    assert server.requests[0].target == "http://service.example/agent-executions/exec_1"
    with pytest.raises(TimeoutError):
        executions.wait_for_completion("exec_2", timeout=0.2)


def test_address_and_key_come_from_the_environment(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODERATELY_BASE_URL", server.base_url)
    monkeypatch.setenv("MODERATELY_API_KEY", server.api_key)
    monkeypatch.setenv("MODERATELY_TEAM_ID", "team-7")
    with ModeratelyAI() as client:
        assert client.team_id == "team-7"
        assert client.agent_executions.run(agent_id="echo", timeout=10).status == "completed"


def test_the_log_tells_much_but_no_key(
    twin: Twin, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    key = "mk_s3cret9xqzv7wj4hf2"
    server.misbehave(drop(), reply(503), where="echo")
    with caplog.at_level(logging.DEBUG):
        client = twin.client(api_key=key, headers={"X-Secret": "an0ther"}, max_retries=1)
        for name in ("echo", "other"):
            with pytest.raises(Exception, match=r"fault|no such key"):
                client.agents.retrieve(name)
        # What the transport and its layers say at DEBUG is in there as well.
        everything = caplog.text + "".join(str(one.__dict__) for one in caplog.records)
        with pytest.raises(AuthenticationError):
            client.agents.retrieve(key)
    ours = "\n".join(one.getMessage() for one in caplog.records if one.name == "moderately.client")
    for part in [key[at : at + 6] for at in range(len(key) - 5)]:
        assert part not in everything + ours
    assert "an0ther" not in everything
    assert "httpcore2" in everything
    assert "GET /agents/echo: APIConnectionError" in ours
    assert "GET /agents/other: 401 in" in ours
    assert "is sent again" in ours


def test_no_repr_shows_the_key() -> None:
    client = ModeratelyAI(base_url="http://x", api_key="s3cret-key", headers={"X": "an0ther"})
    transport = client._transport
    shown = [client, transport, transport.config, transport.options, client.agents]
    assert "s3cret" not in "".join(map(repr, shown))
    assert "an0ther" not in "".join(map(repr, shown))


def test_threads_share_a_client(server: FakeServer) -> None:
    with ModeratelyAI(base_url=server.base_url, api_key=server.api_key) as client:
        found: list[str] = []

        def work() -> None:
            done = client.agent_executions.run(agent_id="quick", timeout=20)
            found.append(done.id)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(found)) == 16


_FORKS = """
import os, sys
from moderately import ModeratelyAI
client = ModeratelyAI()
mine = client.agent_executions.run(agent_id="quick").id
child = os.fork()
found = [client.agent_executions.run(agent_id="quick").id for _ in range(20)]
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or len(set(found)) != 20)
os._exit(len(set(found)) != 20)
"""


def test_a_forked_process_has_connections_of_its_own(server: FakeServer) -> None:
    env = {"MODERATELY_BASE_URL": server.base_url, "MODERATELY_API_KEY": server.api_key}
    found = subprocess.run(
        [sys.executable, "-c", _FORKS], env=env, capture_output=True, text=True, timeout=60
    )
    assert found.returncode == 0, found.stderr
    assert server.connections == 2


def test_an_asynchronous_client_outlives_its_event_loop(server: FakeServer) -> None:
    client = AsyncModeratelyAI(base_url=server.base_url, api_key=server.api_key)

    async def work() -> str:
        try:
            return (await client.agent_executions.run(agent_id="echo", timeout=10)).status
        finally:
            # What this loop has opened cannot be closed in the next.
            await client._transport.connections._client.aclose()  # type: ignore[union-attr]

    assert [asyncio.run(work()) for _ in range(2)] == ["completed", "completed"]
