"""The service on SQLite: speed beside the floor, memory, lists, import."""

import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil

from bench.figures import Figures, Goals, at_least, at_most, percentiles, say
from bench.load import BODY, Connection, measure, run
from bench.processes import AGENTS, ROOT
from moderately.testing import ServiceProcess

GOALS: Goals = {
    "ratio at 64": at_least(0.6),
    "create→terminal at 1 p50 ms": at_most(5),
    "wait after commit p50 ms": at_most(5),
    "cancel p99 ms": at_most(20),
    "1,000 sleepers MB": at_most(60),
    "list p99 ms, worst": at_most(10),
    "import and client ms": at_most(120),
}


@contextmanager
def floor() -> Iterator[str]:
    """The floor, as a process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.floor", f"{folder}/floor.db"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def throughput(service: ServiceProcess, rounds: int, seconds: float) -> Figures:
    """Executions per second beside the floor, in turns; latencies; CPU per execution."""
    figures: Figures = {}
    process = psutil.Process(service.process.pid)
    with floor() as floor_url:
        for clients in (1, 16, 64):
            ours, theirs, cpu = [], [], []
            for _ in range(rounds):
                before = process.cpu_times()
                found = measure(
                    service.base_url, service.api_key, "/agent-executions", clients, seconds
                )
                after = process.cpu_times()
                cpu.append((after.user + after.system - before.user - before.system) / found.count)
                ours.append(found)
                theirs.append(measure(floor_url, "", "/items", clients, seconds))
            rate = statistics.median(t.rate for t in ours)
            bare = statistics.median(t.rate for t in theirs)
            figures[f"executions/s at {clients}"] = rate
            figures[f"floor/s at {clients}"] = bare
            figures[f"ratio at {clients}"] = rate / bare
            figures[f"CPU ms/execution at {clients}"] = statistics.median(cpu) * 1000
            everything = [one for t in ours for one in t.create]
            figures |= percentiles(f"create at {clients}", everything)
            everything = [one for t in ours for one in t.terminal]
            figures |= percentiles(f"create→terminal at {clients}", everything)
    return figures


async def cancels(service: ServiceProcess, number: int) -> list[float]:
    """How long a cancel of a running execution takes. Seconds."""
    connection = await Connection(service.base_url, service.api_key).open()
    took = []
    body = json.dumps({"agent_id": "sleeper"}).encode()
    for _ in range(number):
        _, made = await connection.call("POST", "/agent-executions", body)
        path = f"/agent-executions/{made['id']}"
        await connection.call("GET", f"{path}/events?after=1&wait=10")
        begun = time.perf_counter()
        status, _ = await connection.call("POST", f"{path}/cancel")
        took.append(time.perf_counter() - begun)
        assert status == 200
    connection.close()
    return took


async def waits(service: ServiceProcess, number: int) -> list[float]:
    """From the commit's own time to the waiter's reply, on one machine's clock. Seconds."""
    connection = await Connection(service.base_url, service.api_key).open()
    took = []
    body = json.dumps({"agent_id": "stamp"}).encode()
    for _ in range(number):
        _, made = await connection.call("POST", "/agent-executions", body)
        _, done = await connection.call("GET", f"/agent-executions/{made['id']}?wait=10")
        fraction = float("0." + done["completed_at"][20:26])
        took.append((time.time() - fraction) % 1)
    connection.close()
    return took


async def sleepers(service: ServiceProcess, number: int) -> float:
    """What so many sleeping executions add to the process's memory. MB."""
    process = psutil.Process(service.process.pid)
    before = process.memory_info().rss
    connection = await Connection(service.base_url, service.api_key).open()
    body = json.dumps({"agent_id": "sleeper"}).encode()
    last = {}
    for _ in range(number):
        _, last = await connection.call("POST", "/agent-executions", body)
    await connection.call("GET", f"/agent-executions/{last['id']}/events?after=1&wait=10")
    connection.close()
    return (process.memory_info().rss - before) / 1e6


