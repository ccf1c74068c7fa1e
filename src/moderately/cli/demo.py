"""`moderately demo`: the main job, from start to end, on a service of its own."""

import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from moderately.cli.exits import Exit, Stop
from moderately.cli.output import console, note, plain
from moderately.cli.process import ServiceProcess
from moderately.cli.watch import watch
from moderately.client import ModeratelyAI

__all__ = ["demo"]

_RUN_SECONDS: Final = 60.0


def demo(
    *,
    docs: Annotated[
        Path | None,
        typer.Option(help="The folder to search; ./docs by default, else Python's own library."),
    ] = None,
    question: Annotated[str | None, typer.Option(help="What to look for.")] = None,
) -> None:
    """Show the main job: start a service, run the research agent, watch it, print the answer."""
    folder, asked = _subject(docs, question)
    with tempfile.TemporaryDirectory(prefix="moderately-demo-") as home, _service(home) as client:
        note(f"service at {client.base_url}, with the agent 'research'")
        note(f'question: "{asked}" in {folder}')
        execution = client.agent_executions.create(
            agent_id="research", input_data={"folder": str(folder), "question": asked}
        )
        note(f"execution {execution.id} created; watching it")
        execution = watch(client, execution.id, timeout=_RUN_SECONDS)
        if execution.status != "completed":
            raise Stop(f"the execution {execution.status}: {execution.error}", Exit.FAILED)
        _show(execution.output_data)


def _subject(docs: Path | None, question: str | None) -> tuple[Path, str]:
    if docs is not None:
        if not docs.is_dir():
            raise Stop(f"--docs: there is no folder {docs}", Exit.USAGE)
        return docs.resolve(), question or "How does it work?"
    here = Path("docs")
    if any(here.glob("*.md")):
        return (
            here.resolve(),
            question or "What happens to a running execution when it is cancelled?",
        )
    library = Path(sysconfig.get_path("stdlib")) / "asyncio"
    return library, question or "How is a task cancelled when a timeout expires?"


@contextmanager
def _service(home: str) -> Iterator[ModeratelyAI]:
    try:
        with ServiceProcess(["moderately.examples.research"], data=Path(home)) as service:
            yield ModeratelyAI(base_url=service.base_url, api_key=service.api_key)
    except RuntimeError as error:
        raise Stop(str(error), Exit.FAILED) from None


def _show(answer: dict[str, Any]) -> None:
    out = console()
    out.print(f"\n{plain(answer['answer'])}\n", markup=False)
    for passage in answer["passages"]:
        where = f"{passage['file']}:{passage['line']}"
        out.print(plain(where), markup=False, style="bold cyan", end="")
        out.print(f"  (score {passage['score']:.1f})", markup=False, style="dim")
        lines = plain(passage["text"]).strip().splitlines()
        out.print("\n".join(f"    {line}" for line in lines[:6]), markup=False)
        out.print()
