"""Agents to look at in the dashboard."""

import asyncio
import os
from typing import Annotated

from pydantic import BaseModel, Field

from moderately import Context, agent

VERSION = os.environ.get("WRITER_VERSION", "1")
Size = int if VERSION == "1" else float


class Box(BaseModel):
    size: Annotated[int, Field(ge=1, le=10)]
    label: str = "box"


@agent
async def worker(ctx: Context, names: list[str]) -> str:
    """Work on names."""
    ctx.log("begun")

    async def one(name: str) -> str:
        return await ctx.step(f"in {name}", str.upper, name)

    found = await asyncio.gather(*(one(name) for name in names))
    await ctx.step("together", lambda: {"found": found})
    ctx.progress(1.0, "worked")
    return f"# Done\n\n- {len(found)} names"


@agent
async def talker(ctx: Context, count: int, length: int) -> None:
    """Say much, and tell what it cost."""
    for _ in range(count):
        ctx.message(role="assistant", content="x" * length, input_tokens=1)


@agent
async def breaker(ctx: Context, message: str = "no luck") -> None:
    """Fail in a step."""

    def fail() -> None:
        raise OSError(message)

    await ctx.step("before", lambda: 1)
    await ctx.step("fail", fail)


@agent
async def approver(ctx: Context, amount: int) -> dict:
    """Ask for an approval."""
    said = await ctx.approve("pay", arguments={"amount": amount}, message="Pay now?")
    return {"approved": said.approved, "amount": said.arguments["amount"], "reason": said.reason}


@agent
async def asker(ctx: Context) -> dict:
    """Ask for a box."""
    box = await ctx.wait_for_input("box", schema=Box)
    return box.model_dump()


@agent
async def hostile(ctx: Context, input: dict) -> dict:  # noqa: A002
    """Say again what it was told, everywhere: </script><img src=x onerror="alert(1)">."""
    text = str(input["text"])
    ctx.log(text, field=text)
    ctx.progress(0.5, text)
    await ctx.step(text[:100], lambda: {text: [text, f"# {text}\n\n[a]({text})"]})
    await ctx.approve(text[:100], arguments={text: text, "plain": text}, message=text)
    return {}


@agent
async def payer(ctx: Context) -> str:
    """Do something that must not be repeated, slowly."""

    async def pay() -> str:
        ctx.log("paying")
        await asyncio.sleep(60)
        return "paid"

    return await ctx.step("pay", pay, effects="unsafe")


@agent(version=VERSION)
async def writer(ctx: Context, size: Size) -> str:  # type: ignore[valid-type]
    """Write."""
    return str(size)
