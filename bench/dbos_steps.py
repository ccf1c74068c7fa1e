"""Steps on DBOS: the peer, in an environment of its own.

On SQLite (WAL, `synchronous=FULL`) or PostgreSQL, by the URL.

Prints a JSON object: steps per second and the p50 of a step, by how many workflows run at once.
"""

import asyncio
import json
import sqlite3
import statistics
import sys
import time

from dbos import DBOS
from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def durable(connection, _record):
    """The same durability as ours, which PostgreSQL has by default."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")


@DBOS.step()
async def nothing(number: int) -> int:
    """Do nothing."""
    return number


@DBOS.workflow()
async def steps(count: int) -> list[float]:
    """Take so many steps; give how long each took."""
    took = []
    for number in range(count):
        begun = time.perf_counter()
        await nothing(number)
        took.append(time.perf_counter() - begun)
    return took


async def measure(workflows: int, count: int) -> dict[str, float]:
    """Run so many at once."""
    begun = time.perf_counter()
    found = await asyncio.gather(*(steps(count) for _ in range(workflows)))
    elapsed = time.perf_counter() - begun
    took = [one for run in found for one in run]
    return {"rate": len(took) / elapsed, "p50": statistics.median(took)}


async def main(url: str, plan: dict[str, int]) -> None:
    """Measure everything."""
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    await measure(1, 20)
    found = {workflows: await measure(int(workflows), count) for workflows, count in plan.items()}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
