"""The client against a server that misbehaves: both twins, the same promises."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from moderately import (
    APIConnectionError,
    AsyncModeratelyAI,
    AuthenticationError,
    ConflictError,
    ConnectionTimeoutError,
    ModeratelyAI,
    ModeratelyError,
    NotFoundError,
    ServerError,
    TimeoutError,  # noqa: A004
    ValidationError,
)

DONE = {"id": "exec_1", "status": "completed", "is_terminal": True, "output_data": 7}
GOING = {"id": "exec_1", "status": "running", "is_terminal": False}


class Server(ThreadingHTTPServer):
    """Plays a list of replies, the last one for ever, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def play(self, *replies: dict[str, Any]) -> None:
        self.replies = list(replies)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(
            {"method": self.command, "path": self.path, "headers": headers, "body": body}
        )
        replies = self.server.replies
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply.get("drop"):
            self.close_connection = True
            return
        content = json.dumps(reply.get("json", {})).encode()
        self.send_response(reply.get("status", 200))
        for name, value in reply.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            if reply.get("trickle"):
                for byte in content[:-1]:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if self.server.released.wait(0.05):
                        return
            if reply.get("hang"):
                self.server.released.wait(30)
            self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.released.set()
        found.shutdown()
        thread.join()


class Twin:
    """Calls a method of either twin."""

    def __init__(self, url: str, *, is_async: bool) -> None:
        self.url = url
        self.is_async = is_async

    def call(self, method: str, *args: Any, max_retries: int = 2, **options: Any) -> Any:
        key = "k" * 20
        if not self.is_async:
            with ModeratelyAI(base_url=self.url, api_key=key, max_retries=max_retries) as client:
                return getattr(client.agent_executions, method)(*args, **options)

        async def work() -> Any:
            async with AsyncModeratelyAI(
                base_url=self.url, api_key=key, max_retries=max_retries
            ) as client:
                return await getattr(client.agent_executions, method)(*args, **options)

        return asyncio.run(work())


@pytest.fixture(params=["sync", "async"])
def twin(request: pytest.FixtureRequest, server: Server) -> Twin:
    return Twin(server.url, is_async=request.param == "async")


def test_the_contract_s_defaults_are_sent(twin: Twin, server: Server) -> None:
    page = {"items": [DONE], "pagination": {"page": 1, "total_items": 1}, "next_cursor": None}
    server.play({"json": page})
    found = twin.call("list")
    assert [execution.id for execution in found] == ["exec_1"]
    assert found.pagination.total_items == found["pagination"]["total_items"] == 1
    assert server.asked[0]["path"] == (
        "/agent-executions?page=1&page_size=10&order_by=created_at&order_direction=desc"
    )
    twin.call("list", agent_id="a", status=["failed", "cancelled"])
    assert "agent_id=a&status=failed&status=cancelled&" in server.asked[1]["path"]


def test_an_execution_is_an_object_and_a_dict(twin: Twin, server: Server) -> None:
    server.play({"json": {**DONE, "new_field": 1}})
    found = twin.call("retrieve", "exec_1")
    assert found.status == found["status"] == found.get("status", "") == "completed"
    assert found.new_field == 1
    assert not hasattr(found, "nothing")


def test_a_create_is_sent_again_with_the_same_key(twin: Twin, server: Server) -> None:
    server.play({"drop": True}, {"status": 503}, {"status": 201, "json": DONE})
    twin.call("create", agent_id="a", input_data={"q": 1}, priority=3)
    keys = {asked["headers"]["idempotency-key"] for asked in server.asked}
    assert len(server.asked) == 3
    assert len(keys) == 1
    body = {"agent_id": "a", "input_data": {"q": 1}, "priority": 3}
    assert all(json.loads(asked["body"]) == body for asked in server.asked)


def test_a_cancel_whose_reply_was_lost_is_no_conflict(twin: Twin, server: Server) -> None:
    terminal = {**DONE, "status": "cancelled"}
    conflict = {"status": 409, "json": {"code": "execution_terminal", "execution": terminal}}
    server.play({"drop": True}, conflict)
    assert twin.call("cancel", "exec_1").status == "cancelled"
    server.play(conflict)
    with pytest.raises(ConflictError) as caught:
        twin.call("cancel", "exec_1")
    assert caught.value.execution == terminal


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, ValidationError), (401, AuthenticationError), (404, NotFoundError), (500, ServerError)],
)
def test_each_status_has_its_error(
    twin: Twin, server: Server, status: int, kind: type[Exception]
) -> None:
    details = [{"field": "page", "message": "no"}]
    problem = {"message": "it is wrong", "code": "c", "details": details, "request_id": "r"}
    server.play({"status": status, "json": problem})
    with pytest.raises(kind, match="it is wrong") as caught:
        twin.call("retrieve", "exec_1")
    assert caught.value.details == details  # type: ignore[attr-defined]
    assert caught.value.request_id == "r"  # type: ignore[attr-defined]
    assert len(server.asked) == 1


