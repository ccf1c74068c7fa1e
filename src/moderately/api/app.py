"""The application: its routes, and what stands before them."""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from moderately.api import handlers
from moderately.api.operator import Metrics, Operator
from moderately.domain.errors import DomainError
from moderately.http import (
    ApiOptions,
    Call,
    HungUp,
    Receive,
    Reply,
    Resource,
    Scope,
    Send,
    problem,
)
from moderately.http.streams import OUTLET, Outlet, Stream
from moderately.protocol import routes
from moderately.protocol.problems import Code
from moderately.service import Service

__all__ = ["ApiOptions", "create_app"]

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("moderately.api")

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HUNG_UP: Final = 499
_UI_REST: Final = "/ui/{rest}"


def create_app(
    service: Service, options: ApiOptions, pages: Mapping[str, Resource] = MappingProxyType({})
) -> ASGIApp:
    """Make the ASGI application.

    Args:
        service: The use cases.
        options: How it behaves.
        pages: What else there is, by the template of its path.
    """
    metrics = Metrics(service)
    operator = Operator(service, options, metrics)
    executions, one = routes.EXECUTIONS, f"{routes.EXECUTIONS}/{{id}}"
    agents = routes.AGENTS
    cancel = handlers.cancel_execution
    resources = {
        executions: Resource(post=handlers.create_execution, get=handlers.list_executions),
        one: Resource(get=handlers.retrieve_execution, delete=handlers.delete_execution),
        f"{one}/cancel": Resource(post=cancel, patch=cancel),
        f"{one}/resume": Resource(post=handlers.resume_execution),
        f"{one}/fork": Resource(post=handlers.fork_execution),
        f"{one}/move": Resource(post=handlers.move_execution),
        f"{one}/steps": Resource(get=handlers.list_steps),
        f"{one}/events": Resource(get=handlers.list_events),
        routes.EVENTS: Resource(get=handlers.list_team_events),
        agents: Resource(get=handlers.list_agents),
        f"{agents}/{{id}}": Resource(get=handlers.retrieve_agent),
        f"{agents}/{{id}}/versions": Resource(get=handlers.list_agent_versions),
        "/health": Resource(is_open=True, get=operator.health),
        "/ready": Resource(is_open=True, get=operator.ready),
        "/metrics": Resource(is_open=True, get=operator.metrics),
        "/openapi.json": Resource(is_open=True, get=operator.openapi),
        "/docs": Resource(is_open=True, get=operator.docs),
    }
    return _App({**resources, **pages}, service, options, metrics)


class _App:
    """Gives each request an id, or takes the caller's own; answers, counts and times it.

    Args:
        resources: By the template of their paths. Just the second part may be `{id}`, and of what
            begins with `/ui` just the third; `/ui/{rest}` is where nothing else is there.
        service: The use cases.
        options: How the API behaves.
        metrics: Where to count.
    """

    def __init__(
        self,
        resources: Mapping[str, Resource],
        service: Service,
        options: ApiOptions,
        metrics: Metrics,
    ) -> None:
        self._resources = resources
        self._service = service
        self._options = options
        self._metrics = metrics
        self._numbers = itertools.count(secrets.randbits(62))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        path, identifier = _template(scope["path"])
        if path not in self._resources and f"{path}/".startswith("/ui/"):
            path = _UI_REST
        resource = self._resources.get(path)
        call = Call(scope, receive, self._service, self._options, identifier)
        call.request_id = self._name(call)
        status = _HUNG_UP
        stream: Stream | None = None
        try:
            reply = _nothing(call) if resource is None else await resource.answer(call)
            status, stream = reply.status, reply.stream
            await _send(reply, call, send)
        except HungUp:
            pass
        finally:
            seconds = time.perf_counter() - started
            route = "unknown" if resource is None else path
            self._metrics.observe(call.method, route, status, seconds)
            if stream is not None:
                await _send_stream(stream, call, scope["extensions"][OUTLET]["self"], send)

    def _name(self, call: Call) -> str:
        name = call.header(routes.REQUEST_ID)
        if name is None or not _REQUEST_ID.fullmatch(name):
            name = f"req_{next(self._numbers):016x}"
        return name


def _template(path: str) -> tuple[str, str]:
    """A path with `{id}` for one of its parts, and that part: what a dictionary can find."""
    match path.split("/", 4):
        case ["", "ui", collection, identifier, *rest] if identifier:
            return "/".join(("", "ui", collection, "{id}", *rest)), identifier
        case ["", "ui", *_]:
            return path, ""
        case ["", collection, identifier, *rest] if identifier:
            return "/".join(("", collection, "{id}", *rest)), identifier
    return path, ""


def _nothing(call: Call) -> Reply:
    message = "There is nothing here; /docs lists what there is."
    return problem(Code.NOT_FOUND, message, call.request_id)


async def _send(reply: Reply, call: Call, send: Send) -> None:
    headers = [(b"x-request-id", call.request_id.encode("ascii"))]
    if reply.body or reply.stream is not None:
        headers.append((b"content-type", reply.media_type.encode("ascii")))
    if reply.status != HTTPStatus.NO_CONTENT and reply.stream is None:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    for name, value in reply.headers.items():
        headers.append((name.lower().encode("ascii"), value.encode("latin-1")))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.stream is not None:
        return
    body = b"" if call.method == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})


async def _send_stream(stream: Stream, call: Call, outlet: Outlet, send: Send) -> None:
    """Send what a stream has, to its end; break off where it cannot go on."""
    try:
        if call.method != "HEAD":
            await stream.run(outlet)
    except DomainError:
        outlet.abort()
    except Exception:  # noqa: BLE001 - it is in the log, under the request's id
        _log.exception("the stream of request %s failed", call.request_id)
        outlet.abort()
    finally:
        stream.close()
    await send({"type": "http.response.body", "body": b""})
