"""The application: its routes, and what stands before them."""

import re
import secrets
import time
from typing import Final

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moderately.api import handlers
from moderately.api.http import ApiOptions, Handler, Resource, problem
from moderately.api.operator import Metrics, Operator
from moderately.protocol import routes
from moderately.protocol.problems import PROBLEM_MEDIA_TYPE, Code
from moderately.service import Service

__all__ = ["ApiOptions", "create_app"]

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def create_app(service: Service, options: ApiOptions) -> ASGIApp:
    """Make the ASGI application.

    Args:
        service: The use cases.
        options: How it behaves.
    """
    metrics = Metrics(service)
    operator = Operator(service, options, metrics)

    def route(path: str, *, is_open: bool = False, **methods: Handler) -> Route:
        by_method = {method.upper(): handler for method, handler in methods.items()}
        return Route(path, Resource(path, by_method, service, options, is_open=is_open))

    executions, one = routes.EXECUTIONS, f"{routes.EXECUTIONS}/{{id}}"
    cancel = handlers.cancel_execution
    router = Router(
        [
            route(executions, post=handlers.create_execution, get=handlers.list_executions),
            route(one, get=handlers.retrieve_execution, delete=handlers.delete_execution),
            route(f"{one}/cancel", post=cancel, patch=cancel),
            route(f"{one}/steps", get=handlers.list_steps),
            route(f"{one}/events", get=handlers.list_events),
            route(routes.AGENTS, get=handlers.list_agents),
            route(f"{routes.AGENTS}/{{id}}", get=handlers.retrieve_agent),
            route(f"{routes.AGENTS}/{{id}}/versions", get=handlers.list_agent_versions),
            route("/health", is_open=True, get=operator.health),
            route("/ready", is_open=True, get=operator.ready),
            route("/metrics", is_open=True, get=operator.metrics),
            route("/openapi.json", is_open=True, get=operator.openapi),
            route("/docs", is_open=True, get=operator.docs),
        ],
        redirect_slashes=False,
        default=_not_found,
    )
    # The whole stack, from the outside in.
    return _RequestId(_Measure(router, metrics))


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    if scope["type"] != "http":
        return
    message = "There is nothing here; /docs lists what there is."
    reply = problem(Code.NOT_FOUND, message, scope["state"]["request_id"])
    headers = [
        (b"content-type", PROBLEM_MEDIA_TYPE.encode("ascii")),
        (b"content-length", str(len(reply.body)).encode("ascii")),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})


class _RequestId:
    """Gives each request an id, or takes the caller's own, and answers with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = ""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                request_id = value.decode("latin-1")
                break
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = f"req_{secrets.token_hex(8)}"
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        header = (b"x-request-id", request_id.encode("ascii"))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append(header)
            await send(message)

        await self._app(scope, receive, answer)


class _Measure:
    """Counts and times requests, by the route's template."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 499

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            path = scope["state"].get("route", "unknown")
            self._metrics.observe(scope["method"], path, status, time.perf_counter() - started)
