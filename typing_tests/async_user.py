"""What a user writes with the asynchronous client. Checked by mypy and pyright, never run."""

from collections.abc import AsyncIterator
from typing import Any, assert_type

import aiohttp
import httpx
import httpx2

from moderately import Agent, AsyncModeratelyAI, ExecutionEvent, RawResponse
from moderately.client import (
    AsyncAgentExecutions,
    AsyncAgents,
    AsyncBoundExecution,
    AsyncEventStream,
    AsyncPaginatedResponse,
    AsyncTeamEventStream,
)


async def main() -> None:
    AsyncModeratelyAI(http_client=httpx2.AsyncClient())
    AsyncModeratelyAI(http_client=httpx.AsyncClient())
    AsyncModeratelyAI(http_client=aiohttp.ClientSession())
    AsyncModeratelyAI(http_client="aiohttp")
    async with AsyncModeratelyAI(api_key="k") as client:
        assert_type(client.agent_executions, AsyncAgentExecutions)
        assert_type(client.agents, AsyncAgents)
        assert_type(client.with_options(timeout=2), AsyncModeratelyAI)
        executions = client.agent_executions
        made = await executions.create(agent_id="a", input_data={"q": 1}, priority=3)
        assert_type(made, AsyncBoundExecution)
        assert_type(await executions.retrieve("e"), AsyncBoundExecution)
        assert_type(await executions.cancel("e", wait=True), AsyncBoundExecution)
        assert_type(await executions.wait_for_completion("e", timeout=60), AsyncBoundExecution)
        assert_type(await executions.run(agent_id="a", timeout=60), AsyncBoundExecution)
        assert_type(await executions.wait_many(["e"]), list[AsyncBoundExecution])
        assert_type(executions.as_completed(["e"]), AsyncIterator[AsyncBoundExecution])
        page = await executions.list(status="failed")
        assert_type(page, AsyncPaginatedResponse[AsyncBoundExecution])
        assert_type(page.items, list[AsyncBoundExecution])
        async for execution in executions.list(status="failed"):
            assert_type(execution, AsyncBoundExecution)
        async for execution in page:
            assert_type(execution, AsyncBoundExecution)
        async for agent in client.agents.list():
            assert_type(agent, Agent)
        async with executions.stream("e") as events:
            assert_type(events, AsyncEventStream)
            async for event in events:
                assert_type(event, ExecutionEvent)
        assert_type(made.events(live=True), AsyncEventStream)
        async with executions.stream_all(status="failed") as everything:
            assert_type(everything, AsyncTeamEventStream)
            async for event in everything:
                assert_type(event, ExecutionEvent)
        raw = await executions.with_raw_response.retrieve("e")
        assert_type(raw, RawResponse[AsyncBoundExecution])
        assert_type(
            await executions.with_raw_response.list(),
            RawResponse[AsyncPaginatedResponse[AsyncBoundExecution]],
        )
        assert_type(await client.request("GET", "/agents"), RawResponse[Any])
