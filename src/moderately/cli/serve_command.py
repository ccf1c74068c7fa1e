"""`moderately serve`."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from moderately.cli.exits import Exit, Stop
from moderately.cli.output import note
from moderately.settings import SETTINGS, SettingsError, load_settings

__all__ = ["serve"]

_DEFAULTS = load_settings({}, {})


def _help(name: str) -> str:
    default = getattr(_DEFAULTS, name)
    shown = "" if default is None or name == "auth" else f" Default: {default}."
    setting = next(setting for setting in SETTINGS if setting.name == name)
    return f"{setting.sentence}{shown} ({setting.variable})"


def serve(
    *,
    agents: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="AGENTS...",
            help="Files (agents.py) or modules (package.module) with agents. (MODERATELY_AGENTS)",
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help=_help("host"))] = None,
    port: Annotated[str | None, typer.Option(help=_help("port"))] = None,
    data: Annotated[Path | None, typer.Option(help=_help("data"))] = None,
    database: Annotated[str | None, typer.Option(help=_help("database"))] = None,
    no_auth: Annotated[bool | None, typer.Option("--no-auth", help=_help("auth"))] = None,
    grace: Annotated[str | None, typer.Option(help=_help("grace"))] = None,
    max_concurrency: Annotated[str | None, typer.Option(help=_help("max_concurrency"))] = None,
    threads: Annotated[str | None, typer.Option(help=_help("threads"))] = None,
    park_after: Annotated[str | None, typer.Option(help=_help("park_after"))] = None,
    cancel_grace: Annotated[str | None, typer.Option(help=_help("cancel_grace"))] = None,
    lease: Annotated[str | None, typer.Option(help=_help("lease"))] = None,
    retention: Annotated[str | None, typer.Option(help=_help("retention"))] = None,
    max_wait: Annotated[str | None, typer.Option(help=_help("max_wait"))] = None,
    body_limit: Annotated[str | None, typer.Option(help=_help("body_limit"))] = None,
    log_level: Annotated[str | None, typer.Option(help=_help("log_level"))] = None,
) -> None:
    """Serve agents: the API, and a worker that runs them.

    The first start makes an API key and leaves it where the client finds it. Ctrl-C or SIGTERM
    stops it: running executions get the grace to end, and go on at the next start otherwise.
    MODERATELY_BOOTSTRAP_API_KEY sets the first key, for containers.
    """
    _start(
        {
            "agents": tuple(agents or ()),
            "host": host,
            "port": port,
            "data": data,
            "database": database,
            "auth": False if no_auth else None,
            "grace": grace,
            "max_concurrency": max_concurrency,
            "threads": threads,
            "park_after": park_after,
            "cancel_grace": cancel_grace,
            "lease": lease,
            "retention": retention,
            "max_wait": max_wait,
            "body_limit": body_limit,
            "log_level": log_level,
        }
    )


def _start(given: dict[str, object]) -> None:
    from moderately.wiring import StartError  # noqa: PLC0415 - heavy, and only needed here
    from moderately.wiring import serve as start  # noqa: PLC0415

    try:
        settings = load_settings(given)
    except SettingsError as error:
        raise Stop(str(error), Exit.USAGE) from error
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.root.level))
    try:
        start(settings, on_ready=_say)
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
    lines = [
        f"Moderately answers at {ready.base_url} (docs: {ready.base_url}/docs)",
        f"  agents: {agents}",
        f"  data:   {ready.data}",
        f"  key:    {key}",
        "  stop:   Ctrl-C",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
