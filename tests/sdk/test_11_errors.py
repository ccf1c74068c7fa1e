"""11. One error tree, the same for sync, async and mid-stream, mapped from status and `code`."""

import inspect
import pickle
from typing import Any

import httpx
import httpx2
import pytest
from tests.support.twins import Twin

import moderately
from moderately import (
    AgentExecution,
    APIConnectionError,
    APIError,
    APIStatusError,
    AuthenticationError,
    ConflictError,
    ConnectionTimeoutError,
    InvalidReplyError,
    ModeratelyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnprocessableEntityError,
    ValidationError,
)
from moderately.client import errors
from moderately.client.failures import connection_error
from moderately.testing import FakeServer
from moderately.testing.faults import cut, drop, end_early, hang, html, reply

KINDS = {
    400: ValidationError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    418: APIStatusError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    500: ServerError,
    599: ServerError,
}


def calls(executions: Any) -> list[Any]:
    return [
        lambda: executions.retrieve("exec_1"),
        lambda: executions.create(agent_id="echo"),
        executions.list,
        lambda: list(executions.list()),
        lambda: executions.events("exec_1"),
    ]


@pytest.mark.parametrize("status", KINDS)
def test_each_status_has_its_error_everywhere(twin: Twin, server: FakeServer, status: int) -> None:
    details = [{"field": "page", "message": "no"}]
    body = {"message": "it is wrong", "code": "c", "details": details, "request_id": "r"}
    server.misbehave(reply(status, body, retry_after=7), always=True)
    executions = twin.client(max_retries=0).agent_executions
    for call in calls(executions):
        with pytest.raises(KINDS[status], match="it is wrong") as caught:
            call()
        error = caught.value
        assert type(error) is KINDS[status]
        assert (error.status_code, error.code, error.request_id) == (status, "c", "r")
        assert (error.details, error.body, error.retry_after) == (details, body, 7.0)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("execution_not_found", NotFoundError),
        ("rate_limited", RateLimitError),
        ("x", APIStatusError),
    ],
)
def test_a_code_goes_before_a_status(
    executions: Any, server: FakeServer, code: str, kind: type[Exception]
) -> None:
    server.misbehave(reply(418, {"code": code, "message": "no"}))
    with pytest.raises(kind) as caught:
        executions.retrieve("exec_1")
    assert type(caught.value) is kind


def test_a_stream_raises_the_same(executions: Any, server: FakeServer) -> None:
    with pytest.raises(NotFoundError):
        list(executions.stream("exec_none"))
    made = executions.create(agent_id="sleeper")
    server.misbehave(end_early(2), reply(401), where="/events", always=True)
    stream = iter(executions.stream(made.id, timeout=10))
    next(stream), next(stream)
    with pytest.raises(AuthenticationError):
        next(stream)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (drop(), APIConnectionError, "Cannot reach the service"),
        (cut(), APIConnectionError, "Cannot reach the service"),
        (hang(), ConnectionTimeoutError, "No reply"),
        (html(), ServerError, "replied 502: Bad Gateway"),
        (html(200, "Log in"), InvalidReplyError, "not JSON: Log in"),
        (reply(200, b"{"), InvalidReplyError, "not JSON"),
        (reply(200, ["a"]), InvalidReplyError, "not an object"),
        (reply(200, {"id": "x"}), InvalidReplyError, "no status"),
        (reply(200, b"[" * 100_000), InvalidReplyError, "not JSON"),
        (reply(400, ["a", "list"]), ValidationError, "replied 400"),
        (reply(400, b"plain words"), ValidationError, "plain words"),
        (reply(400, {"error": {"message": "nested"}}), ValidationError, "nested"),
        (reply(500, b""), ServerError, "replied 500"),
        (reply(307, b"", headers={"Location": "http://a/"}), APIStatusError, "points to http://a/"),
        (
            reply(200, b"no gzip", headers={"Content-Encoding": "gzip"}),
            APIConnectionError,
            "Cannot",
        ),
    ],
)
def test_what_misbehaves_has_an_error_of_ours(
    twin: Twin, server: FakeServer, fault: Any, kind: type[Exception], message: str
) -> None:
    server.misbehave(fault, always=True)
    client = twin.client(max_retries=0, timeout=1.0)
    with pytest.raises(kind, match=message) as caught:
        client.agent_executions.retrieve("exec_1")
    assert isinstance(caught.value, APIError)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), kind)  # noqa: S301 - our own


def test_the_request_id_is_found_in_the_header_too(executions: Any, server: FakeServer) -> None:
    server.misbehave(reply(200, b"{", headers={"X-Request-Id": "req_7"}))
    with pytest.raises(InvalidReplyError) as caught:
        executions.retrieve("exec_1")
    assert caught.value.request_id == "req_7"


def test_a_redirect_is_not_followed_with_the_key(executions: Any, server: FakeServer) -> None:
    server.misbehave(reply(307, b"", headers={"Location": f"{server.base_url}/elsewhere"}))
    with pytest.raises(APIStatusError):
        executions.retrieve("exec_1")
    assert len(server.requests) == 1


def test_no_service_is_said(twin: Twin) -> None:
    twin.base_url = "http://127.0.0.1:9"
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1:9"):
        twin.client(max_retries=0).agent_executions.retrieve("exec_1")


def test_a_closed_client_says_so(twin: Twin) -> None:
    client = twin.client()
    close = client.aclose if twin.is_async else client.close
    close()
    close()
    with pytest.raises(ModeratelyError, match="closed"):
        client.agent_executions.retrieve("exec_1")


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name.endswith("Error")])
def test_every_error_is_ours_public_and_can_be_pickled(name: str) -> None:
    kind = getattr(moderately, name)
    assert issubclass(kind, ModeratelyError)
    execution = AgentExecution({"id": "exec_1", "status": "failed"})
    given: dict[str, Any] = {"execution": execution}
    parameters = inspect.signature(kind).parameters
    if "status_code" in parameters:
        given = {"status_code": 400, "body": {"code": "c"}, "retry_after": 1.5}
    elif "execution" not in parameters:
        given = {}
    error = kind("why", **given)
    error.add_note("a note")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(copy) is kind
    assert str(copy) == "why"
    assert copy.__dict__ == error.__dict__


def test_the_tree_is_as_it_is_drawn() -> None:
    drawn = [line for line in errors.__doc__.splitlines() if "──" in line]
    named = [line.split("── ")[1].split()[0] for line in drawn]
    assert sorted(["ModeratelyError", *named]) == sorted(
        name for name in errors.__all__ if name.endswith("Error")
    )


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_every_exception_of_a_transport_becomes_ours(library: Any) -> None:
    for name in dir(library):
        kind = getattr(library, name)
        if inspect.isclass(kind) and issubclass(kind, library.TransportError):
            found = connection_error(kind("x"), "http://x", 1.0)
            assert isinstance(found, APIConnectionError)
            is_late = issubclass(kind, library.TimeoutException)
            assert isinstance(found, ConnectionTimeoutError) == is_late
    assert connection_error(KeyError("the caller's own"), "http://x", 1.0) is None
