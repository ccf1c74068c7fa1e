"""`moderately keys`: works on the database itself, beside a service that runs or without one."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from moderately.cli.exits import Exit, Stop
from moderately.cli.output import note, print_json, print_table
from moderately.settings import Settings, SettingsError, load_settings

__all__ = ["app"]

app = typer.Typer(help="API keys: make them, list them, revoke them.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="The data folder. (MODERATELY_DATA)")]
Database = Annotated[str | None, typer.Option(help="The database. (MODERATELY_DATABASE)")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _settings(data: Path | None, database: str | None) -> Settings:
    try:
        return load_settings({"data": data, "database": database})
    except SettingsError as error:
        raise Stop(str(error), Exit.USAGE) from error


def _object(key: Any) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "team_id": key.team_id,
        "prefix": key.prefix,
        "created_at": _time(key.created_at),
        "revoked_at": _time(key.revoked_at),
        "last_used_at": _time(key.last_used_at),
    }


def _time(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@app.command()
def create(
    *,
    team: Annotated[str, typer.Option(help="The team that it speaks for.")] = "default",
    name: Annotated[str, typer.Option(help="What it is for.")] = "unnamed",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a key. Its secret is shown once, and stored as a digest only."""
    made = _run(_settings(data, database), "create", team_id=team, name=name)
    if as_json:
        print_json({**_object(made.key), "api_key": made.secret})
        return
    note(f"key {made.key.id} for team {team}; it is not shown again:")
    typer.echo(made.secret)


@app.command("list")
def list_(*, data: Data = None, database: Database = None, as_json: Json = False) -> None:
    """List the keys, without their secrets."""
    found = [_object(key) for key in _run(_settings(data, database), "list")]
    if as_json:
        print_json({"items": found})
        return
    columns = ["id", "name", "team_id", "prefix", "created_at", "last_used_at", "revoked_at"]
    print_table(columns, [[key[column] for column in columns] for key in found])


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="Its id, as in keys list.")],
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Revoke a key. A service that runs refuses it within a second."""
    key = _run(_settings(data, database), "revoke", key_id)
    if key is None:
        raise Stop(f"there is no key {key_id!r}; see moderately keys list", Exit.NOT_FOUND)
    if as_json:
        print_json(_object(key))
    else:
        note(f"revoked {key.id}")


def _run(settings: Settings, method: str, *args: Any, **options: Any) -> Any:
    from moderately.domain.errors import DomainError  # noqa: PLC0415 - heavy, and only needed here
    from moderately.wiring import StartError, open_keys  # noqa: PLC0415

    async def work() -> Any:
        async with open_keys(settings) as keys:
            return await getattr(keys, method)(*args, **options)

    try:
        return asyncio.run(work())
    except StartError as error:
        raise Stop(str(error), Exit.FAILED) from error
    except DomainError as error:
        raise Stop(error.message, Exit.USAGE) from error
