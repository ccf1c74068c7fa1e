"""Agents to measure with."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from moderately import Context, agent


@agent
async def noop(ctx: Context) -> None:
    """Do nothing."""


@agent
async def stamp(ctx: Context) -> None:
    """End a little later, so that somebody waits by then."""
    await asyncio.sleep(0.02)


@agent
async def sleeper(ctx: Context) -> None:
    """Sleep."""
    await asyncio.sleep(3600)


@agent
async def steps(ctx: Context, count: int) -> dict[str, Any]:
    """Take so many steps; give when they began and ended, and how long each took."""
    took = []
    begin = time.perf_counter()
    for number in range(count):
        begun = time.perf_counter()
        await ctx.step("nothing", nothing, number)
        took.append(time.perf_counter() - begun)
    return {"begin": begin, "end": time.perf_counter(), "took": took}


async def nothing(number: int) -> int:
    """Do nothing."""
    return number


def mark() -> None:
    """Note the time."""
    Path(os.environ["BENCH_MARK"]).write_text(str(time.time()))


@agent
async def resumed(ctx: Context) -> None:
    """Hang behind a step in the first attempt; note the time of the next one in the second."""
    await ctx.step("first", nothing, 1)
    if ctx.attempt == 1:
        ctx.log("hangs", pid=os.getpid())
        await asyncio.sleep(3600)
    await ctx.step("second", mark)


@agent
async def marked(ctx: Context) -> None:
    """Note the time at which it is cancelled."""
    ctx.log("begun")
    try:
        await asyncio.sleep(3600)
    finally:
        mark()


@agent
async def durable_sleeper(ctx: Context) -> None:
    """Sleep durably."""
    await ctx.sleep(3600)


@agent
async def started(ctx: Context) -> dict[str, Any]:
    """Tell when it began."""
    return {"at": time.time()}


@agent
async def brief(ctx: Context) -> None:
    """Hold a slot for a moment."""
    await asyncio.sleep(0.01)


@agent
async def brief_too(ctx: Context) -> None:
    """Another one that does."""
    await asyncio.sleep(0.01)


@agent
async def metronome(ctx: Context, ticks: int, rate: float) -> None:
    """Wait for a word, then tell the time so many times a second."""
    await ctx.wait_for_input("go")
    begun = time.monotonic()
    for number in range(1, ticks + 1):
        ctx.log("tick", sent=time.time())
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
