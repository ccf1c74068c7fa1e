"""`moderately executions`."""

import json
from typing import Annotated, Any, Final

import typer

from moderately.cli.connect import BaseUrl, Key, connect
from moderately.cli.exits import Exit, exit_of_status
from moderately.cli.output import note, print_json, print_table, since
from moderately.cli.run_command import report
from moderately.cli.watch import watch

__all__ = ["app"]

app = typer.Typer(help="Executions: runs of agents.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_SHOWN: Final = 200
ExecutionId = Annotated[str, typer.Argument(metavar="EXECUTION", help="Its id (exec_…).")]


@app.command("list")
def list_(
    *,
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    status: Annotated[
        list[str] | None, typer.Option(help="Only this status; may be repeated.")
    ] = None,
    page: Annotated[int, typer.Option(help="Which page, from 1.")] = 1,
    page_size: Annotated[int, typer.Option(help="How many a page, 1000 at the most.")] = 20,
    order_by: Annotated[str, typer.Option(help="What to order by.")] = "created_at",
    order_direction: Annotated[str, typer.Option(help="asc or desc.")] = "desc",
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """List executions, the newest first."""
    with connect(base_url, api_key) as client:
        found = client.agent_executions.list(
            agent_id=agent,
            status=status or None,
            page=page,
            page_size=page_size,
            order_by=order_by,
            order_direction=order_direction,
        )
    if as_json:
        print_json({"items": found.items, "pagination": found.pagination})
        return
    rows = [
        [
            execution.id,
            execution.agent_id,
            execution.status,
            f"{since(execution.created_at)} ago",
            since(execution.started_at, execution.updated_at if execution.is_terminal else None),
            (execution.error or {}).get("message", "")[:60],
        ]
        for execution in found.items
    ]
    print_table(["id", "agent", "status", "created", "took", "error"], rows)
    pages = found.pagination
    note(f"page {pages.page} of {pages.total_pages}, {pages.total_items} executions")


@app.command()
def show(
    execution_id: ExecutionId,
    *,
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Show an execution, with its steps."""
    with connect(base_url, api_key) as client:
        execution = client.agent_executions.retrieve(execution_id)
        steps = client.agent_executions.steps(execution_id)
    if as_json:
        print_json({**execution, "steps": steps})
        return
    rows: list[list[object]] = [
        [name, value if isinstance(value, str | int | float) else _compact(value)]
        for name, value in execution.items()
        if value not in (None, {}, [])
    ]
    print_table(["field", "value"], rows)
    if steps:
        print_table(
            ["position", "step", "kind", "name", "status", "ms"],
            [
                [s["position"], s["id"], s["kind"], s["name"], s["status"], _ms(s["duration_ms"])]
                for s in steps
            ],
        )


def _ms(duration: float | None) -> str:
    return "" if duration is None else f"{duration:.1f}"


def _compact(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


@app.command()
def wait(
    execution_ids: Annotated[list[str], typer.Argument(metavar="EXECUTION...", help="Which ones.")],
    *,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="How long to wait for each at most, in seconds.")
    ] = None,
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Watch executions to their end. With several, the exit code is that of the worst."""
    with connect(base_url, api_key) as client:
        found = [
            watch(client, execution_id, timeout=timeout, quiet=as_json)
            for execution_id in execution_ids
        ]
    if len(found) == 1:
        report(found[0], as_json=as_json)
        return
    if as_json:
        print_json({"items": found})
    else:
        print_table(["id", "status"], [[execution.id, execution.status] for execution in found])
    codes = {exit_of_status(execution.status) for execution in found}
    worst = next((c for c in (Exit.FAILED, Exit.CANCELLED) if c in codes), Exit.COMPLETED)
    if worst:
        raise typer.Exit(worst)


@app.command()
def cancel(
    execution_id: ExecutionId,
    *,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Cancel an execution. It is final when the command returns."""
    with connect(base_url, api_key) as client:
        execution = client.agent_executions.cancel(execution_id, reason=reason)
    if as_json:
        print_json(execution)
    else:
        note(f"{execution.id} is cancelled")
