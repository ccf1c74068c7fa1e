"""Agents that tell much, to test streams of events with."""

import asyncio
import time
from decimal import Decimal
from pathlib import Path

from moderately import Context, Interrupted, SyncContext, agent


@agent
async def chatty(ctx: Context, lines: int = 10, pause: float = 0.0, size: int = 1) -> int:
    """Log lines of some size, a moment apart."""
    for number in range(lines):
        ctx.log("x" * size, number=number)
        if pause:
            await asyncio.sleep(pause)
    return lines


@agent
async def stepping(ctx: Context, steps: int = 20, pause: float = 0.0) -> int:
    """Take steps, and tell of each."""
    for number in range(steps):
        await ctx.step(f"step {number}", asyncio.sleep, pause)
        ctx.log("went on", number=number)
    return steps


@agent
async def speaker(ctx: Context, pieces: int = 5) -> str:
    """Wait for a word, then say it piece by piece within a step."""
    word = await ctx.wait_for_input("word", schema=str)

    async def speak() -> str:
        for _ in range(pieces):
            ctx.token(word)
            await asyncio.sleep(0.01)
        cost = Decimal("0.25")
        ctx.message(word * pieces, model="parrot", input_tokens=1, output_tokens=pieces, cost=cost)
        return word * pieces

    return await ctx.step("speak", speak)


@agent
def babbler(ctx: SyncContext, path: str) -> None:
    """Speak for a minute, and note when it is not let."""
    try:
        for _ in range(6000):
            ctx.token("bla")
            time.sleep(0.01)
    except Interrupted:
        Path(path).touch()
        raise


@agent
async def turns(ctx: Context, count: int = 20) -> None:
    """Say a piece, then all of it, turn after turn."""
    await ctx.wait_for_input("go")
    for turn in range(count):
        ctx.token(f"piece {turn}")
        ctx.message(f"whole {turn}")
    ctx.token("last")
    await asyncio.sleep(0.05)
