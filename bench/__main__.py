"""`make bench`: measures, prints a table with the goals, and writes `out/bench.json`."""

import argparse
import json
import platform
from collections.abc import Callable
from typing import Any

import psutil

from bench import cluster, dashboard, durable, events, sdk, service
from bench.figures import Figures
from bench.processes import ROOT

PARTS: dict[str, Callable[..., Figures]] = {
    "service": service.collect_service,
    "durable": durable.collect_durable,
    "cluster": cluster.collect_cluster,
    "dashboard": dashboard.collect_dashboard,
    "events": events.collect_events,
    "sdk": sdk.collect_sdk,
}
GOALS = {
    name: goal
    for part in (service, durable, cluster, dashboard, events, sdk)
    for name, goal in part.GOALS.items()
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter runs, once each")
    parser.add_argument("--only", choices=PARTS, help="one part; all of them by default")
    given = parser.parse_args()
    figures: Figures = {}
    for name in [given.only] if given.only else PARTS:
        figures |= PARTS[name](quick=given.quick)
    for name, value in figures.items():
        goal, meets = GOALS.get(name, ("", None))
        verdict = "" if meets is None else ("met" if meets(value) else "MISSED")
        print(f"{name:56} {value:10.2f}  {goal:8} {verdict}")
    machine: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "cores": psutil.cpu_count(),
    }
    out = ROOT / "out"
    out.mkdir(exist_ok=True)
    (out / "bench.json").write_text(json.dumps({"machine": machine, "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
