"""The SDK beside its peers: `python -m bench.sdk`, or as a part of `make bench`.

All run in one environment (`requirements/sdk-peers.txt`), in turns, against one server. Ratios are
to `httpx2` alone, which is what ours stands on.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.figures import Figures, Goals, at_most, say
from bench.processes import ROOT

PEERS = ROOT / ".envs/sdk-peers/bin/python"
SDKS = ("ours", "httpx2", "openai", "langgraph", "vendor")
ROUNDS = 7
RATIOS = ("import and client ms", "first reply ms", "CPU µs/request", "CPU µs/request, async")

GOALS: Goals = {
    "SDK import and client ms, ours": at_most(120),
    "SDK first reply ms, ratio, ours": at_most(1.2),
    "SDK CPU µs/request, ratio, ours": at_most(1.2),
    "SDK CPU µs/request, async, ratio, ours": at_most(1.2),
    "SDK wait p50 ms, ours": at_most(10),
    "SDK overshoot ms, it runs on, ours": at_most(50),
    "SDK overshoot ms, it dribbles, ours": at_most(50),
}


@contextmanager
def server() -> Iterator[str]:
    """The server, as a process."""
    command = [sys.executable, str(ROOT / "bench/sdk_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def peer(name: str, url: str, what: str) -> Figures:
    """Let one SDK do something."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")} if name == "ours" else {**os.environ}
    command = [str(PEERS), str(ROOT / "bench/sdk_peers.py"), name, url, what]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    found: Figures = json.loads(done.stdout)
    return found


def timed(name: str, url: str, what: str) -> float:
    """How long a fresh process takes for it, in milliseconds."""
    begun = time.perf_counter()
    peer(name, url, what)
    return (time.perf_counter() - begun) * 1000


def collect_sdk(*, quick: bool) -> Figures:
    """All figures. Each one's name begins with `SDK`."""
    say("the SDK")
    found = by_sdk(3 if quick else ROUNDS)
    return {
        f"SDK {figure}, {name}": value
        for name, figures in found.items()
        for figure, value in figures.items()
    }


def by_sdk(rounds: int = ROUNDS) -> dict[str, Figures]:
    """All figures, by SDK."""
    figures: dict[str, Figures] = {name: {} for name in SDKS}
    took: dict[tuple[str, str], list[float]] = {}
    with server() as url:
        # The first round compiles, and does not count.
        for number in range(rounds + 1):
            for name in SDKS:
                for what in ("nothing", "client", "first"):
                    found = timed(name, url, what)
                    took.setdefault((name, what), []).extend([found] if number else [])
                for figure, value in peer(name, url, "cpu").items():
                    figures[name][figure] = min(value, figures[name].get(figure, value))
        for name in SDKS:
            # The best: whatever else the machine does only adds to it.
            nothing = min(took[name, "nothing"])
            for what, figure in (("client", "import and client ms"), ("first", "first reply ms")):
                figures[name][figure] = min(took[name, what]) - nothing
            figures[name] |= peer(name, url, "waits")
    for name in SDKS:
        for figure in RATIOS:
            if figure in figures[name]:
                ratio = figures[name][figure] / figures["httpx2"][figure]
                figures[name][f"{figure}, ratio"] = ratio
    return figures


def print_table(figures: dict[str, Figures]) -> None:
    """Print the figures, an SDK in each column."""
    print(f"{'':32}" + "".join(f"{name:>11}" for name in SDKS))
    for figure in figures["ours"]:
        cells = (figures[name].get(figure) for name in SDKS)
        shown = ("—" if cell is None else f"{cell:.2f}" for cell in cells)
        print(f"{figure:32}" + "".join(f"{cell:>11}" for cell in shown))


if __name__ == "__main__":
    print_table(by_sdk())
