"""What a fake service answers: the operations, without HTTP."""

from __future__ import annotations

import itertools
import json
import math
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from moderately.protocol import routes, sse
from moderately.protocol.events import EVENTS_VERSION
from moderately.protocol.problems import PROBLEM_MEDIA_TYPE, Code
from moderately.testing.fake_executions import FakeExecution, timestamp
from moderately.testing.fake_streams import ExecutionFeed, FakeFeed, TeamFeed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from moderately.testing.states import State

__all__ = ["FakeApi", "FakeReply", "FakeRequest"]

_MAX_WAIT: Final = 60.0
_WAIT: Final = re.compile(r"wait=([0-9.]+)")
_CURSOR: Final = re.compile(r"([0-9]{1,18})\.[0-9]{1,9}\.([0-9a-z]{1,13})")


@dataclass(frozen=True, slots=True)
class FakeRequest:
    """A request that a fake server got.

    Attributes:
        method: The HTTP method.
        target: The path with the query, as it came.
        headers: By name, in lower case.
        body: The whole body.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path, as it came."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def json(self) -> Any:
        """The body, as read from JSON; an empty object for none."""
        return json.loads(self.body) if self.body else {}

    def one(self, name: str, default: str = "") -> str:
        """A query parameter's value."""
        return self.query.get(name, [default])[-1]


@dataclass(slots=True)
class FakeReply:
    """A reply: its status, what it says, and headers. `frames` are a stream's, in place of it."""

    status: int
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    frames: Iterator[bytes] | None = None


class _Problem(Exception):
    def __init__(self, status: int, code: Code, message: str, **extra: Any) -> None:
        super().__init__(message)
        body = {"status": status, "code": code, "message": message, "detail": message}
        self.reply = FakeReply(status, {"type": "about:blank", "details": [], **body, **extra})
        self.reply.headers["Content-Type"] = PROBLEM_MEDIA_TYPE


