"""What really happens, noted to a file of its own: for `moderately chaos` to judge by."""

import json
import os
import time
from pathlib import Path

from moderately.domain.execution import Step

__all__ = ["Observer"]


class Observer:
    """Notes when a step's function is called, when it has ended, and when that is on record.

    A line is in the kernel's hands when a call returns, so that killing the process loses none.

    Args:
        path: The file; None to note nothing.
    """

    def __init__(self, path: Path | None) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = None if path is None else os.open(path, flags, 0o600)

    def note(self, what: str, execution_id: str, step: Step, *, at: float | None = None) -> None:
        """Note one thing.

        Args:
            what: What happens.
            execution_id: To which execution.
            step: And to which of its steps.
            at: When that was decided, in seconds since the epoch; now when None.
        """
        if self._file is None:
            return
        line = {
            "what": what,
            "execution": execution_id,
            "step": step.id,
            "effects": step.effects,
            "pid": os.getpid(),
            "at": time.time() if at is None else at,
        }
        os.write(self._file, json.dumps(line).encode() + b"\n")
