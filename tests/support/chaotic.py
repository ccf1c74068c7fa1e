"""An agent that does a bit of everything, to be killed."""

import asyncio
import random
from typing import Literal

from moderately import Context, SyncContext, agent


async def work(number: int) -> int:
    """Take a moment."""
    await asyncio.sleep(random.random() * 0.02)  # noqa: S311 - it only spreads them
    return number


@agent
async def chaotic(ctx: Context) -> int:
    """Steps one by one and at once, a race, a sleep, a child, and a step that is unsafe."""
    total = 0
    for number in range(3):
        total += await ctx.step("in turn", work, number, effects="pure")
        ctx.log("counted", total=total)
    total += sum(await asyncio.gather(*(ctx.step("at once", work, n) for n in range(4))))
    tasks = [asyncio.create_task(ctx.step("race", work, n)) for n in range(3)]
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    total += await ctx.step("after the race", work, len(done))
    await ctx.sleep(await ctx.random() * 0.05)
    total += await ctx.run_agent("child", {"number": total})
    total += await ctx.step("unsafe", work, 1, effects="unsafe")
    return total


@agent
def child(ctx: SyncContext, number: int) -> int:
    """A plain agent with two steps."""
    first = ctx.step("first", int, number)
    ctx.sleep(0.01)
    return ctx.step("second", int, first)


@agent
async def racer(ctx: Context) -> int:
    """Steps that are quick in the first attempt: a zombie of it would run ahead of the second."""

    async def take(number: int) -> int:
        await asyncio.sleep(0.005 if ctx.attempt == 1 else 0.03)
        return number

    return sum([await ctx.step("take", take, number) for number in range(20)])


async def hold(seconds: float) -> None:
    """Take a while."""
    await asyncio.sleep(seconds)


@agent
async def marathon(ctx: Context) -> int:
    """Take slow steps one after another, some of them unsafe: one is in flight at any moment."""
    for number in range(20):
        effects: Literal["unsafe", "idempotent"] = "unsafe" if number % 5 == 4 else "idempotent"
        await ctx.step("hold", hold, 0.2, effects=effects)
    return 20


@agent(max_concurrency=2)
async def narrow(ctx: Context) -> None:
    """Run with one other at most."""
    await ctx.step("hold", hold, 0.1)


@agent(max_concurrency_per_key=1)
async def keyed(ctx: Context) -> None:
    """Run alone among those with the same key."""
    await ctx.step("hold", hold, 0.1)


@agent(rate="5/s")
async def paced(ctx: Context) -> None:
    """Start five times a second at most."""
