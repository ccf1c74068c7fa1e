"""Processes that a measurement starts: it waits until each is ready, and stops just those."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).parent.parent
AGENTS = ROOT / "bench/agents.py"
START_SECONDS = 60.0
STOP_SECONDS = 10.0
LOG_BYTES = 1_000_000


def python(*arguments: str) -> list[str]:
    """A command of this environment's Python."""
    return [sys.executable, *arguments]


class Process:
    """A process that is ready, and the line in which it said so.

    Args:
        command: What to run.
        ready: What is in the line that it prints once it is ready.
        env: Variables to add to the environment.

    Raises:
        RuntimeError: If it ends or stays silent; the message has what it printed.
    """

    def __init__(
        self, command: Sequence[str | Path], *, ready: str, env: Mapping[str, str] | None = None
    ) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            self.line = self._await(ready)
        except BaseException:
            self.__exit__()
            raise

    def _await(self, ready: str) -> str:
        deadline = time.monotonic() + START_SECONDS
        while True:
            # What ends without a line break is still being printed.
            *lines, rest = self.output().split("\n")
            found = [line for line in lines if ready in line]
            if found:
                return found[0]
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("\n".join(["a process did not start:", *lines, rest]))
            time.sleep(0.01)

    def output(self) -> str:
        """What it has printed so far."""
        return os.pread(self._log.fileno(), LOG_BYTES, 0).decode(errors="replace")

    def stop(self) -> None:
        """Ask it to end; end it and the processes that it started, if it does not."""
        family = []
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self._process.pid).children(recursive=True)
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self._process.kill()
        self._process.wait()
        for one in family:
            # psutil knows a process by its id and when it began: it never ends another's.
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._log.close()


@contextmanager
def processes(
    starts: Sequence[Sequence[str | Path]], *, ready: str, **options: Any
) -> Iterator[list[Process]]:
    """Several at once."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Process(command, ready=ready, **options)) for command in starts]
