"""Workers that die or freeze: how long until another goes on with what they ran."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.durable import marked_at, start_logged
from bench.figures import Figures
from bench.fleet import Fleet
from moderately.testing import Postgres, WorkerProcess

LEASE_SECONDS = 2
SETTLE_SECONDS = 4.0


def takeovers(postgres: Postgres, folder: Path, rounds: int) -> Figures:
    """After kill -9 and after SIGSTOP; of the latter, what the lease does not explain. Seconds.

    A kill is to be noticed without the lease, which is there as long as it is by default.
    """
    killed = takeover(postgres, folder / "killed", WorkerProcess.kill, rounds)
    lease = ["--lease", str(LEASE_SECONDS)]
    frozen = takeover(postgres, folder / "frozen", WorkerProcess.freeze, rounds, lease)
    return {
        "takeover after kill -9 s, median": statistics.median(killed),
        "takeover after kill -9 s, worst": max(killed),
        f"takeover after SIGSTOP s, lease {LEASE_SECONDS}, median": statistics.median(frozen),
        "takeover after SIGSTOP beyond the lease s, worst": max(frozen) - LEASE_SECONDS,
    }


def takeover(
    postgres: Postgres,
    folder: Path,
    fail: Callable[[WorkerProcess], None],
    rounds: int,
    options: Sequence[str] = (),
) -> list[float]:
    """From the signal to a worker to the first new line of the agent's code, elsewhere.

    There is a worker more than will fail, and all have been there for a while: one that has only
    just connected does not trust yet what it sees of others.
    """
    took = []
    with Fleet(postgres.create_database(), folder, options) as ours:
        workers = [ours.add_worker() for _ in range(rounds + 1)]
        by_pid = {worker.process.pid: worker for worker in workers}
        time.sleep(SETTLE_SECONDS)
        for _ in range(rounds):
            _, event = asyncio.run(start_logged(ours, "resumed"))
            victim = by_pid[event["data"]["fields"]["pid"]]
            begun = time.time()
            fail(victim)
            took.append(marked_at(ours.mark) - begun)
            victim.kill()
    return took
