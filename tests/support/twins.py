"""Drives the asynchronous client as if it were the synchronous one: one test for both."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

from moderately import AsyncModeratelyAI, ModeratelyAI
from moderately.client import (
    AsyncAgentExecutions,
    AsyncAgents,
    AsyncEventStream,
    AsyncPaginatedResponse,
    AsyncTeamEventStream,
)
from moderately.client._async.agents import AsyncRawAgents
from moderately.client._async.executions import AsyncRawAgentExecutions

_DRIVEN = (
    AsyncModeratelyAI,
    AsyncAgentExecutions,
    AsyncAgents,
    AsyncEventStream,
    AsyncPaginatedResponse,
    AsyncTeamEventStream,
    AsyncRawAgentExecutions,
    AsyncRawAgents,
)


class Driven:
    """An asynchronous object whose methods are driven to their ends."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return self._settled(found)
        return lambda *args, **options: self._settled(found(*args, **options))

    def __iter__(self) -> Iterator[Any]:
        return self._iterate(self._inner)

    def close(self) -> None:
        self._runner.run(self._inner.aclose())

    def __len__(self) -> int:
        return len(self._inner)

    def __getitem__(self, name: str) -> Any:
        return self._inner[name]

    def __repr__(self) -> str:
        return repr(self._inner)

    def _settled(self, value: Any) -> Any:
        if inspect.isawaitable(value):
            value = self._runner.run(_await(value))
        if isinstance(value, _DRIVEN):
            return Driven(value, self._runner)
        return self._iterate(value) if inspect.isasyncgen(value) else value

    def _iterate(self, inner: Any) -> Iterator[Any]:
        iterator = inner.__aiter__()
        try:
            while True:
                try:
                    yield self._runner.run(_await(iterator.__anext__()))
                except StopAsyncIteration:
                    return
        finally:
            if inspect.isasyncgen(inner):
                self._runner.run(inner.aclose())


async def _await(value: Any) -> Any:
    return await value


class Twin:
    """Makes clients of one kind, and closes them."""

    def __init__(self, base_url: str, api_key: str, *, is_async: bool) -> None:
        self.base_url = base_url
        self.api_key = api_key
        self.is_async = is_async
        self.runner = asyncio.Runner()
        self._clients: list[Any] = []

    def client(self, **options: Any) -> Any:
        """A client; typed as anything, since it is driven either way."""
        given = {"base_url": self.base_url, "api_key": self.api_key, **options}
        kind: Any = AsyncModeratelyAI if self.is_async else ModeratelyAI
        client = kind(**given)
        self._clients.append(client)
        return Driven(client, self.runner) if self.is_async else client

    def drive(self, value: Any) -> Any:
        """What an object of the client's gave, driven as the client is."""
        return Driven(value, self.runner) if self.is_async else value

    def close(self) -> None:
        for client in self._clients:
            if self.is_async:
                self.runner.run(client.aclose())
            else:
                client.close()
        self.runner.close()
