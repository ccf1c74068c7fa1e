"""`moderately tail`."""

import json
import sys
from typing import Annotated

import typer
from rich.text import Text

from moderately.cli.connect import BaseUrl, Key, connect
from moderately.cli.exits import Exit, Stop, exit_of_status
from moderately.cli.inputs import read_labels
from moderately.cli.lines import Lines, event_line, event_style
from moderately.cli.output import console, plain
from moderately.client import (
    CursorResetError,
    ExecutionEvent,
    ModeratelyAI,
    TeamEventStream,
)

__all__ = ["tail"]

_PAGE = 1000
_TIME_OF_DAY = slice(11, 19)


def tail(
    execution_id: Annotated[
        str | None,
        typer.Argument(metavar="EXECUTION", help="Its id (exec_…); without one, all of the team."),
    ] = None,
    *,
    agent: Annotated[str | None, typer.Option(help="Only this agent's executions.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only events that lead to this status; may be repeated."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Only executions with this label, as key=value; may be repeated."),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(help="Go on behind this: an event's number; of the team, a cursor or start."),
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait for what is to come.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as a line of JSON, for programs.")
    ] = False,
    base_url: BaseUrl = None,
    api_key: Key = None,
) -> None:
    """Show events as they happen: an execution's to its end, or the whole team's.

    Of an execution, with the tokens of its models and the steps that it starts. Ctrl-C stops, and
    says how to go on.

    Example: moderately tail exec_… ; moderately tail --status failed --json
    """
    shown = _Shown(as_json=as_json, is_team=execution_id is None)
    with connect(base_url, api_key) as client:
        if execution_id is None:
            if not follow:
                raise Stop("--no-follow is for one execution: name it", Exit.USAGE)
            labels = read_labels(label, "--label") if label else None
            _tail_team(
                client.agent_executions.stream_all(
                    agent_id=agent, status=status or None, metadata=labels, after=after
                ),
                shown,
            )
        elif agent or status or label:
            raise Stop("--agent, --status and --label are for the whole team", Exit.USAGE)
        elif not (after or "0").isdecimal():
            raise Stop(f"of an execution, --after is a number; not {after!r}", Exit.USAGE)
        else:
            _tail_one(client, execution_id, int(after or 0), shown, follow=follow)


def _tail_one(
    client: ModeratelyAI, execution_id: str, after: int, shown: "_Shown", *, follow: bool
) -> None:
    executions = client.agent_executions
    while not follow:
        page = executions.events(execution_id, after=after, limit=_PAGE)
        for event in page["items"]:
            shown.show(event)
        if not page["items"]:
            return
        after = page["next_after"]
    events = executions.stream(execution_id, after=after, live=True)
    try:
        with events:
            for event in events:
                shown.show(event)
    except KeyboardInterrupt:
        shown.lines.end()
        message = f"go on: moderately tail {execution_id} --after {events.last_seq}"
        raise Stop(message, Exit.INTERRUPTED) from None
    code = exit_of_status(executions.retrieve(execution_id).status)
    if code:
        raise typer.Exit(code)


def _tail_team(events: TeamEventStream, shown: "_Shown") -> None:
    try:
        with events:
            for event in events:
                shown.show(event)
    except KeyboardInterrupt:
        cursor = events.cursor or "start"
        message = f"go on: moderately tail --after {cursor}, with the same filters"
        raise Stop(message, Exit.INTERRUPTED) from None
    except CursorResetError as error:
        # What the service says does not tell what to type.
        message = f"{error.message} Go on from the newest: moderately tail --after {error.cursor}"
        raise Stop(message, Exit.USAGE) from error


class _Shown:
    """Shows events on standard output: a line of each, or JSON."""

    def __init__(self, *, as_json: bool, is_team: bool) -> None:
        self.lines = Lines(console())
        self._as_json = as_json
        self._is_team = is_team

    def show(self, event: ExecutionEvent) -> None:
        if self._as_json:
            sys.stdout.write(json.dumps(event) + "\n")
            sys.stdout.flush()
        elif event.type == "token":
            self.lines.piece(str(event.data.get("text", "")))
        elif (line := event_line(event)) is not None:
            # Whatever an agent says, it is one line.
            told = plain(line).replace("\n", "\\n")
            self.lines.line(Text.assemble((self._place(event), "dim"), (told, event_style(event))))

    def _place(self, event: ExecutionEvent) -> str:
        moment = str(event.get("created_at") or "")[_TIME_OF_DAY]
        if self._is_team:
            return plain(f"{moment} {event.execution_id} {event.agent_id:<12} ")
        seq = "live" if event.seq is None else event.seq
        return plain(f"{moment} {seq:>4} ")
