"""Long queues: what a claim costs beside them, and whether those who come late get their turn."""

import asyncio
import statistics
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.figures import Figures, percentiles, say
from bench.fleet import Fleet, ended, submit
from bench.load import Service
from moderately.testing import Postgres

FEW = 1000
CLAIMS = 300
CLAIM_SECONDS = 30.0
SLOTS = 4
LATE = 10
ENDED = """
SELECT completed_at / 1e6, output_data::jsonb ->> 'at' FROM executions
WHERE status = 'completed' ORDER BY completed_at
"""


def claims(postgres: Postgres, folder: Path, rows: int) -> Figures:
    """What a worker with one slot needs for the next execution, beside few that wait and many."""
    figures: Figures = {}
    for number in (FEW, rows):
        say(f"cluster, claims from {number:,} that wait")
        url = postgres.create_database()
        with Fleet(url, folder / f"claims-{number}") as ours:
            _fill(ours, "started", number)
            begun = time.time()
            worker = ours.add_worker("--max-concurrency", "1")
            first, between = _claims(url)
            worker.terminate()
        postgres.drop_database(url)
        figures[f"worker start → code s, {number:,} waiting"] = first - begun
        figures |= percentiles(f"slot free → code, {number:,} waiting", between, (50, 99))
    few, many = (figures[f"slot free → code, {n:,} waiting p50 ms"] for n in (FEW, rows))
    return figures | {f"claim beside {rows:,} in claims beside {FEW:,}": many / few}


def _fill(ours: Fleet, agent_id: str, rows: int) -> None:
    [template] = asyncio.run(submit(ours, agent_id))
    ours.fill(template, rows - 1)


def _claims(url: str) -> tuple[float, list[float]]:
    """When the first one ran, and from each end to the first line of the next one's code."""
    deadline = time.monotonic() + CLAIM_SECONDS
    with psycopg.connect(url, autocommit=True) as database:
        while len(rows := database.execute(ENDED).fetchall()) < CLAIMS:
            assert time.monotonic() < deadline, f"only {len(rows)} of {CLAIMS} were claimed"
            time.sleep(0.5)
    ends = [float(end) for end, _ in rows]
    begins = [float(begin) for _, begin in rows]
    return begins[0], [begin - end for end, begin in zip(ends, begins[1:], strict=False)]


def fairness(postgres: Postgres, folder: Path, rows: int) -> Figures:
    """Ten late executions, of another team and of another agent, beside so many that wait.

    A worker with four slots runs executions of 10 ms each, so that the queue outlasts the bench.
    """
    say(f"cluster, fairness beside {rows:,} that wait")
    url = postgres.create_database()
    with Fleet(url, folder / "fairness") as ours:
        other = ours.for_team("other")
        worker = ours.add_worker("--max-concurrency", str(SLOTS))
        alone = asyncio.run(_late(other, "brief"))
        worker.terminate()
        _fill(ours, "brief", rows)
        ours.add_worker("--max-concurrency", str(SLOTS))
        time.sleep(1)
        of_team = asyncio.run(_late(other, "brief"))
        of_agent = asyncio.run(_late(ours, "brief-too"))
    return {
        f"{LATE} with no queue start within ms": max(alone) * 1000,
        f"{LATE} of another team start within ms": max(of_team) * 1000,
        f"{LATE} of another team start, median ms": statistics.median(of_team) * 1000,
        f"{LATE} of another agent start within ms": max(of_agent) * 1000,
        f"{LATE} of another agent start, median ms": statistics.median(of_agent) * 1000,
    }


async def _late(service: Service, agent_id: str) -> list[float]:
    """How long each of ten waits for its start. Seconds."""
    found = await ended(service, await submit(service, agent_id, LATE))
    return [_seconds(one["started_at"]) - _seconds(one["created_at"]) for one in found]


def _seconds(moment: Any) -> float:
    return datetime.fromisoformat(moment).timestamp()
