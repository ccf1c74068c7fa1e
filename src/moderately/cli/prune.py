"""`moderately prune`."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, Final

import typer

from moderately.cli.exits import Exit, Stop
from moderately.cli.output import note
from moderately.settings import Settings, SettingsError, load_settings

__all__ = ["prune"]

_AGE: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def prune(
    *,
    older_than: Annotated[
        str, typer.Option(help="How long ago they must have ended: 30d, 12h, 90m, 5s.")
    ],
    data: Annotated[Path | None, typer.Option(help="The data folder. (MODERATELY_DATA)")] = None,
    database: Annotated[
        str | None, typer.Option(help="The database. (MODERATELY_DATABASE)")
    ] = None,
) -> None:
    """Remove executions that ended long ago, and give their room on the disk back.

    Works beside a service that runs, a few hundred at a time. `moderately serve --retention` does
    it by itself.
    """
    match = _AGE.fullmatch(older_than)
    if match is None:
        raise Stop("--older-than takes a number and a unit: 30d, 12h, 90m or 5s", Exit.USAGE)
    try:
        settings = load_settings({"data": data, "database": database})
    except SettingsError as error:
        raise Stop(str(error), Exit.USAGE) from error
    removed = asyncio.run(_prune(settings, float(match[1]) * _SECONDS[match[2]]))
    note(f"{removed} executions removed")


async def _prune(settings: Settings, seconds: float) -> int:
    from moderately.wiring import StartError, prune_all  # noqa: PLC0415 - heavy

    try:
        return await prune_all(settings, seconds, tell=lambda n: note(f"{n} removed so far"))
    except StartError as error:
        raise Stop(str(error), Exit.FAILED) from error
