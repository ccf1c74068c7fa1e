"""Drives the service with the vendor's published asynchronous client, unmodified."""

import asyncio
import os

from moderatelyai_sdk import AsyncModeratelyAI


async def main() -> None:
    # The asynchronous client does not read the address from the environment.
    client = AsyncModeratelyAI(base_url=os.environ["MODERATELY_BASE_URL"])
    made = await client.agent_executions.create(agent_id="echo", input_data={"q": 2})
    # It has no wait of its own.
    done = made
    while done["status"] not in ("completed", "failed", "cancelled"):
        await asyncio.sleep(0.02)
        done = await client.agent_executions.retrieve(made["id"])
    assert done["status"] == "completed", done
    assert done["output_data"] == {"q": 2}, done
    assert (await client.agent_executions.retrieve(made["id"]))["id"] == made["id"]
    page = await client.agent_executions.list(agent_id="echo", status="completed", page_size=1)
    assert len(page["items"]) == 1, page
    sleeper = await client.agent_executions.create(agent_id="sleeper")
    cancelled = await client.agent_executions.cancel(sleeper["id"])
    assert cancelled["status"] == "cancelled", cancelled
    print("driven")


asyncio.run(main())
