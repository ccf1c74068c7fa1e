"""Agents that take steps, wait and fail, to test durability with. Effects go to a file."""

import asyncio
import os
import time
from pathlib import Path

from moderately import ChildFailed, Context, Interrupted, Retry, SyncContext, agent

DIARY = Path(os.environ.get("DIARY", os.devnull))


def write(line: str) -> str:
    """Note an effect, on disk before it returns."""
    with DIARY.open("a") as diary:
        diary.write(line + "\n")
        diary.flush()
        os.fsync(diary.fileno())
    return line


@agent
async def stepper(ctx: Context, steps: int = 5, hang_at: int = 0) -> list[str]:
    """Take steps; hang before one of them, in the first attempt."""
    found = []
    for number in range(1, steps + 1):
        if number == hang_at and ctx.attempt == 1:
            ctx.log("hangs")
            await asyncio.sleep(3600)
        found.append(await ctx.step(f"step {number}", write, f"{number}"))
    return found


@agent
async def values(ctx: Context) -> list[str]:
    """Take values that are on record, then hang in the first attempt."""
    found = [str(await ctx.now()), str(await ctx.random()), str(await ctx.uuid())]
    write(" ".join(found))
    if ctx.attempt == 1:
        ctx.log("hangs")
        await asyncio.sleep(3600)
    return found


@agent
async def sleeper(ctx: Context, seconds: float = 1.0) -> str:
    """Sleep durably."""
    await ctx.step("before", write, "before")
    await ctx.sleep(seconds)
    await ctx.step("after", write, "after")
    return "slept"


@agent
async def asker(ctx: Context, timeout: float | None = None) -> int:  # noqa: ASYNC109
    """Ask for a number."""
    await ctx.step("before", write, "before")
    number = await ctx.wait_for_input("number", schema=int, timeout=timeout)
    return number + 1


@agent
async def approver(ctx: Context, expires_in: float | None = None) -> dict:
    """Ask for an approval."""
    said = await ctx.approve("pay", arguments={"amount": 5}, expires_in=expires_in)
    return {"approved": said.approved, "arguments": said.arguments, "reason": said.reason}


