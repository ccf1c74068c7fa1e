"""Celery on Redis: a peer, in an environment of its own.

`worker URL ID` runs what is sent. `drive URL COUNT DELAYS` sends so many tasks that do nothing, and
prints a JSON object: how many a second ran, and how long each of so many others, one after another,
took from before its sending to its first line. Seconds.

Tasks are acknowledged once they have ended (`acks_late`), and leave a result, as an execution does.
Workers run them in threads: with tasks that do nothing, the fastest of Celery's pools.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from celery import Celery
from celery.signals import worker_ready
from redis import Redis

SENDERS = 8
CONCURRENCY = 16
URL = sys.argv[2]

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
)


@app.task(name="started")
def started() -> float:
    """Tell when it began."""
    return time.time()


@worker_ready.connect
def tell(**_: object) -> None:
    """Say that this worker takes tasks; Celery would only with a log of each task."""
    print("worker ready", flush=True)


def worker(name: str) -> None:
    """Run what is sent."""
    options = ["--pool", "threads", "--concurrency", str(CONCURRENCY), "--loglevel", "WARNING"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["worker", "--hostname", f"{name}@%h", *options, *quiet])


def drive(count: int, delays: int) -> None:
    """Send and measure."""

    def delay() -> float:
        begun = time.time()
        return started.apply_async().get(timeout=30) - begun

    delay()
    took = [delay() for _ in range(delays)]
    print(json.dumps({"rate": rate(count), "delays": took}), flush=True)


def rate(count: int) -> float:
    """How many a second run, from the first that is sent to the last that has ended."""
    server = Redis.from_url(URL)

    def ended() -> int:
        return len(server.keys("celery-task-meta-*"))

    wanted = ended() + count
    begun = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(lambda _: started.apply_async(), range(count)))
    # The number of all keys, which costs nothing, is never below that of the results.
    while server.dbsize() < wanted or ended() < wanted:
        time.sleep(0.02)
    return count / (time.perf_counter() - begun)


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        worker(sys.argv[3])
    else:
        drive(*map(int, sys.argv[3:]))
