"""`moderately db`: the schema of the database."""

import asyncio
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from moderately.cli.exits import Exit, Stop
from moderately.cli.output import note, print_json
from moderately.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from moderately.wiring import Schema

__all__ = ["app"]

T = TypeVar("T")

app = typer.Typer(help="The database's schema: upgrade it, look at it.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="The data folder. (MODERATELY_DATA)")]
Database = Annotated[str | None, typer.Option(help="The database. (MODERATELY_DATABASE)")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command()
def upgrade(
    *,
    contract: Annotated[
        bool,
        typer.Option(
            "--contract",
            help="Apply contract steps too, which remove what earlier releases need.",
        ),
    ] = False,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Bring the database to the schema of this release.

    Steps that only add (expand) are safe while services and workers of earlier releases run, and
    are also applied whenever a process starts that needs them. Steps that remove (contract) are
    applied with --contract only: do so once no process of an earlier release is left.
    """
    from moderately.wiring import upgrade_schema  # noqa: PLC0415 - heavy

    settings = _settings(data, database)
    schema, ran = _run(upgrade_schema(settings, with_contract=contract))
    for name in ran:
        note(f"applied {name}")
    _show(schema, as_json=as_json)


@app.command()
def status(*, data: Data = None, database: Database = None, as_json: Json = False) -> None:
    """Say which steps were applied, and which were not."""
    from moderately.wiring import look_at_schema  # noqa: PLC0415 - heavy

    _show(_run(look_at_schema(_settings(data, database))), as_json=as_json)


@app.command()
def check(*, data: Data = None, database: Database = None, as_json: Json = False) -> None:
    """Exit with 0 if this release can work on the database as it is, and with 1 if not."""
    from moderately.wiring import look_at_schema  # noqa: PLC0415 - heavy

    schema = _run(look_at_schema(_settings(data, database)))
    _show(schema, as_json=as_json)
    if not schema.fits:
        raise typer.Exit(Exit.FAILED)


def _settings(data: Path | None, database: str | None) -> Settings:
    try:
        return load_settings({"data": data, "database": database})
    except SettingsError as error:
        raise Stop(str(error), Exit.USAGE) from error


def _run(work: Coroutine[Any, Any, T]) -> T:
    from moderately.wiring import StartError  # noqa: PLC0415 - heavy

    try:
        return asyncio.run(work)
    except StartError as error:
        raise Stop(str(error), Exit.FAILED) from error


def _show(schema: "Schema", *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(schema))
        return
    note(f"{schema.place}: {schema.applied} steps applied")
    for name in schema.pending:
        note(f"  pending: {name}")
    for name in schema.unknown:
        note(f"  of a newer release, and in the way of this one: {name}")
    if schema.fits:
        note("this release can work on it")
    else:
        note("this release cannot work on it: run moderately db upgrade, or a newer release")
