"""Watches an execution: its events as they come, for people."""

from typing import Any, Final, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from moderately.cli.exits import Exit, Stop
from moderately.cli.lines import Lines, event_line
from moderately.cli.output import console, plain
from moderately.client import BoundExecution, ModeratelyAI, TimeoutError  # noqa: A004

__all__ = ["watch"]

# How it ended is told by the result; what it waits for, by being parked or paused.
_UNSEEN: Final = frozenset(
    {
        "execution.created",
        "execution.completed",
        "execution.failed",
        "execution.cancelled",
        "wait.started",
    }
)


def watch(
    client: ModeratelyAI, execution_id: str, *, timeout: float | None = None, quiet: bool = False
) -> BoundExecution:
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


def _interruptible(execution_id: str, work: Any) -> BoundExecution:
    try:
        found: BoundExecution = work()
    except KeyboardInterrupt:
        raise Stop(
            f"{execution_id} goes on. Watch it: moderately executions wait {execution_id};"
            f" end it: moderately executions cancel {execution_id}",
            Exit.INTERRUPTED,
        ) from None
    return found


def _follow(
    client: ModeratelyAI, execution_id: str, timeout: float | None, display: "_Display"
) -> BoundExecution:
    try:
        with client.agent_executions.stream(execution_id, timeout=timeout, live=True) as events:
            for event in events:
                display.show(event)
    except TimeoutError:
        message = f"{execution_id} has not ended in {timeout:g} s; it goes on"
        raise Stop(message, Exit.TIMEOUT) from None
    return client.agent_executions.retrieve(execution_id)


class _Display:
    """Shows events: a moving line on a terminal, plain lines elsewhere. On stderr, both."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._lines = Lines(self._console)
        self._is_streaming = False
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
        kind, data = event["type"], event["data"]
        if kind == "token":
            self._stream(str(data["text"]))
            return
        # Its text was there already, piece by piece.
        is_shown = kind == "message" and self._is_streaming
        self._resume()
        if self._progress is not None and kind == "progress":
            self._move(data.get("fraction"), data.get("message") or "running")
        elif self._progress is not None and kind == "step.started":
            self._describe(str(data["name"]))
        elif kind not in _UNSEEN and not is_shown:
            line = event_line(event)
            if line:
                self._lines.line(line)

    def _stream(self, text: str) -> None:
        """Show a piece of text. Nothing moves beside it: that would overwrite it."""
        if self._progress is not None and not self._is_streaming:
            self._progress.stop()
        self._is_streaming = True
        self._lines.piece(text)

    def _resume(self) -> None:
        if self._is_streaming:
            self._is_streaming = False
            self._lines.end()
            if self._progress is not None:
                self._progress.start()

    def _move(self, fraction: float | None, message: str) -> None:
        if self._progress is not None and self._task is not None and fraction is not None:
            self._progress.update(self._task, total=1.0, completed=fraction)
        self._describe(message)

    def _describe(self, text: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=plain(text)[:60])
