"""Watches an execution: its events as they come, for people."""

from collections.abc import Callable
from typing import Any, Final, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from moderately.cli.exits import Exit, Stop
from moderately.cli.output import console, plain
from moderately.client import AgentExecution, ModeratelyAI, TimeoutError  # noqa: A004

__all__ = ["watch"]


def watch(
    client: ModeratelyAI, execution_id: str, *, timeout: float | None = None, quiet: bool = False
) -> AgentExecution:
    """Follow an execution to its end.

    Args:
        client: The client.
        execution_id: Which one.
        timeout: How long at most, in seconds.
        quiet: Show nothing.

    Raises:
        Stop: If the time is up, or the user has had enough: the execution goes on.
    """
    if quiet:
        return _interruptible(
            execution_id,
            lambda: client.agent_executions.wait_for_completion(execution_id, timeout=timeout),
        )
    with _Display() as display:
        return _interruptible(execution_id, lambda: _follow(client, execution_id, timeout, display))


def _interruptible(execution_id: str, work: Any) -> AgentExecution:
    try:
        found: AgentExecution = work()
    except KeyboardInterrupt:
        raise Stop(
            f"{execution_id} goes on. Watch it: moderately executions wait {execution_id};"
            f" end it: moderately executions cancel {execution_id}",
            Exit.INTERRUPTED,
        ) from None
    return found


def _follow(
    client: ModeratelyAI, execution_id: str, timeout: float | None, display: "_Display"
) -> AgentExecution:
    try:
        for event in client.agent_executions.stream(execution_id, timeout=timeout):
            display.show(event)
    except TimeoutError:
        message = f"{execution_id} has not ended in {timeout:g} s; it goes on"
        raise Stop(message, Exit.TIMEOUT) from None
    return client.agent_executions.retrieve(execution_id)


class _Display:
    """Shows events: a moving line on a terminal, plain lines elsewhere. On stderr, both."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task("waiting", total=None)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, event: dict[str, Any]) -> None:
        """Show one event."""
        data = event["data"]
        if event["type"] == "progress":
            self._move(data.get("fraction"), data.get("message") or "running")
            return
        line = _line(event["type"], data)
        if line:
            self._console.print(Text(plain(line)))
        if event["type"] == "step.started" and self._progress is not None:
            self._describe(str(data["name"]))

    def _move(self, fraction: float | None, message: str) -> None:
        if self._progress is None or self._task is None:
            share = "" if fraction is None else f"{fraction:4.0%} "
            self._console.print(Text(plain(f"  {share}{message}")))
            return
        if fraction is not None:
            self._progress.update(self._task, total=1.0, completed=fraction)
        self._describe(message)

    def _describe(self, text: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=plain(text)[:60])


def _line(kind: str, data: dict[str, Any]) -> str | None:
    line = _LINES.get(kind)
    return None if line is None else line(data)


def _started(data: dict[str, Any]) -> str:
    attempt = data["attempt"]
    return "started" if attempt == 1 else f"started again, attempt {attempt}"


def _paused(data: dict[str, Any]) -> str:
    asked = ", ".join(wait["name"] for wait in data["blocked_on"]["waits"])
    return f"paused ({data['reason']}: {asked}); moderately executions resume answers it"


def _retried(data: dict[str, Any]) -> str:
    return f"attempt {data['attempt']} failed, and is tried again: {data['error']['message']}"


def _step_completed(data: dict[str, Any]) -> str | None:
    if data["kind"] != "step":
        return None
    return f"  step {data['name']} ({data['duration_ms']:.0f} ms)"


def _log_line(data: dict[str, Any]) -> str:
    fields = "".join(f" {name}={value}" for name, value in data["fields"].items())
    return f"  {data['level']}: {data['message']}{fields}"


_LINES: Final[dict[str, Callable[[dict[str, Any]], str | None]]] = {
    "execution.started": _started,
    "execution.released": lambda data: f"handed back: {data['reason']}",
    "execution.parked": lambda data: f"parked: {data['blocked_on']['message']}",
    "execution.paused": _paused,
    "execution.retried": _retried,
    "step.completed": _step_completed,
    "step.failed": lambda data: f"  step {data['name']} failed: {data['error']['message']}",
    "log": _log_line,
    "custom": lambda data: f"  {data['name']}: {data['data']}",
}
