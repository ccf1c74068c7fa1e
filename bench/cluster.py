"""Many processes on one PostgreSQL: speed beside floor and peers, delays, failures, queues."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from operator import truediv
from pathlib import Path

from bench.crowds import claims, fairness
from bench.durable import cancels, compare_steps, dbos_steps
from bench.failures import takeovers
from bench.figures import Figures, Goals, at_least, at_most, percentiles, say
from bench.fleet import Fleet, ended, submit
from bench.load import measure
from bench.peers import celery, dbos
from bench.processes import Process, python
from moderately.testing import Postgres, PostgresServer

WORKERS = (1, 2, 4)
CLIENTS = 64
PLAN = {"1": 200, "16": 30, "256": 6}
QUICK_PLAN = {"1": 100, "16": 20, "256": 4}

GOALS: Goals = {
    "cluster of the floor, worker in the API": at_least(0.5),
    **{f"cluster of the floor, workers {n}": at_least(0.5) for n in WORKERS},
    **{f"cluster times the best peer, workers {n}": at_least(1.5) for n in WORKERS},
    "cluster submit→running p50 ms": at_most(15),
    "cluster cancel → code p50 ms": at_most(25),
    "cluster takeover after kill -9 s, worst": at_most(1),
    "cluster takeover after SIGSTOP beyond the lease s, worst": at_most(1),
    "cluster 10 of another team start within ms": at_most(1000),
    "cluster 10 of another agent start within ms": at_most(1000),
}


def collect_cluster(*, quick: bool) -> Figures:
    """All of it. Each figure's name begins with `cluster`."""
    with tempfile.TemporaryDirectory() as name, PostgresServer() as postgres:
        folder = Path(name)
        figures = speed(postgres, folder, quick=quick)
        figures |= latencies(postgres, folder, quick=quick)
        say("cluster, takeovers")
        figures |= takeovers(postgres, folder, 2 if quick else 3)
        figures |= claims(postgres, folder, 100_000 if quick else 1_000_000)
        figures |= fairness(postgres, folder, 20_000 if quick else 100_000)
    return {f"cluster {figure}": value for figure, value in figures.items()}


@contextmanager
def floor(url: str, commits: int) -> Iterator[str]:
    """The floor with so many commits for an execution, as a process; where it answers."""
    command = python("-m", "bench.floor_postgres", url, str(commits))
    with Process(command, ready="floor ready") as process:
        yield f"http://127.0.0.1:{process.line.split()[-1]}"


def speed(postgres: Postgres, folder: Path, *, quick: bool) -> Figures:
    """Executions per second with 1, 2 and 4 workers, beside the floor and the peers, in turns."""
    rounds, seconds, count = (1, 1.5, 300) if quick else (3, 2.0, 500)
    rates: defaultdict[str, list[float]] = defaultdict(list)
    delays: defaultdict[str, list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        peers = [dbos(postgres.create_database()), stack.enter_context(celery())]
        for number in range(rounds):
            say(f"cluster, executions per second, round {number + 1} of {rounds}")
            for commits in (2, 3):
                with floor(postgres.create_database(), commits) as url:
                    found = measure(url, "", "/items", CLIENTS, seconds)
                    rates[f"floor {commits}"].append(found.rate)
            rates["ours together"].append(_ours(postgres, folder, 0, seconds))
            for workers in WORKERS:
                rates[f"ours {workers}"].append(_ours(postgres, folder, workers, seconds))
                for peer in filter(None, peers):
                    rate, took = peer.drive(workers, count, 30 if workers == 1 else 0)
                    rates[f"{peer.name} {workers}"].append(rate)
                    delays[peer.name] += took
    figures = _compare(rates)
    for name, took in delays.items():
        figures |= percentiles(f"{name} submit→running", took, (50, 95))
    return figures


def _ours(postgres: Postgres, folder: Path, workers: int, seconds: float) -> float:
    """With so many worker processes; with one in the API's own process, if there are none."""
    url = postgres.create_database()
    with Fleet(url, folder / "speed", api_workers=int(not workers)) as ours:
        for _ in range(workers):
            ours.add_worker()
        where = (ours.base_url, ours.api_key, "/agent-executions", CLIENTS)
        measure(*where, 0.5)
        return measure(*where, seconds).rate


def _compare(rates: dict[str, list[float]]) -> Figures:
    """Medians, and those of each round's ratios: what else this machine does changes in between."""
    figures = {
        "floor/s, 2 commits": statistics.median(rates["floor 2"]),
        "floor/s, 3 commits": statistics.median(rates["floor 3"]),
        "executions/s, worker in the API": statistics.median(rates["ours together"]),
        "of the floor, worker in the API": _ratio(rates["ours together"], rates["floor 2"]),
    }
    for n in WORKERS:
        ours = rates[f"ours {n}"]
        peers = {
            name: rates[f"{name} {n}"] for name in ("DBOS", "Celery") if f"{name} {n}" in rates
        }
        best = list(map(max, zip(*peers.values(), strict=True)))
        figures[f"executions/s, workers {n}"] = statistics.median(ours)
        figures[f"of the floor, workers {n}"] = _ratio(ours, rates["floor 3"])
        for name, theirs in peers.items():
            figures[f"{name}/s, workers {n}"] = statistics.median(theirs)
            figures[f"times {name}, workers {n}"] = _ratio(ours, theirs)
        figures[f"times the best peer, workers {n}"] = _ratio(ours, best)
    return figures


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(map(truediv, ours, theirs))


def latencies(postgres: Postgres, folder: Path, *, quick: bool) -> Figures:
    """What one execution meets where the API is one process and the worker another."""
    say("cluster, steps of DBOS")
    plan = QUICK_PLAN if quick else PLAN
    theirs = dbos_steps(postgres.create_database(), plan, folder)
    with Fleet(postgres.create_database(), folder / "latencies") as ours:
        ours.add_worker()
        say("cluster, steps")
        figures = compare_steps(ours, plan, theirs)
        say("cluster, submit→running and cancels")
        number = 40 if quick else 100
        figures |= percentiles("submit→running", asyncio.run(_delays(ours, number)), (50, 95))
        to_code, to_caller = cancels(ours, ours.mark, number)
        figures |= percentiles("cancel → code", to_code, (50, 95))
        return figures | percentiles("cancel → caller", to_caller, (50, 95))


async def _delays(ours: Fleet, number: int) -> list[float]:
    """From before the caller's request to the first line of the agent's code. Seconds."""
    took = []
    for _ in range(number):
        begun = time.time()
        [one] = await ended(ours, await submit(ours, "started"))
        took.append(one["output_data"]["at"] - begun)
    return took
