"""The application: its routes, and what stands before them."""

import itertools
import re
import secrets
import time
from typing import Final

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from moderately.api import handlers
from moderately.api.http import ApiOptions, Handler, Resource, problem, request_id, send_reply
from moderately.api.operator import Metrics, Operator
from moderately.protocol import routes
from moderately.protocol.problems import Code
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
            route(f"{one}/resume", post=handlers.resume_execution),
            route(f"{one}/fork", post=handlers.fork_execution),
            route(f"{one}/move", post=handlers.move_execution),
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
    return _Frame(router, metrics)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    if scope["type"] == "http":
        message = "There is nothing here; /docs lists what there is."
        await send_reply(problem(Code.NOT_FOUND, message, request_id(scope)), scope, send)


class _Frame:
    """Gives each request an id, or takes the caller's own; counts and times it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._numbers = itertools.count(secrets.randbits(62))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        name = ""
        for header, value in scope["headers"]:
            if header == b"x-request-id":
                name = value.decode("latin-1")
                break
        if not _REQUEST_ID.fullmatch(name):
            name = f"req_{next(self._numbers):016x}"
        state = scope["state"] = {"request_id": name, "route": "unknown", "status": 499}
        try:
            await self._app(scope, receive, send)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.observe(scope["method"], state["route"], state["status"], seconds)
