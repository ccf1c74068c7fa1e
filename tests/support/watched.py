"""Agents to watch in a browser. What they wait for is a file in a folder that the test names."""

import asyncio
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from moderately import Context, Retry, agent


async def gate(folder: str, name: str) -> str:
    """Wait until the test lets it go on: until there is such a file."""
    while folder and not (Path(folder) / name).exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    return name


class Parcel(BaseModel):
    weight: Annotated[int, Field(ge=1, le=10, description="In kilograms.")]
    label: str = "parcel"


@agent
async def walker(
    ctx: Context,
    names: Annotated[list[str], Field(description="What to do, in this order.")],
    folder: str = "",
    pace: Literal["slow", "fast"] = "fast",
) -> str:
    """Take a step for each name, each behind a gate of its own."""
    for number, name in enumerate(names, 1):
        await ctx.step(name, gate, folder, name)
        ctx.progress(number / len(names), f"{name} done")
        ctx.log(f"walked {name}", pace=pace)
    return f"# Walked\n\n- {len(names)} steps"


@agent
async def teller(ctx: Context, folder: str) -> str:
    """Say something piece by piece, then all of it."""
    ctx.message("What is new?", role="user")
    for piece in ("Nothing ", "much, ", "and you?"):
        await gate(folder, piece.split()[0])
        ctx.token(piece)
    await gate(folder, "message")
    ctx.message(
        "Nothing much, and you?", model="parrot-1", input_tokens=12, output_tokens=6, cost=0.0042
    )
    await gate(folder, "end")
    return "told"


@agent
async def thinker(ctx: Context, folder: str) -> None:
    """Begin to say something, and never come to it."""
    await gate(folder, "think")
    ctx.token("Hm")
    await gate(folder, "note")
    ctx.log("still thinking")
    await gate(folder, "end")


@agent
async def breaker(ctx: Context, message: str = "no luck", luck: bool = False) -> str:
    """Fail in its second step, unless it has luck."""

    def fail() -> str:
        if not luck:
            raise OSError(message)
        return "lucky"

    await ctx.step("before", lambda: 1)
    return await ctx.step("risky", fail)


@agent
async def approver(ctx: Context, amount: int) -> dict:
    """Ask for an approval."""
    said = await ctx.approve("pay", arguments={"amount": amount}, message="Pay now?")
    return {"approved": said.approved, "amount": said.arguments["amount"], "reason": said.reason}


@agent
async def pair(ctx: Context) -> list[bool]:
    """Ask for two approvals at once."""
    said = await asyncio.gather(ctx.approve("first"), ctx.approve("second"))
    return [one.approved for one in said]


@agent
async def asker(ctx: Context) -> dict:
    """Ask for a parcel."""
    parcel = await ctx.wait_for_input("parcel", schema=Parcel)
    return parcel.model_dump()


@agent
async def researcher(ctx: Context, question: str, depth: int = 0) -> str:
    """Look around in several places at once, then write it up: the deeper, the longer."""
    tries: list[str] = []

    async def read(place: str) -> dict:
        await asyncio.sleep(0.015 * len(place) * (1 + depth))
        tries.append(place)
        if place == "issues" and tries.count(place) == 1:
            raise ConnectionError("the tracker does not answer")
        return {"place": place, "found": [f"{place}-{number}" for number in range(3)]}

    async def dig(place: str) -> dict:
        found = await ctx.step(f"fetch {place}", read, place, retry=Retry(attempts=3, backoff=0.1))
        await ctx.step(f"summarise {place}", read, place)
        return found

    async def write() -> str:
        await asyncio.sleep(20 * depth)
        return f"## {question}\n\n- **Streams** have an end of their own\n- Waits are deadlines"

    ctx.message(question, role="user")
    await ctx.step("plan", read, "question")
    ctx.message(
        "I look into three places.",
        model="llama-3.3-70b",
        tool_calls=[{"id": "call_1", "name": "search", "arguments": {"query": "release notes"}}],
        input_tokens=412,
        output_tokens=38,
        cost=0.0021,
    )
    found = await asyncio.gather(*map(dig, ("changelog", "issues", "commits")))
    ctx.message({"passages": len(found)}, role="tool", tool_call_id="call_1")
    ctx.log("passages ranked", kept=len(found), dropped=4)
    ctx.progress(0.75, "writing it up")
    return await ctx.step("write", write)


@agent
async def many(ctx: Context, count: int) -> int:
    """Take many steps at once."""

    async def one(number: int) -> int:
        return await ctx.step(f"take {number % 7}", int, number)

    taken = await asyncio.gather(*(one(number) for number in range(count)))
    return len(taken)
