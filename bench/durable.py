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

from bench.figures import Figures, Goals, at_least, at_most, percentiles, say
from bench.load import Connection, Service
from bench.processes import AGENTS, ROOT
from moderately.testing import ServiceProcess

PLAN = {"1": 400, "16": 60, "256": 12}
MARK_SECONDS = 60.0
GOALS: Goals = {
    "step p50 ms at 1": at_most(1),
    "times DBOS at 256": at_least(8),
    "start → resumed step s": at_most(1),
    "cancel → code p50 ms": at_most(5),
    "cancel → code p99 ms": at_most(20),
    "10,000 awaiting MB": at_most(200),
    "runs held after parking": at_most(0),
}


def dbos_steps(url: str, plan: dict[str, int], folder: Path) -> dict[str, Any]:
    """The peer's figures."""
    python = ROOT / ".envs/dbos/bin/python"
    command = [str(python), str(ROOT / "bench/dbos_steps.py"), url]
    found = subprocess.run(
        [*command, json.dumps(plan)], capture_output=True, text=True, check=True, cwd=folder
    )
    return dict(json.loads(found.stdout.splitlines()[-1]))


async def our_steps(service: Service, executions: int, count: int) -> dict[str, float]:
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
    theirs = dbos_steps(f"sqlite:///{folder}/dbos.db", PLAN, folder)
    with ServiceProcess([AGENTS], data=folder / "steps") as service:
        return compare_steps(service, PLAN, theirs)


def compare_steps(service: Service, plan: dict[str, int], theirs: dict[str, Any]) -> Figures:
    """Our steps, by how many executions take so many at once, beside DBOS's."""
    figures: Figures = {}
    asyncio.run(our_steps(service, 1, 20))
    for executions, count in plan.items():
        ours = asyncio.run(our_steps(service, int(executions), count))
        figures[f"steps/s at {executions}"] = ours["rate"]
        figures[f"DBOS steps/s at {executions}"] = theirs[executions]["rate"]
        figures[f"times DBOS at {executions}"] = ours["rate"] / theirs[executions]["rate"]
        figures[f"step p50 ms at {executions}"] = ours["p50"] * 1000
        figures[f"DBOS step p50 ms at {executions}"] = theirs[executions]["p50"] * 1000
    return figures


async def first_event(connection: Connection, execution_id: str, kind: str) -> dict[str, Any]:
    """Wait for an event of a kind, and give it."""
    after = 0
    while True:
        path = f"/agent-executions/{execution_id}/events?after={after}&wait=30"
        _, page = await connection.call("GET", path)
        for event in page["items"]:
            if event["type"] == kind:
                return dict(event)
        after = page["next_after"]


def resume(folder: Path) -> Figures:
    """From the start of the process to the first step that goes on. Seconds."""
    took = []
    mark = folder / "resumed"
    env = {"BENCH_MARK": str(mark)}
    with ServiceProcess([AGENTS], data=folder / "resume", env=env) as service:
        for _ in range(5):
            asyncio.run(start_logged(service, "resumed"))
            service.kill()
            begun = time.time()
            service.start()
            took.append(marked_at(mark) - begun)
    return {"start → resumed step s": statistics.median(took)}


async def start_logged(service: Service, agent_id: str) -> tuple[str, dict[str, Any]]:
    """Start an execution, and wait until its code logs something; give its id and the event."""
    connection = await Connection(service.base_url, service.api_key).open()
    _, made = await connection.call(
        "POST", "/agent-executions", json.dumps({"agent_id": agent_id}).encode()
    )
    event = await first_event(connection, made["id"], "log")
    connection.close()
    return str(made["id"]), event


async def _cancel(service: Service, execution_id: str) -> tuple[float, float]:
    connection = await Connection(service.base_url, service.api_key).open()
    begun = time.time()
    status, _ = await connection.call("POST", f"/agent-executions/{execution_id}/cancel")
    replied = time.time()
    connection.close()
    assert status == 200
    return begun, replied


def marked_at(mark: Path) -> float:
    """When the agent has made its mark."""
    deadline = time.monotonic() + MARK_SECONDS
    while not mark.exists() or not (text := mark.read_text()):
        if time.monotonic() > deadline:
            raise RuntimeError("the agent made no mark")
        time.sleep(0.001)
    mark.unlink()
    return float(text)


def cancels(service: Service, mark: Path, number: int) -> tuple[list[float], list[float]]:
    """From the caller's request to the code that awaited, and to the caller's reply. Seconds."""
    to_code, to_caller = [], []
    for _ in range(number):
        execution_id, _ = asyncio.run(start_logged(service, "marked"))
        begun, replied = asyncio.run(_cancel(service, execution_id))
        to_caller.append(replied - begun)
        to_code.append(marked_at(mark) - begun)
    return to_code, to_caller


def cancel(folder: Path) -> Figures:
    """From the caller's request to the code that awaited. Milliseconds."""
    mark = folder / "cancelled"
    env = {"BENCH_MARK": str(mark)}
    with ServiceProcess([AGENTS], data=folder / "cancel", env=env) as service:
        to_code, _ = cancels(service, mark, 100)
    return percentiles("cancel → code", to_code, (50, 99))


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


def collect_durable(*, quick: bool) -> Figures:
    """All of it, which takes no longer than the quick run may."""
    say("durability")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return steps(folder) | resume(folder) | cancel(folder) | sleepers(folder)