@agent
async def parent(ctx: Context, children: int = 2, seconds: float = 0.0) -> list:
    """Run children at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(ctx.run_agent("sleeper", {"seconds": seconds}))
            for _ in range(children)
        ]
    return [task.result() for task in tasks]


@agent
async def lonely(ctx: Context) -> str:
    """Run a child that fails."""
    try:
        await ctx.run_agent("flaky", {"failures": 99})
    except ChildFailed as error:
        return type(error).__name__
    return "no error"


@agent
async def unsafe(ctx: Context, seconds: float = 3600.0) -> str:
    """Do something that must not be repeated, slowly."""

    async def pay() -> str:
        write("pay " + ctx.step_key)
        ctx.log("paying")
        await asyncio.sleep(seconds)
        return "paid"

    return await ctx.step("pay", pay, effects="unsafe")


@agent
async def in_flight(ctx: Context) -> str:
    """Be interrupted within a step, in the first attempt."""

    async def work() -> str:
        write(ctx.step_key)
        if ctx.attempt == 1:
            ctx.log("working")
            await asyncio.sleep(3600)
        return "worked"

    return await ctx.step("work", work)


@agent(retry=Retry(attempts=3, backoff=0.05, jitter=0))
async def flaky(ctx: Context, failures: int = 2) -> int:
    """Fail some attempts in a step, behind one that succeeds."""
    await ctx.step("first", write, "first")

    def fail() -> int:
        write("second")
        if ctx.attempt <= failures:
            raise ConnectionError("no luck")
        return ctx.attempt

    return await ctx.step("second", fail)


@agent
async def survivor(ctx: Context) -> list[str]:
    """Survive a step that fails, then hang in the first attempt."""

    def fail() -> None:
        write("fail")
        raise LookupError("not there")

    found = []
    try:
        await ctx.step("fail", fail)
    except LookupError as error:
        found.append(f"{type(error).__name__}: {error}")
    if ctx.attempt == 1:
        ctx.log("hangs")
        await asyncio.sleep(3600)
    return found


@agent
async def tries(ctx: Context) -> int:
    """A step that is tried three times."""
    count = 0

    def fail() -> int:
        nonlocal count
        count += 1
        if count < 3:
            raise ConnectionError("no luck")
        return count

    return await ctx.step("try", fail, retry=Retry(attempts=5, backoff=0.01))


@agent
async def race(ctx: Context) -> list[str]:
    """Look at which of several steps comes first; hang behind that in the first attempt."""

    async def one(name: str) -> str:
        # In the second attempt the other one would come first, but for the record.
        if (name == "a") is (ctx.attempt == 1):
            await asyncio.sleep(0.2)
        return write(name)

    tasks = {asyncio.create_task(ctx.step(name, one, name)) for name in ("a", "b")}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    first = sorted(task.result() for task in done)
    await asyncio.wait(tasks)
    if ctx.attempt == 1:
        ctx.log("hangs", first=first)
        await asyncio.sleep(3600)
    return first


@agent
async def nested(ctx: Context) -> str:
    """Take a step within a step, which is refused."""

    async def inner() -> str:
        return await ctx.step("inner", write, "inner")

    try:
        return await ctx.step("outer", inner)
    except RuntimeError as error:
        return str(error)


@agent
async def not_json(ctx: Context) -> str:
    """A step whose result is no JSON."""
    await ctx.step("odd", object)
    return "no error"


@agent
async def tidy(ctx: Context) -> None:
    """Clean up when it is cancelled."""

    async def finish() -> None:
        await asyncio.sleep(0.05)
        write("shielded")

    ctx.log("begun")
    try:
        await ctx.shielded(finish())
        await asyncio.sleep(3600)
    finally:
        write("finally")


@agent
def plain(ctx: SyncContext, seconds: float = 0.0) -> str:
    """A plain agent that sleeps, asks and takes steps."""
    ctx.step("before", write, "before")
    ctx.sleep(seconds)
    answer = ctx.wait_for_input("word", schema=str)
    return ctx.step("after", write, answer)


@agent(max_concurrency_per_key=1)
async def keyed(ctx: Context, seconds: float = 0.1) -> None:
    """Run alone among those with the same key."""
    write(f"+{ctx.metadata['key']}")
    await asyncio.sleep(seconds)
    write(f"-{ctx.metadata['key']}")


@agent(rate="2/s")
async def rated(ctx: Context) -> None:
    """Start twice a second at most."""


@agent(isolation="process")
def isolated(ctx: SyncContext, hang: bool = False, die: bool = False) -> list:
    """Run in a process of its own; hang there for good, or die."""
    pid = ctx.step("pid", os.getpid)
    write(f"pid {os.getpid()}")
    ctx.log("begun")
    if die:
        os._exit(3)
    while hang:
        try:
            time.sleep(3600)
        except Interrupted:
            write("ignored")
    answer = ctx.wait_for_input("word", schema=str)
    child = ctx.run_agent("stepper", {"steps": 1})
    return [pid, answer, child]


@agent
def deaf(ctx: SyncContext) -> str:
    """Block without a look at whether it is still wanted, until a file is there."""
    ctx.log("begun")
    while not DIARY.with_suffix(".end").exists():
        time.sleep(0.01)
    write("went on")
    ctx.step("late", write, "late")
    return "late"


@agent
async def slow_step(ctx: Context) -> str:
    """A step that takes longer than it may, and then one that does not, in a thread."""
    try:
        await ctx.step("slow", asyncio.sleep, 60, timeout=0.05)
    except TimeoutError:
        ctx.emit("noticed", {"step": "slow"})
    return await ctx.step("thread", write, "thread", timeout=5)


@agent
def slow_plain_step(ctx: SyncContext) -> str:
    """The same, plain."""
    try:
        ctx.step("slow", time.sleep, 0.5, timeout=0.05)
    except TimeoutError:
        ctx.emit("noticed", {"step": "slow"})
    return ctx.step("thread", write, "thread", timeout=5)


@agent
async def headstrong(ctx: Context) -> str:
    """Go on after a cancel, as if nothing had happened."""
    ctx.log("begun")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        write("caught")
    try:
        await ctx.step("late", write, "late")
    finally:
        write("refused")
    return "went on"


@agent
async def ticker(ctx: Context, steps: int = 30) -> int:
    """Take steps, a moment apart."""
    for number in range(steps):
        await ctx.step("tick", write, str(number))
        await asyncio.sleep(0.05)
    return steps
