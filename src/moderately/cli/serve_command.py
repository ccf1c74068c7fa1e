"""`moderately serve` and `moderately worker`."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from moderately.cli.exits import Exit, Stop
from moderately.cli.output import note
from moderately.settings import SETTINGS, Settings, SettingsError, load_settings

__all__ = ["serve", "worker"]

_DEFAULTS = load_settings({}, {})


def _help(name: str) -> str:
    default = getattr(_DEFAULTS, name)
    shown = "" if default is None or name == "auth" else f" Default: {default}."
    setting = next(setting for setting in SETTINGS if setting.name == name)
    return f"{setting.sentence}{shown} ({setting.variable})"


Agents = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="AGENTS...",
        help="Files (agents.py) or modules (package.module) with agents. (MODERATELY_AGENTS)",
    ),
]
Database = Annotated[str | None, typer.Option(help=_help("database"))]
DatabaseSession = Annotated[str | None, typer.Option(help=_help("database_session"))]
DatabasePool = Annotated[str | None, typer.Option(help=_help("database_pool"))]
Grace = Annotated[str | None, typer.Option(help=_help("grace"))]
MaxConcurrency = Annotated[str | None, typer.Option(help=_help("max_concurrency"))]
Threads = Annotated[str | None, typer.Option(help=_help("threads"))]
ParkAfter = Annotated[str | None, typer.Option(help=_help("park_after"))]
CancelGrace = Annotated[str | None, typer.Option(help=_help("cancel_grace"))]
Lease = Annotated[str | None, typer.Option(help=_help("lease"))]
Poll = Annotated[str | None, typer.Option(help=_help("poll"))]
LogLevel = Annotated[str | None, typer.Option(help=_help("log_level"))]


def serve(
    *,
    agents: Agents = None,
    host: Annotated[str | None, typer.Option(help=_help("host"))] = None,
    port: Annotated[str | None, typer.Option(help=_help("port"))] = None,
    data: Annotated[Path | None, typer.Option(help=_help("data"))] = None,
    database: Database = None,
    database_session: DatabaseSession = None,
    database_pool: DatabasePool = None,
    workers: Annotated[str | None, typer.Option(help=_help("workers"))] = None,
    no_auth: Annotated[bool | None, typer.Option("--no-auth", help=_help("auth"))] = None,
    grace: Grace = None,
    max_concurrency: MaxConcurrency = None,
    threads: Threads = None,
    park_after: ParkAfter = None,
    cancel_grace: CancelGrace = None,
    lease: Lease = None,
    poll: Poll = None,
    retention: Annotated[str | None, typer.Option(help=_help("retention"))] = None,
    max_wait: Annotated[str | None, typer.Option(help=_help("max_wait"))] = None,
    heartbeat: Annotated[str | None, typer.Option(help=_help("heartbeat"))] = None,
    body_limit: Annotated[str | None, typer.Option(help=_help("body_limit"))] = None,
    log_level: LogLevel = None,
) -> None:
    """Serve agents: the API, and a worker that runs them.

    The first start makes an API key and leaves it where the client finds it. Ctrl-C or SIGTERM
    stops it: running executions get the grace to end, and go on at the next start otherwise.
    MODERATELY_BOOTSTRAP_API_KEY sets the first key, for containers.

    With --database postgresql://… any number of services and of moderately worker processes share
    the work, on any machines.
    """
    _start(
        {
            "agents": tuple(agents or ()),
            "host": host,
            "port": port,
            "data": data,
            "database": database,
            "database_session": database_session,
            "database_pool": database_pool,
            "workers": workers,
            "auth": False if no_auth else None,
            "grace": grace,
            "max_concurrency": max_concurrency,
            "threads": threads,
            "park_after": park_after,
            "cancel_grace": cancel_grace,
            "lease": lease,
            "poll": poll,
            "retention": retention,
            "max_wait": max_wait,
            "heartbeat": heartbeat,
            "body_limit": body_limit,
            "log_level": log_level,
        },
        _serve,
    )


def worker(
    *,
    agents: Agents = None,
    database: Database = None,
    database_session: DatabaseSession = None,
    database_pool: DatabasePool = None,
    grace: Grace = None,
    max_concurrency: MaxConcurrency = None,
    threads: Threads = None,
    park_after: ParkAfter = None,
    cancel_grace: CancelGrace = None,
    lease: Lease = None,
    poll: Poll = None,
    log_level: LogLevel = None,
) -> None:
    """Run what services on the same PostgreSQL database accept: a worker without the API.

    Start as many as the work needs, on any machines that reach the database. Each takes what it can
    run: the agents and the versions that it was started with. SIGTERM or Ctrl-C drains it: it takes
    no more, gives what runs the grace to end, and hands the rest to the others.

    Example: moderately worker agents.py --database postgresql://moderately@db.internal/moderately
    """
    _start(
        {
            "agents": tuple(agents or ()),
            "database": database,
            "database_session": database_session,
            "database_pool": database_pool,
            "grace": grace,
            "max_concurrency": max_concurrency,
            "threads": threads,
            "park_after": park_after,
            "cancel_grace": cancel_grace,
            "lease": lease,
            "poll": poll,
            "log_level": log_level,
        },
        _work,
    )


def _serve(settings: Settings) -> None:
    from moderately.wiring import serve as start  # noqa: PLC0415 - heavy, and only needed here

    start(settings, on_ready=_say)


def _work(settings: Settings) -> None:
    from moderately.wiring import work  # noqa: PLC0415 - heavy, and only needed here

    work(settings, on_ready=_say_working)


def _start(given: dict[str, object], start: Callable[[Settings], None]) -> None:
    from moderately.wiring import StartError  # noqa: PLC0415 - heavy, and only needed here

    try:
        settings = load_settings(given)
    except SettingsError as error:
        raise Stop(str(error), Exit.USAGE) from error
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.root.level))
    try:
        start(settings)
    except StartError as error:
        raise Stop(str(error), Exit.FAILED) from error
    note("stopped")
    # Threads that block in agents' code must not keep the process: they end with it.
    sys.stdout.flush()
    os._exit(0)


def _say(ready: object) -> None:
    from moderately.wiring import Ready  # noqa: PLC0415

    if not isinstance(ready, Ready):
        raise TypeError(ready)
    if ready.api_key is not None:
        key = f"{ready.api_key} (new, and not shown again; also in {ready.credentials_file})"
    elif ready.credentials_file is not None:
        key = f"in {ready.credentials_file}, where the client finds it"
    else:
        key = "none is asked for, or make one with: moderately keys create"
    agents = ", ".join(ready.agents) or "none: name a file, as in moderately serve agents.py"
    if not ready.has_worker:
        agents = "run by workers elsewhere: moderately worker agents.py --database …"
    lines = [
        f"Moderately answers at {ready.base_url} (a dashboard; the API: {ready.base_url}/docs)",
        f"  agents: {agents}",
        f"  data:   {ready.data}",
        f"  key:    {key}",
        "  stop:   Ctrl-C",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _say_working(working: object) -> None:
    from moderately.wiring import Working  # noqa: PLC0415

    if not isinstance(working, Working):
        raise TypeError(working)
    agents = ", ".join(working.agents)
    sys.stdout.write(
        f"worker ready: {working.worker_id} runs {agents}\n"
        f"  data: {working.data}\n"
        "  stop: Ctrl-C drains it\n"
    )
    sys.stdout.flush()
