"""201 means on disk: what the service asks of the system before it answers."""

import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2

from moderately.store.sqlite.database import connect, free_pages
from moderately.testing import ServiceProcess

AGENTS = Path(__file__).parent.parent / "support/agents.py"


def test_every_commit_is_synced(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


def test_pruned_room_goes_back_to_the_disk(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.db")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t SELECT zeroblob(100000) FROM json_each('[1,2,3,4,5,6,7,8]')")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM t")
    assert free_pages(connection, 1000) > 100
    connection.execute("COMMIT")
    assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert connection.execute("PRAGMA page_count").fetchone()[0] < 20
    connection.close()


def test_the_log_is_synced_before_the_reply(tmp_path: Path, not_run: Callable[[str], None]) -> None:
    """A trace of the system's calls shows it, on a machine that has strace."""
    strace = shutil.which("strace")
    if strace is None:
        not_run("the trace of system calls: there is no strace on this machine")
        return
    with ServiceProcess([AGENTS], data=tmp_path) as service:
        trace = tmp_path / "trace"
        command = [strace, "-f", "-tt", "-y", "-e", "trace=fsync,fdatasync,sendto,write,writev"]
        tracer = subprocess.Popen([*command, "-o", str(trace), "-p", str(service.process.pid)])
        headers = {"Authorization": f"Bearer {service.api_key}"}
        with httpx2.Client(base_url=service.base_url, headers=headers) as http:
            while not trace.exists() or not trace.stat().st_size:
                http.get("/health")
            for _ in range(3):
                http.post("/agent-executions", json={"agent_id": "noop"}).raise_for_status()
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
    lines = trace.read_text().splitlines()
    synced = [n for n, line in enumerate(lines) if re.search(r"sync\(.*-wal", line)]
    replied = [n for n, line in enumerate(lines) if "HTTP/1.1 201" in line]
    assert len(replied) == 3
    assert all(any(sync < reply for sync in synced) for reply in replied)