def fill(database: Path, rows: int) -> None:
    """Fill a database by SQL: half completed, a tenth failed or cancelled, three agents."""
    with sqlite3.connect(database) as connection:
        connection.execute(
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
            INSERT INTO executions (
                id, team_id, agent_id, agent_version, status, created_at, updated_at, metadata,
                priority, event_seq, output_data, completed_at, error, failed_at, cancelled_at,
                started_at
            )
            SELECT printf('exec_%026d', i), 'default', 'agent-' || (i % 3), '1', s, i * 1000,
                i * 1000 + 7919 * i % 1000, '{}', i % 7, 3,
                iif(s = 'completed', '{}', NULL), iif(s = 'completed', i * 1000 + 5, NULL),
                iif(s = 'failed', '{}', NULL), iif(s = 'failed', i * 1000 + 5, NULL),
                iif(s = 'cancelled', i * 1000 + 5, NULL), i * 1000 + 1
            FROM (
                SELECT i, CASE i % 10 WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled'
                    ELSE 'completed' END AS s FROM n
            )
            """,
            (rows,),
        )
    connection.close()


async def lists(service: ServiceProcess, rows: int, number: int) -> Figures:
    """How long pages of a long list take: the worst p99 of all kinds."""
    connection = await Connection(service.base_url, service.api_key).open()
    figures: Figures = {}
    last = rows // 10
    _, first = await connection.call("GET", "/agent-executions?page_size=10")
    kinds = {
        "first page": "",
        "last page": f"page={last}",
        "by status": "order_by=status&page=50",
        "by updated_at": "order_by=updated_at&order_direction=asc&page=100",
        "failed": "status=failed&order_by=priority",
        "agent and status": f"agent_id=agent-1&status=cancelled&page={last // 40}",
        "rare agent": "agent_id=nobody&order_by=completed_at",
        "range": "created_after=1970-01-01T00:00:50Z&order_by=started_at",
        "cursor": f"cursor={quote(first['next_cursor'])}",
    }
    for kind, query in kinds.items():
        took = []
        for _ in range(number):
            begun = time.perf_counter()
            status, found = await connection.call("GET", f"/agent-executions?{query}")
            took.append(time.perf_counter() - begun)
            assert status == 200, found
        figures[f"list p99 ms, {kind}"] = statistics.quantiles(took, n=100)[98] * 1000
    connection.close()
    figures["list p99 ms, worst"] = max(figures.values())
    return figures


def imports() -> float:
    """What `import moderately` and a client cost beyond an empty Python. Milliseconds."""
    code = "from moderately import ModeratelyAI; ModeratelyAI(api_key='k')"

    def once(program: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        return (time.perf_counter() - begun) * 1000

    once(code)
    return statistics.median(once(code) - once("pass") for _ in range(7))


def collect_service(*, quick: bool) -> Figures:
    """All of it."""
    figures: Figures = {}
    seconds, rounds, rows = (1.0, 1, 100_000) if quick else (4.0, 3, 100_000)
    with tempfile.TemporaryDirectory() as folder:
        say("speed")
        begun = time.perf_counter()
        with ServiceProcess([AGENTS], data=Path(folder, "speed")) as service:
            figures["start-up ms"] = (time.perf_counter() - begun) * 1000
            figures |= throughput(service, rounds, seconds)
            say("cancels and waits")
            figures |= percentiles("cancel", asyncio.run(cancels(service, 200)))
            figures |= percentiles("wait after commit", asyncio.run(waits(service, 100)))
        say("memory")
        with ServiceProcess(
            [AGENTS], data=Path(folder, "memory"), args=["--grace", "0"]
        ) as service:
            asyncio.run(run(service.base_url, service.api_key, "/agent-executions", BODY, 4, 1.0))
            figures["1,000 sleepers MB"] = asyncio.run(sleepers(service, 1000))
        say("lists")
        data = Path(folder, "lists")
        with ServiceProcess([AGENTS], data=data):
            pass
        fill(data / "moderately.db", rows)
        with ServiceProcess([AGENTS], data=data) as service:
            figures |= asyncio.run(lists(service, rows, 50 if quick else 200))
    say("import")
    figures["import and client ms"] = imports()
    return figures
