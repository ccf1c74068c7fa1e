"""The dashboard's pages beside 100,000 executions, and an execution of 2,000 steps."""

import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import httpx2

from bench.figures import Figures, Goals, at_most, say
from bench.processes import AGENTS
from bench.service import fill
from moderately import ModeratelyAI
from moderately.testing import ServiceProcess

GOALS: Goals = {"dashboard, worst p95 ms": at_most(150)}

_ROWS = 100_000
_STEPS = 2000


def collect_dashboard(*, quick: bool) -> Figures:
    """All of it."""
    say(f"the dashboard beside {_ROWS:,} executions")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with ServiceProcess([AGENTS], data=data):
            pass
        fill(data / "moderately.db", _ROWS)
        with ServiceProcess([AGENTS], data=data) as service:
            return _pages(service, 20 if quick else 100)


def _pages(service: ServiceProcess, number: int) -> Figures:
    with ModeratelyAI(base_url=service.base_url, api_key=service.api_key) as client:
        long = client.agent_executions.run(
            agent_id="steps", input_data={"count": _STEPS}, timeout=120
        )
    pages = {
        "executions": "/",
        "executions, filtered": "/?status=failed&agent_id=agent-1&page_size=100",
        "executions, by start": "/?status=completed&order_by=started_at",
        "agents": "/ui/agents",
        "an agent": "/ui/agents/noop",
        "system": "/ui/system",
        f"an execution of {_STEPS:,} steps": f"/ui/executions/{long.id}",
    }
    figures: Figures = {}
    cookie = {"Cookie": f"moderately_key={quote(service.api_key, safe='')}"}
    with httpx2.Client(base_url=service.base_url, headers=cookie, timeout=60) as http:
        for name, path in pages.items():
            took = []
            for _ in range(number + 1):
                begun = time.perf_counter()
                reply = http.get(path)
                took.append((time.perf_counter() - begun) * 1000)
                assert reply.status_code == 200, (path, reply.status_code)
            # The first one compiles the template.
            figures[f"dashboard, {name}, p95 ms"] = statistics.quantiles(took[1:], n=20)[18]
            figures[f"dashboard, {name}, KB"] = len(reply.content) / 1024
    worst = max(value for name, value in figures.items() if name.endswith("ms"))
    return figures | {"dashboard, worst p95 ms": worst}
