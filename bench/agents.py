"""Agents to measure with."""

import asyncio

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
