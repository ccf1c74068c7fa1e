"""`moderately agents`."""

from typing import Annotated

import typer

from moderately.cli.connect import BaseUrl, Key, connect
from moderately.cli.output import console, plain, print_json, print_table

__all__ = ["app"]

app = typer.Typer(help="Agents: what can be run.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command("list")
def list_(
    *,
    page: Annotated[int, typer.Option(help="Which page, from 1.")] = 1,
    page_size: Annotated[int, typer.Option(help="How many a page.")] = 50,
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """List agents by name."""
    with connect(base_url, api_key) as client:
        found = client.agents.list(page=page, page_size=page_size)
    if as_json:
        print_json({"items": found.items, "pagination": found.pagination})
        return
    print_table(
        ["id", "version", "available", "description"],
        [
            [agent.id, agent.version, "yes" if agent.is_available else "no", agent.description]
            for agent in found.items
        ],
    )


@app.command()
def show(
    agent_id: Annotated[str, typer.Argument(metavar="AGENT", help="Its id.")],
    *,
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Show an agent: what it is for, what it takes, what it gives."""
    with connect(base_url, api_key) as client:
        agent = client.agents.retrieve(agent_id)
    if as_json:
        print_json(agent)
        return
    out = console()
    out.print(f"{plain(agent.id)}, version {plain(agent.version)}", markup=False, style="bold")
    out.print(plain(agent.description), markup=False)
    for title, schema in (("Input", agent.input_schema), ("Output", agent.output_schema)):
        out.print(f"\n{title}:", markup=False, style="bold")
        print_json(schema)