def test_a_wait_is_held_by_the_service(twin: Twin, server: Server) -> None:
    held = {"Preference-Applied": "wait=5"}
    server.play({"json": GOING, "headers": held}, {"json": DONE, "headers": held})
    assert twin.call("wait_for_completion", "exec_1", timeout=5).output_data == 7
    assert [asked["headers"]["prefer"][:5] for asked in server.asked] == ["wait="] * 2


def test_a_wait_polls_a_service_that_holds_nothing(twin: Twin, server: Server) -> None:
    server.play({"json": GOING}, {"json": GOING}, {"json": DONE})
    started = time.monotonic()
    done = twin.call("wait_for_completion", "exec_1", timeout=20, poll_interval=0.1)
    assert done.status == "completed"
    assert time.monotonic() - started >= 0.2
    assert len(server.asked) == 3


def test_a_wait_outlives_lost_connections_and_errors(twin: Twin, server: Server) -> None:
    server.play({"drop": True}, {"status": 500}, {"status": 503}, {"json": DONE})
    done = twin.call("wait_for_completion", "exec_1", timeout=20, poll_interval=0.01)
    assert done.status == "completed"


@pytest.mark.parametrize("reply", [{"hang": True}, {"trickle": True}, {"drop": True}, {}])
def test_a_wait_s_deadline_is_hard(twin: Twin, server: Server, reply: dict[str, Any]) -> None:
    server.play({"json": {**GOING, "padding": "x" * 1000}, **reply})
    started = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        twin.call("wait_for_completion", "exec_1", timeout=0.5, poll_interval=0.1)
    assert 0.4 < time.monotonic() - started < 2.0
    assert isinstance(caught.value, ModeratelyError)
    assert (caught.value.execution is not None) == (reply == {})


def test_a_wait_of_no_time_looks_once(twin: Twin, server: Server) -> None:
    server.play({"json": DONE})
    assert twin.call("wait_for_completion", "exec_1", timeout=0).status == "completed"


def test_a_status_that_the_client_does_not_know_ends_a_wait(twin: Twin, server: Server) -> None:
    server.play({"json": {"id": "exec_1", "status": "archived", "is_terminal": True}})
    assert twin.call("wait_for_completion", "exec_1", timeout=5).status == "archived"


def test_a_wait_for_nothing_is_not_found(twin: Twin, server: Server) -> None:
    server.play({"status": 404, "json": {"message": "no execution"}})
    with pytest.raises(NotFoundError):
        twin.call("wait_for_completion", "exec_1", timeout=5)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_an_impossible_timeout_is_refused(twin: Twin, seconds: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        twin.call("wait_for_completion", "exec_1", timeout=seconds)


def test_a_service_that_is_not_there_is_said(twin: Twin, server: Server) -> None:
    twin.url = "http://127.0.0.1:9"
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1:9"):
        twin.call("retrieve", "exec_1", max_retries=0)


def test_a_redirect_is_not_followed_with_the_key(twin: Twin, server: Server) -> None:
    server.play({"status": 307, "headers": {"Location": "http://127.0.0.1:9/"}})
    with pytest.raises(ModeratelyError):
        twin.call("retrieve", "exec_1")
    assert len(server.asked) == 1


def test_a_closed_client_says_so(server: Server) -> None:
    client = ModeratelyAI(base_url=server.url, api_key="k" * 20)
    client.close()
    client.close()
    with pytest.raises(ModeratelyError, match="closed"):
        client.agent_executions.retrieve("exec_1")


def test_a_slow_reply_is_a_timeout(server: Server) -> None:
    server.play({"json": DONE, "hang": True})
    with (
        ModeratelyAI(base_url=server.url, api_key="k", timeout=0.2, max_retries=0) as client,
        pytest.raises(ConnectionTimeoutError),
    ):
        client.agent_executions.retrieve("exec_1")


def test_the_key_is_in_no_repr(server: Server) -> None:
    client = ModeratelyAI(base_url=server.url, api_key="s3cret-key")
    assert "s3cret" not in repr(client) + repr(client._transport) + repr(client._config)
