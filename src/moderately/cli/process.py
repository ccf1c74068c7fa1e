"""A real service in a process of its own, to test against, and to kill."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Self

from moderately.protocol.credentials import find_credentials

__all__ = ["ServiceProcess"]

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.01


class ServiceProcess:
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
        self._agents = [str(agent) for agent in agents]
        self._data = data
        self._args = list(args)
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.base_url = ""
        self.api_key = ""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MODERATELY_")}
        credentials = {"MODERATELY_CREDENTIALS_FILE": str(data / "credentials.json")}
        self.env: dict[str, str] = clean | credentials | dict(env or {})

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        if self._process is None:
            raise RuntimeError("the service was not started")
        return self._process

    def output(self) -> str:
        """What it has printed so far, since its newest start."""
        if self._log is None:
            return ""
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        self._data.mkdir(parents=True, exist_ok=True)
        self._log = tempfile.NamedTemporaryFile(  # noqa: SIM115 - it lives as long as the process
            dir=self._data, prefix="service-", suffix=".log", delete=False
        )
        command = [sys.executable, "-m", "moderately", "serve", *self._agents]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--data", str(self._data), "--port", "0", *self._args],
            env=self.env,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not (line := self._ready_line()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the service did not start:\n{self.output()}")
            time.sleep(_LOOK_SECONDS)
        self.base_url = line.split()[3]
        known = find_credentials(self.base_url, path=Path(self.env["MODERATELY_CREDENTIALS_FILE"]))
        self.api_key = known.api_key if known is not None else ""
        return self

    def _ready_line(self) -> str:
        output = self.output()
        found = [line for line in output.splitlines() if line.startswith("Moderately answers at ")]
        # The last line stands for all of them: then nothing is half-printed.
        return found[0] if found and "stop:" in output else ""

    def kill(self) -> None:
        """Kill it as a power cut would (SIGKILL)."""
        self.process.kill()
        self.process.wait()

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

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()
        if self._log is not None:
            self._log.close()
