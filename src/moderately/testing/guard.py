"""Ends a server and removes its folder once its owner is gone, however that went.

A program, not to be imported: it reads the server's process id from standard input, 0 while there
is none, for as long as its owner holds the other end.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

_PATIENCE_SECONDS = 10.0


def _end(pid: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGQUIT)
        while time.monotonic() < deadline:
            time.sleep(0.02)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)


def _main(folder: str) -> None:
    pid = 0
    for line in sys.stdin:
        pid = int(line)
    if pid:
        _end(pid)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _main(sys.argv[1])
