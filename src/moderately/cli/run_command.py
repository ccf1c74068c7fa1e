"""`moderately run`."""

from typing import Annotated, Any

import typer

from moderately.cli.connect import BaseUrl, Key, connect
from moderately.cli.exits import EXITS_HELP, exit_of_status
from moderately.cli.inputs import read_input, read_labels
from moderately.cli.output import complain, note, print_json
from moderately.cli.watch import watch
from moderately.client import AgentExecution

__all__ = ["report", "run"]


def run(
    agent_id: Annotated[str, typer.Argument(metavar="AGENT", help="Which agent to run.")],
    *,
    given: Annotated[
        str | None,
        typer.Option("--input", "-i", help="Its input: JSON, @file, or - for standard input."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Watch it to its end.")] = True,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="How long to watch at most, in seconds.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(help="A label, as key=value; may be repeated.")
    ] = None,
    priority: Annotated[int, typer.Option(help="Higher goes first, from -100 to 100.")] = 0,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Makes a repeated command the same execution.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Run an agent: create an execution, watch it, print its result.

    The result goes to standard output, progress to standard error. Ctrl-C stops watching; the
    execution goes on.

    Example: moderately run research --input '{"folder": "docs", "question": "Why?"}'
    """
    properties: dict[str, Any] = {}
    if metadata:
        properties["metadata"] = read_labels(metadata)
    if priority:
        properties["priority"] = priority
    with connect(base_url, api_key) as client:
        execution = client.agent_executions.create(
            agent_id=agent_id,
            input_data=read_input(given),
            idempotency_key=idempotency_key,
            **properties,
        )
        if not as_json:
            note(f"execution {execution.id}")
        if wait:
            execution = watch(client, execution.id, timeout=timeout, quiet=as_json)
    report(execution, as_json=as_json)


def report(execution: AgentExecution, *, as_json: bool) -> None:
    """Print how an execution stands, and exit with the code for it."""
    if as_json:
        print_json(execution)
    elif execution.status == "completed":
        print_json(execution.output_data)
    elif execution.status == "failed":
        error = execution.error or {}
        kind = f"{error['type']}: " if error.get("type") else ""
        complain(f"{execution.id} failed ({error.get('code')}): {kind}{error.get('message')}")
    elif execution.status == "cancelled":
        reason = f": {execution.status_reason}" if execution.status_reason else ""
        complain(f"{execution.id} was cancelled{reason}")
    else:
        note(f"{execution.id} is {execution.status}")
        print(execution.id)  # noqa: T201 - the command's result
    code = exit_of_status(execution.status)
    if code:
        raise typer.Exit(code)


run.__doc__ = f"{run.__doc__}\n\n    {EXITS_HELP}\n"
