"""What durability costs: steps beside DBOS, resuming after a kill, cancelling, sleeping."""

import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
import psutil

from bench.load import Connection
from moderately.testing import ServiceProcess

ROOT = Path(__file__).parent.parent
AGENTS = ROOT / "bench/agents.py"
PLAN = {"1": 400, "16": 60, "256": 12}

Figures = dict[str, float]


def dbos_steps(folder: Path) -> dict[str, Any]:
    """The peer's figures."""
    python = ROOT / ".envs/dbos/bin/python"
    command = [str(python), str(ROOT / "bench/dbos_steps.py"), f"sqlite:///{folder}/dbos.db"]
    found = subprocess.run(
        [*command, json.dumps(PLAN)], capture_output=True, text=True, check=True, cwd=folder
    )
    return dict(json.loads(found.stdout.splitlines()[-1]))


async def our_steps(service: ServiceProcess, executions: int, count: int) -> dict[str, float]:
    """So many executions at once, each with so many steps. They time themselves."""
    body = json.dumps({"agent_id": "steps", "input_data": {"count": count}}).encode()

    async def one() -> dict[str, Any]:
        connection = await Connection(service.base_url, service.api_key).open()
        _, made = await connection.call("POST", "/agent-executions", body)
        while True:
            _, found = await connection.call("GET", f"/agent-executions/{made['id']}?wait=30")
            if found["is_terminal"]:
                connection.close()
                return dict(found["output_data"])

    found = await asyncio.gather(*(one() for _ in range(executions)))
    elapsed = max(one["end"] for one in found) - min(one["begin"] for one in found)
    took = [seconds for one in found for seconds in one["took"]]
    return {"rate": len(took) / elapsed, "p50": statistics.median(took)}


def steps(folder: Path) -> Figures:
    """Steps per second, and how long one takes, beside DBOS in the same run."""
    figures: Figures = {}
    theirs = dbos_steps(folder)
    with ServiceProcess([AGENTS], data=folder / "steps") as service:
        asyncio.run(our_steps(service, 1, 20))
        for executions, count in PLAN.items():
            ours = asyncio.run(our_steps(service, int(executions), count))
            figures[f"steps/s at {executions}"] = ours["rate"]
            figures[f"DBOS steps/s at {executions}"] = theirs[executions]["rate"]
            figures[f"times DBOS at {executions}"] = ours["rate"] / theirs[executions]["rate"]
            figures[f"step p50 ms at {executions}"] = ours["p50"] * 1000
    return figures


async def first_event(connection: Connection, execution_id: str, kind: str) -> None:
    """Wait for an event of a kind."""
    after = 0
    while True:
        path = f"/agent-executions/{execution_id}/events?after={after}&wait=30"
        _, page = await connection.call("GET", path)
        if any(event["type"] == kind for event in page["items"]):
            return
        after = page["next_after"]


def resume(folder: Path) -> Figures:
    """From the start of the process to the first step that goes on. Seconds."""
    took = []
    mark = folder / "resumed"
    env = {"BENCH_MARK": str(mark)}
    with ServiceProcess([AGENTS], data=folder / "resume", env=env) as service:
        for _ in range(5):

            async def begin() -> str:
                connection = await Connection(service.base_url, service.api_key).open()
                body = json.dumps({"agent_id": "resumed"}).encode()
                _, made = await connection.call("POST", "/agent-executions", body)
                await first_event(connection, made["id"], "log")
                connection.close()
                return str(made["id"])

            asyncio.run(begin())
            service.kill()
            begun = time.time()
            service.start()
            took.append(_marked_at(mark) - begun)
    return {"start → resumed step s": statistics.median(took)}


async def _start_logged(service: ServiceProcess, agent_id: str) -> str:
    connection = await Connection(service.base_url, service.api_key).open()
    _, made = await connection.call(
        "POST", "/agent-executions", json.dumps({"agent_id": agent_id}).encode()
    )
    await first_event(connection, made["id"], "log")
    connection.close()
    return str(made["id"])


async def _cancel(service: ServiceProcess, execution_id: str) -> float:
    connection = await Connection(service.base_url, service.api_key).open()
    begun = time.time()
    await connection.call("POST", f"/agent-executions/{execution_id}/cancel")
    connection.close()
    return begun


def _marked_at(mark: Path) -> float:
    """When the agent has made its mark."""
    while not mark.exists() or not (text := mark.read_text()):
        time.sleep(0.001)
    mark.unlink()
    return float(text)


def cancel(folder: Path) -> Figures:
    """From the caller's request to the code that awaited. Milliseconds."""
    mark = folder / "cancelled"
    env = {"BENCH_MARK": str(mark)}
    with ServiceProcess([AGENTS], data=folder / "cancel", env=env) as service:
        took = []
        for _ in range(100):
            begun = asyncio.run(_cancel(service, asyncio.run(_start_logged(service, "marked"))))
            took.append(_marked_at(mark) - begun)
    cuts = statistics.quantiles(took, n=100)
    return {"cancel → code p50 ms": cuts[49] * 1000, "cancel → code p99 ms": cuts[98] * 1000}


async def _sleepers(service: ServiceProcess, number: int) -> None:
    connection = await Connection(service.base_url, service.api_key).open()
    body = json.dumps({"agent_id": "durable-sleeper"}).encode()
    last: dict[str, Any] = {}
    for _ in range(number):
        _, last = await connection.call("POST", "/agent-executions", body)
    await first_event(connection, last["id"], "wait.started")
    connection.close()


def sleepers(folder: Path, number: int = 10_000) -> Figures:
    """What so many executions in `ctx.sleep` add to the memory, before and after parking. MB."""
    figures: Figures = {}
    for name, park_after in (("awaiting", "3000"), ("parked", "0.5")):
        args = ["--park-after", park_after, "--max-concurrency", "20000", "--grace", "0"]
        with ServiceProcess([AGENTS], data=folder / name, args=args) as service:
            process = psutil.Process(service.process.pid)
            asyncio.run(_sleepers(service, 50))
            before = process.memory_info().rss
            asyncio.run(_sleepers(service, number))
            while name == "parked" and _runs(service):
                time.sleep(0.05)
            added = (process.memory_info().rss - before) / 1e6
            figures[f"{number:,} {name} MB"] = added
            if name == "parked":
                figures["runs held after parking"] = _runs(service)
    return figures


def _runs(service: ServiceProcess) -> float:
    lines = httpx2.get(f"{service.base_url}/metrics").text.splitlines()
    return next(float(s.split()[1]) for s in lines if s.startswith("moderately_active_runs "))


def collect_durable() -> Figures:
    """All of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return steps(folder) | resume(folder) | cancel(folder) | sleepers(folder)