class FakeApi:
    """The operations of a fake service. Threads may share it.

    Args:
        api_key: The only key that it takes; None where it asks for none.
        scripts: What the executions of each agent go through.
    """

    def __init__(self, api_key: str | None, scripts: Mapping[str, Sequence[State]]) -> None:
        self.scripts = dict(scripts)
        self.holds = True
        self.streams = True
        self.has_team_events = True
        self.heartbeat = 15.0
        self._api_key = api_key
        self._executions: dict[str, FakeExecution] = {}
        self._keys: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._log: list[dict[str, Any]] = []
        self._era = 1
        self._changed = threading.Condition()
        self._is_closed = False

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def answer(self, request: FakeRequest) -> FakeReply:
        """Do what a request asks for."""
        name = request.headers.get("x-request-id") or f"req_fake{next(self._numbers):08d}"
        try:
            reply = self._answer(request)
        except _Problem as problem:
            reply = problem.reply
            reply.value["request_id"] = name
        reply.headers.setdefault("X-Request-Id", name)
        return reply

    def _answer(self, request: FakeRequest) -> FakeReply:
        if self._api_key and request.headers.get("authorization") != f"Bearer {self._api_key}":
            raise _Problem(401, Code.UNAUTHENTICATED, "There is no such key.")
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                with self._changed:
                    self._advance()
                    return handler(self, request, *map(unquote, found.groups()))
        raise _Problem(404, Code.NOT_FOUND, "There is nothing here.")

    def _advance(self) -> None:
        now = time.time()
        for execution in self._executions.values():
            execution.advance(now)

    def _find(self, execution_id: str) -> FakeExecution:
        try:
            return self._executions[execution_id]
        except KeyError:
            message = f"There is no execution {execution_id!r}."
            raise _Problem(404, Code.EXECUTION_NOT_FOUND, message) from None

    def _wait(
        self, request: FakeRequest, is_over: Callable[[], bool], ones: Sequence[FakeExecution]
    ) -> float:
        """Wait as long as the request allows; says for how long that was at most."""
        asked = request.one("wait") or _WAIT.search(request.headers.get("prefer", ""))
        seconds = float(asked if isinstance(asked, str) else asked[1]) if asked else 0.0
        seconds = min(seconds, _MAX_WAIT) if self.holds else 0.0
        end = time.time() + seconds
        while not is_over() and not self._is_closed and (left := end - time.time()) > 0:
            soon = min((one.next_change() for one in ones), default=math.inf)
            self._changed.wait(max(0.0, min(left, soon - time.time())))
            self._advance()
        return seconds

    def _told(self, reply: FakeReply, seconds: float) -> FakeReply:
        if seconds:
            reply.headers["Preference-Applied"] = f"wait={seconds:g}"
        return reply

    def create(self, request: FakeRequest) -> FakeReply:
        """`POST /agent-executions`."""
        body = request.json()
        key = request.headers.get("idempotency-key") or body.pop("idempotency_key", None)
        agent_id = body.get("agent_id")
        if not isinstance(agent_id, str):
            details = [{"field": "agent_id", "message": "is required"}]
            message = "agent_id is required."
            raise _Problem(400, Code.INVALID_REQUEST, message, details=details)
        if agent_id not in self.scripts:
            raise _Problem(404, Code.AGENT_NOT_FOUND, f"There is no agent {agent_id!r}.")
        return self._create_once(key, body, body)

    def _create_once(self, key: str | None, print_: Any, body: dict[str, Any]) -> FakeReply:
        if key in self._keys:
            known, made = self._keys[key]
            if known != print_:
                message = "The idempotency key was used with another body."
                raise _Problem(422, Code.IDEMPOTENCY_KEY_REUSED, message)
            return FakeReply(201, made, {"Idempotent-Replayed": "true"})
        now = time.time()
        execution_id = f"exec_{next(self._numbers):026d}"
        execution = FakeExecution(
            execution_id, body, self.scripts[body["agent_id"]], now, self._log
        )
        made = dict(execution.fields)
        self._executions[execution_id] = execution
        self._changed.notify_all()
        if key:
            self._keys[key] = print_, made
        return FakeReply(201, made, {"Location": f"/agent-executions/{execution_id}"})

    def retrieve(self, request: FakeRequest, execution_id: str) -> FakeReply:
        """`GET /agent-executions/{id}`."""
        execution = self._find(execution_id)
        seconds = self._wait(request, lambda: execution.is_terminal, [execution])
        return self._told(FakeReply(200, dict(execution.fields)), seconds)

    def delete(self, request: FakeRequest, execution_id: str) -> FakeReply:
        """`DELETE /agent-executions/{id}`."""
        del request
        if not self._find(execution_id).is_terminal:
            message = f"Execution {execution_id} has not ended."
            raise _Problem(409, Code.EXECUTION_NOT_TERMINAL, message)
        del self._executions[execution_id]
        return FakeReply(204)

    def cancel(self, request: FakeRequest, execution_id: str) -> FakeReply:
        """`POST /agent-executions/{id}/cancel`."""
        execution = self._find(execution_id)
        if execution.is_terminal:
            message = f"Execution {execution_id} is {execution.fields['status']} already."
            found = dict(execution.fields)
            raise _Problem(409, Code.EXECUTION_TERMINAL, message, execution=found)
        execution.cancel(request.json().get("reason"), time.time())
        self._changed.notify_all()
        return FakeReply(200, dict(execution.fields))

    def resume(self, request: FakeRequest, execution_id: str) -> FakeReply:
        """`POST /agent-executions/{id}/resume`."""
        del request
        execution = self._find(execution_id)
        if execution.fields["status"] != "paused":
            raise _Problem(409, Code.CONFLICT, f"Execution {execution_id} waits for no answer.")
        execution.resume(time.time())
        found = dict(execution.fields)
        self._changed.notify_all()
        return FakeReply(200, found)

    def fork(self, request: FakeRequest, execution_id: str) -> FakeReply:
        """`POST /agent-executions/{id}/fork`."""
        body, fields = request.json(), self._find(execution_id).fields
        made = {"agent_id": fields["agent_id"], "input_data": fields["input_data"], **body}
        reply = self._create_once(
            request.headers.get("idempotency-key"), ["fork", execution_id, body], made
        )
        reply.value["forked_from"] = execution_id
        self._executions[reply.value["id"]].fields["forked_from"] = execution_id
        return reply

    def move(self, request: FakeRequest, execution_id: str) -> FakeReply:
        """`POST /agent-executions/{id}/move`."""
        version = request.json().get("to")
        self._find(execution_id)
        raise _Problem(409, Code.CONFLICT, f"The agent has no version {version!r}.")

    def steps(self, request: FakeRequest, execution_id: str) -> FakeReply:
        """`GET /agent-executions/{id}/steps`."""
        del request
        self._find(execution_id)
        return FakeReply(200, {"items": []})

    def emit(self, execution_id: str, kind: str, data: dict[str, Any], *, live: bool) -> None:
        """Let an execution's agent tell something."""
        with self._changed:
            self._advance()
            self._executions[execution_id].emit(kind, data, time.time(), live=live)
            self._changed.notify_all()

    def reset_cursors(self) -> None:
        """Forget every place in the team's events that was handed out."""
        with self._changed:
            self._era += 1

    def events(self, request: FakeRequest, execution_id: str) -> FakeReply:
        """`GET /agent-executions/{id}/events`."""
        execution = self._find(execution_id)
        after = _number(request.headers.get("last-event-id") or request.one("after", "0"))
        if self._is_stream(request):
            live = request.one("live") == "true"
            return self._stream(ExecutionFeed(execution, after, live=live))
        limit = int(request.one("limit", "100"))
        is_over = lambda: execution.is_terminal or len(execution.events) > after  # noqa: E731
        seconds = self._wait(request, is_over, [execution])
        items = execution.events[after : after + limit]
        last = items[-1]["seq"] if items else after
        ended = execution.is_terminal and last >= len(execution.events)
        page = {"items": items, "next_after": last, "is_terminal": ended}
        return self._told(FakeReply(200, page), seconds)

    def team_events(self, request: FakeRequest) -> FakeReply:
        """`GET /events`."""
        if not self.has_team_events:
            raise _Problem(404, Code.NOT_FOUND, "There is nothing here.")
        given = request.headers.get("last-event-id") or request.one("after")
        feed = TeamFeed(self._log, request.query, self._place(given), self._era)
        if self._is_stream(request):
            return self._stream(feed)
        items: list[dict[str, Any]] = []
        seconds = 0.0
        if given:
            is_over = lambda: feed.has_news  # noqa: E731
            seconds = self._wait(request, is_over, [*self._executions.values()])
            items = feed.page(int(request.one("limit", "100")))
        return self._told(FakeReply(200, {"items": items, "next_after": feed.cursor}), seconds)

    def _place(self, given: str) -> int:
        """How many events lie before a place in the team's events."""
        if given in ("", "start"):
            return len(self._log) if not given else 0
        found = _CURSOR.fullmatch(given)
        if found is None:
            raise _Problem(400, Code.INVALID_REQUEST, f"{given!r} is no cursor.")
        if found[2] != str(self._era) or int(found[1]) > len(self._log):
            newest = f"{len(self._log)}.0.{self._era}"
            raise _Problem(410, Code.CURSOR_RESET, "The cursor is not known.", cursor=newest)
        return int(found[1])

    def _is_stream(self, request: FakeRequest) -> bool:
        return self.streams and sse.MEDIA_TYPE in request.headers.get("accept", "")

    def _stream(self, feed: FakeFeed) -> FakeReply:
        headers = {
            "Content-Type": f"{sse.MEDIA_TYPE}; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            routes.EVENTS_VERSION: str(EVENTS_VERSION),
        }
        return FakeReply(200, None, headers, self._frames(feed))

    def _frames(self, feed: FakeFeed) -> Iterator[bytes]:
        """What a stream says, as it comes."""
        yield feed.first
        while not self._is_closed:
            with self._changed:
                self._advance()
                frames = feed.news()
                if not frames and not feed.is_over:
                    frames = self._next_frames(feed)
            yield from frames
            if feed.is_over:
                return

    def _next_frames(self, feed: FakeFeed) -> list[bytes]:
        """Wait until there is something to say; a heartbeat, after a while."""
        end = time.time() + self.heartbeat
        while not self._is_closed and (left := end - time.time()) > 0:
            soon = min((one.next_change() for one in self._executions.values()), default=math.inf)
            self._changed.wait(max(0.0, min(left, soon - time.time())))
            self._advance()
            if frames := feed.news():
                return frames
        return [feed.heartbeat]

    def list_executions(self, request: FakeRequest) -> FakeReply:
        """`GET /agent-executions`."""
        agent_id, statuses = request.one("agent_id"), request.query.get("status")
        labels = {
            name.removeprefix("metadata."): values[-1]
            for name, values in request.query.items()
            if name.startswith("metadata.")
        }
        found = [
            one.fields
            for one in self._executions.values()
            if (not agent_id or one.fields["agent_id"] == agent_id)
            and (not statuses or one.fields["status"] in statuses)
            and labels.items() <= one.fields["metadata"].items()
        ]
        order = request.one("order_by", "created_at")
        is_down = request.one("order_direction", "desc") == "desc"
        found.sort(key=lambda one: (one[order] is not None, one[order], one["id"]), reverse=is_down)
        return FakeReply(200, self._page(request, found, order, is_down=is_down))

    def _page(
        self, request: FakeRequest, found: list[Any], order: str, *, is_down: bool
    ) -> dict[str, Any]:
        page, size = int(request.one("page", "1")), int(request.one("page_size", "10"))
        total, start = len(found), (page - 1) * size
        if cursor := request.one("cursor"):
            # The id says where the cursor stands, though what it stood at may be gone.
            found = [
                one for one in found if (one["id"] < cursor if is_down else one["id"] > cursor)
            ]
            start = 0
        items = found[start : start + size]
        more = len(found) > start + size and order == "created_at"
        pages = -(-total // size)
        info = {"page": page, "page_size": size, "total_items": total, "total_pages": pages}
        info |= {"has_next_page": page < pages, "has_previous_page": page > 1}
        next_cursor = items[-1]["id"] if more else None
        return {"items": items, "pagination": info, "next_cursor": next_cursor}

    def list_agents(self, request: FakeRequest) -> FakeReply:
        """`GET /agents`."""
        page = self._page(
            request, [_agent(name) for name in sorted(self.scripts)], "", is_down=False
        )
        del page["next_cursor"]
        return FakeReply(200, page)

    def retrieve_agent(self, request: FakeRequest, agent_id: str) -> FakeReply:
        """`GET /agents/{id}`."""
        del request
        if agent_id not in self.scripts:
            raise _Problem(404, Code.AGENT_NOT_FOUND, f"There is no agent {agent_id!r}.")
        return FakeReply(200, _agent(agent_id))


def _number(text: str) -> int:
    if not text.isdecimal():
        raise _Problem(400, Code.INVALID_REQUEST, f"after is a number; not {text!r}.")
    return int(text)


def _agent(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "source": "code",
        "version": "1",
        "description": "A fake.",
        "input_schema": {"type": "object"},
        "output_schema": {},
        "timeout_seconds": None,
        "max_concurrency": None,
        "is_available": True,
        "created_at": timestamp(0),
        "updated_at": timestamp(0),
    }


_ONE: Final = "/agent-executions/([^/]+)"
_ROUTES: Final[list[tuple[str, str, Callable[..., FakeReply]]]] = [
    ("POST", "/agent-executions", FakeApi.create),
    ("GET", "/agent-executions", FakeApi.list_executions),
    ("GET", _ONE, FakeApi.retrieve),
    ("DELETE", _ONE, FakeApi.delete),
    ("POST", f"{_ONE}/cancel", FakeApi.cancel),
    ("POST", f"{_ONE}/resume", FakeApi.resume),
    ("POST", f"{_ONE}/fork", FakeApi.fork),
    ("POST", f"{_ONE}/move", FakeApi.move),
    ("GET", f"{_ONE}/steps", FakeApi.steps),
    ("GET", f"{_ONE}/events", FakeApi.events),
    ("GET", "/events", FakeApi.team_events),
    ("GET", "/agents", FakeApi.list_agents),
    ("GET", "/agents/([^/]+)", FakeApi.retrieve_agent),
]
