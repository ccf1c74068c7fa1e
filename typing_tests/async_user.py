"""What a user writes with the asynchronous client. Checked by mypy and pyright, never run."""

from collections.abc import AsyncIterator
from typing import Any, assert_type

import aiohttp
import httpx
import httpx2

from moderately import Agent, AgentExecution, AsyncModeratelyAI, ExecutionEvent, RawResponse
from moderately.client import (
    AsyncAgentExecutions,
    AsyncAgents,
    AsyncEventStream,
    AsyncPaginatedResponse,
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
        assert_type(made, AgentExecution)
        assert_type(await executions.retrieve("e"), AgentExecution)
        assert_type(await executions.cancel("e", wait=True), AgentExecution)
        assert_type(await executions.wait_for_completion("e", timeout=60), AgentExecution)
        assert_type(await executions.run(agent_id="a", timeout=60), AgentExecution)
        assert_type(await executions.wait_many(["e"]), list[AgentExecution])
        assert_type(executions.as_completed(["e"]), AsyncIterator[AgentExecution])
        page = await executions.list(status="failed")
        assert_type(page, AsyncPaginatedResponse[AgentExecution])
        assert_type(page.items, list[AgentExecution])
        async for execution in executions.list(status="failed"):
            assert_type(execution, AgentExecution)
        async for execution in page:
            assert_type(execution, AgentExecution)
        async for agent in client.agents.list():
            assert_type(agent, Agent)
        async with executions.stream("e") as events:
            assert_type(events, AsyncEventStream)
            async for event in events:
                assert_type(event, ExecutionEvent)
        raw = await executions.with_raw_response.retrieve("e")
        assert_type(raw, RawResponse[AgentExecution])
        assert_type(
            await executions.with_raw_response.list(),
            RawResponse[AsyncPaginatedResponse[AgentExecution]],
        )
        assert_type(await client.request("GET", "/agents"), RawResponse[Any])
