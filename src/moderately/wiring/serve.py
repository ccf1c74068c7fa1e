"""`serve`: the API, with a worker in its process or without one, from start to a clean stop."""

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
import uvloop

from moderately.api import ApiOptions, create_app
from moderately.domain.errors import DomainError
from moderately.domain.ports import Engine
from moderately.domain.storing import Store
from moderately.engine.remote import RemoteEngine
from moderately.protocol.credentials import (
    Credentials,
    credentials_path,
    find_credentials,
    save_credentials,
)
from moderately.protocol.version import __version__
from moderately.runtime import LocalRunner
from moderately.runtime.agents import AgentDefinition
from moderately.service import KeyRing, Service
from moderately.settings import Settings
from moderately.web import make_pages
from moderately.wiring.clock import SystemClock
from moderately.wiring.crash import crash_point
from moderately.wiring.http import HttpProtocol
from moderately.wiring.place import StartError, is_postgres
from moderately.wiring.stores import open_stores
from moderately.wiring.work import (
    SWITCH_SECONDS,
    definitions_of,
    make_worker,
    register,
    settle_down,
    until_stopped,
)

__all__ = ["Ready", "serve"]

_log = logging.getLogger(__name__)

DEFAULT_TEAM: Final = "default"
_REPLY_GRACE_SECONDS: Final = 3
_PRUNE_SECONDS: Final = 600.0
_PRUNE_PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Ready:
    """What a service that is up tells.

    Attributes:
        base_url: Where it answers.
        data: Its database.
        api_key: The key, where one was made just now.
        credentials_file: Where the key is for the client to find; None without authentication.
        agents: The agents that it serves.
        has_worker: Whether it runs executions itself.
    """

    base_url: str
    data: str
    api_key: str | None
    credentials_file: Path | None
    agents: list[str]
    has_worker: bool = True


def serve(settings: Settings, *, on_ready: Callable[[Ready], None]) -> None:
    """Run the service until SIGINT or SIGTERM.

    Args:
        settings: How.
        on_ready: Called once it answers.

    Raises:
        StartError: If it cannot start.
    """
    definitions = definitions_of(settings)
    if not settings.workers and not is_postgres(settings):
        raise StartError(
            "--workers 0 leaves the running to other processes, and a SQLite file has none: give"
            " --database postgresql://…, or leave --workers out"
        )
    with _listening(settings) as listener:
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            uvloop.run(_serve(settings, definitions, listener, on_ready))
        except DomainError as error:
            raise StartError(error.message) from error


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    host = settings.host.strip("[]")
    try:
        family = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise StartError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}. Choose another"
            " --port (0 for any free one)."
        ) from error
    try:
        yield listener
    finally:
        listener.close()


async def _serve(
    settings: Settings,
    definitions: dict[str, list[AgentDefinition]],
    listener: socket.socket,
    on_ready: Callable[[Ready], None],
) -> None:
    clock = SystemClock()
    at = crash_point(settings.chaos_crash)
    async with open_stores(settings, clock, is_owner=True, at=at) as stores:
        await register(stores.executions, definitions)
        keys = KeyRing(stores.keys, clock, time.monotonic)
        engine, runner = _engine(settings, definitions, stores.executions, clock)
        service = Service(
            stores.executions, engine, keys, clock, time.monotonic, reports=stores.reports
        )
        await engine.start()
        try:
            base_url = _base_url(settings, listener)
            secret, file = await _first_key(settings, keys, base_url, stores.place)
            has_worker = runner is not None
            ready = Ready(base_url, stores.place, secret, file, sorted(definitions), has_worker)
            settle_down()
            server = _server(settings, service, lambda: on_ready(ready))
            pruning = asyncio.create_task(_prune(service, settings.retention))
            await _run(server, listener, service)
            pruning.cancel()
        finally:
            await engine.stop(settings.grace)
            if runner is not None:
                runner.close()


def _engine(
    settings: Settings,
    definitions: dict[str, list[AgentDefinition]],
    store: Store,
    clock: SystemClock,
) -> tuple[Engine, LocalRunner | None]:
    """The engine, and its runner where this process is to run executions."""
    if settings.workers:
        return make_worker(settings, definitions, store, clock)
    return RemoteEngine(store, settings.poll), None


async def _prune(service: Service, days: float | None) -> None:
    """Remove what ended longer ago than it is kept, little by little."""
    while days is not None:
        try:
            removed = await service.prune(days * 86400)
        except DomainError as error:
            _log.warning("cannot remove old executions: %s", error.message)
            removed = 0
        await asyncio.sleep(_PRUNE_PAUSE_SECONDS if removed else _PRUNE_SECONDS)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        # The signals are ours: uvicorn would end the process before the runs have ended.
        return contextlib.nullcontext()


def _server(settings: Settings, service: Service, on_ready: Callable[[], None]) -> uvicorn.Server:
    app = create_app(
        service,
        ApiOptions(
            body_limit=settings.body_limit,
            max_wait=settings.max_wait,
            heartbeat=settings.heartbeat,
            anonymous_team=None if settings.auth else DEFAULT_TEAM,
            version=__version__,
        ),
        make_pages(),
    )
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_REPLY_GRACE_SECONDS,
    )
    return _Server(config, on_ready)


def _base_url(settings: Settings, listener: socket.socket) -> str:
    host, port = settings.host.strip("[]"), listener.getsockname()[1]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - it is only compared with
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _first_key(
    settings: Settings, keys: KeyRing, base_url: str, data: str
) -> tuple[str | None, Path | None]:
    """See to it that there is a key, and that the client finds it.

    Returns:
        The key's secret where it was made just now, and the credentials file.
    """
    if not settings.auth:
        return None, None
    wanted = settings.bootstrap_api_key
    secret: str | None = None
    if wanted is not None:
        if await keys.find(wanted) is None:
            await keys.create(team_id=DEFAULT_TEAM, name="bootstrap", secret=wanted)
        save_credentials(Credentials(base_url, wanted, DEFAULT_TEAM, data))
        return None, credentials_path()
    if not await keys.list():
        made = await keys.create(team_id=DEFAULT_TEAM, name="first")
        secret = made.secret
        save_credentials(Credentials(base_url, secret, DEFAULT_TEAM, data))
        return secret, credentials_path()
    known = find_credentials(data=data)
    if known is not None:
        save_credentials(Credentials(base_url, known.api_key, known.team_id, data))
        return None, credentials_path()
    return None, None


async def _run(server: uvicorn.Server, listener: socket.socket, service: Service) -> None:
    """Answer requests until a signal asks for an end."""
    answering = asyncio.create_task(server.serve([listener]))
    async with until_stopped() as stopped:
        await asyncio.wait((answering, stopped), return_when=asyncio.FIRST_COMPLETED)
    service.stop_waiting()
    server.should_exit = True
    await answering
