"""Figures by name, and what is said about them on the way."""

import statistics
import sys
from collections.abc import Callable, Sequence

Figures = dict[str, float]
Goals = dict[str, tuple[str, Callable[[float], bool]]]


def at_least(value: float) -> tuple[str, Callable[[float], bool]]:
    """A goal."""
    return f"≥ {value:g}", lambda v: v >= value


def at_most(value: float) -> tuple[str, Callable[[float], bool]]:
    """A goal."""
    return f"≤ {value:g}", lambda v: v <= value


def percentiles(
    name: str, seconds: Sequence[float], wanted: Sequence[int] = (50, 95, 99)
) -> Figures:
    """Percentiles in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return {f"{name} p{p} ms": cuts[p - 1] * 1000 for p in wanted}


def say(what: str) -> None:
    """Tell what is going on."""
    print(f"measuring {what} ...", file=sys.stderr, flush=True)
