"""Real services and workers in processes of their own, to test against, to kill and to freeze."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Self

from moderately.protocol.credentials import find_credentials

__all__ = ["ServiceProcess", "WorkerProcess"]

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.01


class _Process(ABC):
    """One of our commands as a process.

    Args:
        kind: What it is, in a word.
        agents: Files or modules with agents.
        data: A folder for what it leaves.
        env: Variables to add to the environment.
        args: Further options of the command.
    """

    def __init__(
        self,
        kind: str,
        agents: Sequence[str | Path],
        *,
        data: Path,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> None:
        self._kind = kind
        self._agents = [str(agent) for agent in agents]
        self._data = data
        self._args = list(args)
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MODERATELY_")}
        credentials = {"MODERATELY_CREDENTIALS_FILE": str(data / "credentials.json")}
        self.env: dict[str, str] = clean | credentials | dict(env or {})

    @abstractmethod
    def _command(self) -> list[str]:
        """What to start, after `moderately`."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether it has said that it is up."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        if self._process is None:
            raise RuntimeError(f"the {self._kind} was not started")
        return self._process

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def output(self) -> str:
        """What it has printed so far, since its newest start."""
        if self._log is None:
            return ""
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def start(self) -> Self:
        """Start it, and wait until it is up."""
        self._data.mkdir(parents=True, exist_ok=True)
        self._close_log()
        self._log = tempfile.NamedTemporaryFile(  # noqa: SIM115 - it lives as long as the process
            dir=self._data, prefix=f"{self._kind}-", suffix=".log", delete=False
        )
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "moderately", *self._command()],
            env=self.env,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the {self._kind} did not start:\n{self.output()}")
            time.sleep(_LOOK_SECONDS)
        return self

    def kill(self) -> None:
        """Kill it as a power cut would (SIGKILL)."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does (SIGSTOP), until it is thawed."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if no time had passed (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop, and wait until it has.

        Args:
            number: The signal.

        Returns:
            Its exit code.
        """
        self.process.send_signal(number)
        return self.process.wait(_STOP_SECONDS)

    def restart(self) -> Self:
        """Kill it, and start it again on the same data."""
        self.kill()
        return self.start()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        if self.is_alive:
            try:
                # What is frozen hears nothing.
                self.thaw()
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()
        self._close_log()


class ServiceProcess(_Process):
    """`moderately serve` as a process, on a free port, with a credentials file of its own.

    Args:
        agents: Files or modules with agents.
        data: The data folder.
        env: Variables to add to the environment.
        args: Further options of `moderately serve`.

    Attributes:
        base_url: Where it answers.
        api_key: The key; empty with `--no-auth`.
        env: The environment in which client and command line find it.

    Raises:
        RuntimeError: If it does not start; the message has what it printed.

    Example:
        >>> with ServiceProcess(["agents.py"], data=tmp_path) as service:
        ...     client = ModeratelyAI(base_url=service.base_url, api_key=service.api_key)
    """

    def __init__(
        self,
        agents: Sequence[str | Path],
        *,
        data: Path,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> None:
        super().__init__("service", agents, data=data, env=env, args=args)
        self.base_url = ""
        self.api_key = ""

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        super().start()
        self.base_url = self._ready_line().split()[3]
        known = find_credentials(self.base_url, path=Path(self.env["MODERATELY_CREDENTIALS_FILE"]))
        self.api_key = known.api_key if known is not None else ""
        return self

    def _command(self) -> list[str]:
        return ["serve", *self._agents, "--data", str(self._data), "--port", "0", *self._args]

    def _is_ready(self) -> bool:
        return bool(self._ready_line())

    def _ready_line(self) -> str:
        output = self.output()
        found = [line for line in output.splitlines() if line.startswith("Moderately answers at ")]
        # The last line stands for all of them: then nothing is half-printed.
        return found[0] if found and "stop:" in output else ""


class WorkerProcess(_Process):
    """`moderately worker` as a process: runs agents for the services on the same database.

    Args:
        agents: Files or modules with agents.
        data: A folder for its log.
        env: Variables to add to the environment.
        args: Further options of `moderately worker`, such as `--database`.

    Attributes:
        env: Its environment.

    Raises:
        RuntimeError: If it does not start; the message has what it printed.

    Example:
        >>> with WorkerProcess(["agents.py"], data=tmp_path, args=["--database", url]) as worker:
        ...     worker.freeze()
    """

    def __init__(
        self,
        agents: Sequence[str | Path],
        *,
        data: Path,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> None:
        super().__init__("worker", agents, data=data, env=env, args=args)

    def _command(self) -> list[str]:
        return ["worker", *self._agents, *self._args]

    def _is_ready(self) -> bool:
        # Whole lines only: the last one may be half-printed.
        return any(line.startswith("worker ready") for line in self.output().split("\n")[:-1])
