"""The commands, put together."""

import os
import sys
from typing import Annotated

import typer

from moderately.cli import (
    agents,
    chaos,
    db,
    demo,
    durable,
    executions,
    keys,
    prune,
    run_command,
    serve_command,
    tail_command,
)
from moderately.cli.exits import EXITS_HELP, Exit, Stop, exit_of
from moderately.cli.output import complain
from moderately.client import ModeratelyError
from moderately.protocol.version import __version__

__all__ = ["run"]

app = typer.Typer(
    name="moderately",
    help="Run AI agents as durable jobs: submit, watch, wait, cancel, audit.",
    epilog=EXITS_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve_command.serve)
app.command("worker")(serve_command.worker)
app.command("run")(run_command.run)
app.command("tail")(tail_command.tail)
for command in (durable.resume, durable.retry, durable.fork, durable.move, durable.export):
    executions.app.command()(command)
app.add_typer(executions.app, name="executions")
app.add_typer(agents.app, name="agents")
app.add_typer(keys.app, name="keys")
app.add_typer(db.app, name="db")
app.command("replay")(durable.replay)
app.command("prune")(prune.prune)
app.command("chaos")(chaos.chaos)
app.command("demo")(demo.demo)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"moderately {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_version
        ),
    ] = False,
) -> None:
    del version


def run() -> None:
    """Run the command that the arguments name, and exit."""
    try:
        code = app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        code = Exit.INTERRUPTED
    except typer.TyperException as error:
        complain(f"{error.format_message()} (--help tells more)")
        code = error.exit_code
    except Stop as stop:
        complain(stop.message)
        code = stop.code
    except ModeratelyError as error:
        complain(str(error))
        code = exit_of(error)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.COMPLETED
    except Exception as error:
        if os.environ.get("MODERATELY_DEBUG"):
            raise
        complain(f"unexpected {type(error).__name__}: {error} (MODERATELY_DEBUG=1 shows where)")
        code = Exit.UNEXPECTED
    sys.exit(int(code or 0))
