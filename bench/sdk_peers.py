"""One SDK at work: `python sdk_peers.py NAME URL MEASURE`, in the environment of the peers.

Prints figures as JSON. It knows nothing of this repository, and imports one SDK only.
"""

import asyncio
import contextlib
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

# openai calls its own runs deprecated.
warnings.simplefilter("ignore")

REQUESTS = 300
ROUNDS = 2
TIMEOUT = 1.0
KEY = "k" * 20

Call = Callable[[str], Any]


def ours(url: str, timeout: float | None) -> tuple[Call, Call, Call | None]:
    from moderately import ModeratelyAI  # noqa: PLC0415

    executions = ModeratelyAI(base_url=url, api_key=KEY).agent_executions
    wait = executions.wait_for_completion
    return executions.retrieve, wait, lambda name: wait(name, timeout=timeout)


def httpx2(url: str, timeout: float | None) -> tuple[Call, Call | None, Call | None]:
    import httpx2 as library  # noqa: PLC0415

    client = library.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"})

    def get(name: str) -> Any:
        return client.get(f"/agent-executions/{name}", timeout=timeout).json()

    return get, None, None


def openai(url: str, timeout: float | None) -> tuple[Call, Call, None]:
    from openai import OpenAI  # noqa: PLC0415

    runs = OpenAI(base_url=url, api_key=KEY).beta.threads.runs
    del timeout
    return (
        lambda name: runs.retrieve(name, thread_id="t"),
        lambda name: runs.poll(name, thread_id="t"),
        None,
    )


def langgraph(url: str, timeout: float | None) -> tuple[Call, Call, None]:
    from langgraph_sdk import get_sync_client  # noqa: PLC0415

    runs = get_sync_client(url=url, api_key=KEY).runs
    del timeout
    return lambda name: runs.get("t", name), lambda name: runs.join("t", name), None


def vendor(url: str, timeout: float | None) -> tuple[Call, Call, Call]:
    from moderatelyai_sdk import ModeratelyAI  # noqa: PLC0415

    executions = ModeratelyAI(base_url=url, api_key=KEY, team_id="t").agent_executions
    wait = executions.wait_for_completion
    return executions.retrieve, wait, lambda name: wait(name, timeout=timeout)


SDKS: dict[str, Callable[[str, float | None], tuple[Call, Call | None, Call | None]]] = {
    "ours": ours,
    "httpx2": httpx2,
    "openai": openai,
    "langgraph": langgraph,
    "vendor": vendor,
}


def cpu(get: Call) -> float:
    """CPU of one request, in microseconds: the best of some rounds."""
    for _ in range(50):
        get("x")
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(REQUESTS):
            get("x")
        rounds.append((time.process_time() - begun) / REQUESTS * 1e6)
    return min(rounds)


async def cpu_async(name: str, url: str) -> float:
    """The same of an asynchronous client; of those two whose synchronous twin is measured."""
    if name == "ours":
        from moderately import AsyncModeratelyAI  # noqa: PLC0415

        client = AsyncModeratelyAI(base_url=url, api_key=KEY)
        get: Any = client.agent_executions.retrieve
    else:
        import httpx2 as library  # noqa: PLC0415

        bare = library.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"})

        async def get(name: str) -> Any:
            return (await bare.get(f"/agent-executions/{name}")).json()

    rounds = []
    for _ in range(ROUNDS + 1):
        begun = time.process_time()
        for _ in range(REQUESTS):
            await get("x")
        rounds.append((time.process_time() - begun) / REQUESTS * 1e6)
    return min(rounds)


def latency(wait: Call) -> float:
    """From the end of a run to the return of its wait, in milliseconds: the median."""
    took = []
    for number in range(7):
        end = time.time() + 0.3 + number * 0.13
        wait(f"t{end:.6f}")
        took.append((time.time() - end) * 1000)
    return statistics.median(took)


def overshoot(wait: Call, name: str) -> float:
    """By how much a wait of a second outlasts it, in milliseconds."""
    begun = time.monotonic()
    with contextlib.suppress(Exception):
        wait(name)
    return (time.monotonic() - begun - TIMEOUT) * 1000


def measure(name: str, url: str, what: str) -> dict[str, float]:
    """The figures of one SDK; none for what is timed from outside."""
    if what == "nothing":
        return {}
    get, wait, _ = SDKS[name](url, None)
    if what == "client":
        return {}
    if what == "first":
        get("x")
        return {}
    if what == "cpu":
        figures = {"CPU µs/request": cpu(get)}
        if name in ("ours", "httpx2"):
            figures["CPU µs/request, async"] = asyncio.run(cpu_async(name, url))
        return figures
    figures = {}
    if wait is not None:
        figures["wait p50 ms"] = latency(wait)
    _, _, wait_until = SDKS[name](url, TIMEOUT)
    if wait_until is not None:
        figures["overshoot ms, it runs on"] = overshoot(wait_until, f"t{time.time() + 60:.6f}")
        figures["overshoot ms, it dribbles"] = overshoot(wait_until, "dribble")
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:4])))
