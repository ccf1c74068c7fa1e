"""`moderately executions resume|retry|fork|move|export`, and `moderately replay`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from moderately.cli.connect import BaseUrl, Key, connect
from moderately.cli.exits import Exit, Stop
from moderately.cli.inputs import read_input
from moderately.cli.output import note, print_json
from moderately.cli.run_command import report
from moderately.cli.watch import watch
from moderately.client import AgentExecution

__all__ = ["export", "fork", "move", "replay", "resume", "retry"]

ExecutionId = Annotated[str, typer.Argument(metavar="EXECUTION", help="Its id (exec_…).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def resume(
    execution_id: ExecutionId,
    *,
    wait: Annotated[
        str | None, typer.Option(help="What is answered, where several things are asked.")
    ] = None,
    value: Annotated[str | None, typer.Option(help="The answer to an input, as JSON.")] = None,
    approve: Annotated[
        bool | None, typer.Option("--approve/--reject", help="The answer to an approval.")
    ] = None,
    arguments: Annotated[
        str | None, typer.Option(help="Approve it with other arguments: a JSON object.")
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            help="What became of an unsafe step that was interrupted: happened, did_not_happen or"
            " failed."
        ),
    ] = None,
    result: Annotated[
        str | None, typer.Option(help="What that step returned, as JSON, where it happened.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Answer what a paused execution asks.

    Example: moderately executions resume exec_… --value '"go on"'
    """
    said: dict[str, Any] = {"approved": approve, "outcome": outcome, "reason": reason}
    answer = {name: word for name, word in said.items() if word is not None}
    for name, text in (("value", value), ("arguments", arguments), ("result", result)):
        if text is not None:
            answer[name] = _json(text, name)
    with connect(base_url, api_key) as client:
        execution = client.agent_executions.resume(execution_id, wait=wait, **answer)
    _show(execution, "goes on", as_json=as_json)


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        hint = "quote text twice, as in '\"text\"'"
        raise Stop(f"--{name} is not JSON: {error}; {hint}", Exit.USAGE) from None


def _show(execution: AgentExecution, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(execution)
    else:
        note(f"{execution.id} {what}")


def retry(
    execution_id: ExecutionId,
    *,
    follow: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch it to its end.")] = True,
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Retry a failed execution: a fork of it that begins at the step that failed."""
    with connect(base_url, api_key) as client:
        execution = client.agent_executions.fork(execution_id)
        if not as_json:
            note(f"execution {execution.id}")
        if follow:
            execution = watch(client, execution.id, timeout=None, quiet=as_json)
    report(execution, as_json=as_json)


def fork(
    execution_id: ExecutionId,
    *,
    from_step: Annotated[
        int, typer.Option(min=1, help="The position of the first step that runs anew.")
    ],
    given: Annotated[
        str | None,
        typer.Option("--input", "-i", help="Another input: JSON, @file, or - for standard input."),
    ] = None,
    follow: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch it to its end.")] = True,
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Run an execution anew from a step on: what comes before it is taken from the record."""
    with connect(base_url, api_key) as client:
        execution = client.agent_executions.fork(
            execution_id, from_step=from_step, input_data=read_input(given)
        )
        if not as_json:
            note(f"execution {execution.id}")
        if follow:
            execution = watch(client, execution.id, timeout=None, quiet=as_json)
    report(execution, as_json=as_json)


def move(
    execution_id: ExecutionId,
    *,
    to: Annotated[str, typer.Option(help="The version of its agent.")],
    as_json: Json = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Let an execution that has begun go on under another version of its agent."""
    with connect(base_url, api_key) as client:
        execution = client.agent_executions.move(execution_id, to=to)
    _show(execution, f"goes on under version {to}", as_json=as_json)


def export(
    execution_id: ExecutionId,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; standard output by default.")
    ] = None,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Write an execution with its journal to one file, for `moderately replay`."""
    with connect(base_url, api_key) as client:
        execution = client.agent_executions.retrieve(execution_id)
        steps = client.agent_executions.steps(execution_id)
    record = {"format": "moderately-execution/1", "execution": execution, "steps": steps}
    if output is None:
        print_json(record)
        return
    try:
        output.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise Stop(f"cannot write {output}: {error.strerror}", Exit.USAGE) from None
    note(f"{len(steps)} steps of {execution_id} in {output}")


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `executions export` wrote.")],
    *,
    agents: Annotated[
        list[str], typer.Option(help="A file or module with agents; may be repeated.")
    ],
) -> None:
    """Run today's code against a recorded execution, and report the first difference.

    No step is performed. The exit code is 0 without a difference, and 1 with one.
    """
    import asyncio  # noqa: PLC0415 - heavy, and only needed here

    from moderately.runtime import LoadError, RecordError, load_agents  # noqa: PLC0415
    from moderately.runtime import replay as run  # noqa: PLC0415

    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Stop(f"cannot read {file}: {error.strerror}", Exit.USAGE) from None
    except ValueError as error:
        raise Stop(f"{file} is not JSON: {error}", Exit.USAGE) from None
    try:
        found = asyncio.run(run(record, load_agents(agents)))
    except (LoadError, RecordError) as error:
        raise Stop(str(error), Exit.USAGE) from None
    if found.difference is not None:
        raise Stop(f"differs: {found.difference}", Exit.FAILED)
    more = f"; {found.note}" if found.note else ""
    note(f"no difference in {found.steps} recorded steps{more}")
