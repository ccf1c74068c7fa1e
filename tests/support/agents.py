"""Small agents to test with."""

import asyncio
import time
from typing import Annotated

from pydantic import BaseModel, Field

from moderately import Context, SyncContext, agent


class Point(BaseModel):
    x: int
    label: Annotated[str, Field(max_length=20)] = "p"


@agent
async def echo(ctx: Context, input: dict) -> dict:  # noqa: A002
    """Give back the input."""
    return input


@agent
async def noop(ctx: Context) -> None:
    """Do nothing."""


@agent
async def typed(ctx: Context, point: Point, times: int = 1) -> list[Point]:
    """Repeat a point."""
    return [point] * times


@agent
async def sleeper(ctx: Context, seconds: float = 60.0) -> str:
    """Sleep; says when it has begun."""
    ctx.log("asleep")
    await asyncio.sleep(seconds)
    return "slept"


@agent
async def failing(ctx: Context, message: str = "no luck") -> None:
    """Fail."""
    raise LookupError(message)


@agent
async def blocking(ctx: Context, seconds: float = 2.0) -> str:
    """Block the agents' event loop, as async code must not."""
    time.sleep(seconds)  # noqa: ASYNC251
    return "blocked"


@agent
def plain(ctx: SyncContext, seconds: float = 0.0) -> str:
    """A plain function, in a thread."""
    ctx.log("begun")
    end = time.monotonic() + seconds
    while time.monotonic() < end and not ctx.cancelled:
        time.sleep(0.01)
    return ctx.step("answer", lambda: "plain")


@agent
async def stepper(ctx: Context, steps: int = 3) -> int:
    """Take some steps, with progress and logs."""
    total = 0
    for number in range(1, steps + 1):
        total += await ctx.step(f"step {number}", int, number)
        ctx.progress(number / steps, f"{number} of {steps}")
    ctx.log("done", total=total)
    return total


@agent
async def bad_output(ctx: Context) -> int:
    """Give what the signature does not say."""
    return "seven"  # type: ignore[return-value]


@agent
async def not_json(ctx: Context):
    """Give what is no JSON."""
    return float("nan")


@agent(max_concurrency=1)
async def one_at_a_time(ctx: Context, seconds: float = 0.0) -> str:
    """Run alone."""
    ctx.log("running")
    await asyncio.sleep(seconds)
    return "alone"


@agent(timeout=0.2)
async def hasty(ctx: Context) -> None:
    """Have little time."""
    await asyncio.sleep(60)


@agent
async def stubborn(ctx: Context) -> str:
    """Ignore being cancelled for a while."""
    ctx.log("begun")
    for _ in range(3):
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            ctx.log("ignored")
    return "went on"


@agent
async def fork(ctx: Context) -> list[str]:
    """Take steps in tasks."""

    async def branch(name: str) -> str:
        return await ctx.step(f"in {name}", str.upper, name)

    return list(await asyncio.gather(branch("a"), branch("b")))


@agent
async def failing_step(ctx: Context) -> str:
    """Survive a step that fails."""

    def fail() -> None:
        raise OSError("no such luck")

    try:
        await ctx.step("fail", fail)
    except OSError as error:
        return str(error)
    return "no error"
