"""DBOS on PostgreSQL: a peer, in an environment of its own.

`worker URL ID` runs what is enqueued. `drive URL COUNT DELAYS` enqueues so many workflows that do
nothing, and prints a JSON object: how many a second ran, and how long each of so many others, one
after another, took from before its enqueueing to its first line. Seconds.

Workers look into the queue every 10 ms, where DBOS by default does once a second, and run as many
workflows at once as they find. Nothing is asked for results while the rate is measured.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
from dbos import DBOS, DBOSClient

QUEUE = "bench"
VERSION = "1"
POLL_SECONDS = 0.01
THREADS = 32


@DBOS.workflow(name="started")
async def started() -> float:
    """Tell when it began."""
    return time.time()


def worker(url: str, executor_id: str) -> None:
    """Run what is enqueued."""
    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "log_level": "ERROR",
            "executor_id": executor_id,
            "application_version": VERSION,
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=POLL_SECONDS)
    print("worker ready", flush=True)
    threading.Event().wait()


def drive(url: str, count: int, delays: int) -> None:
    """Enqueue and measure."""
    client = DBOSClient(system_database_url=url, system_database_pool_size=THREADS)
    options = {"workflow_name": "started", "queue_name": QUEUE, "app_version": VERSION}

    def delay() -> float:
        begun = time.time()
        handle = client.enqueue(options)
        return handle.get_result(polling_interval_sec=POLL_SECONDS) - begun

    delay()
    took = [delay() for _ in range(delays)]
    print(json.dumps({"rate": rate(url, client, options, count), "delays": took}), flush=True)


def rate(url: str, client: DBOSClient, options: dict[str, str], count: int) -> float:
    """How many a second run, from the first that is enqueued to the last that has ended."""
    query = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"
    with psycopg.connect(url, autocommit=True) as database:

        def ended() -> int:
            return database.execute(query).fetchone()[0]

        before = ended()
        begun = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda _: client.enqueue(options), range(count)))
        while ended() < before + count:
            time.sleep(0.02)
        return count / (time.perf_counter() - begun)


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        worker(*sys.argv[2:])
    else:
        drive(sys.argv[2], *map(int, sys.argv[3:]))
