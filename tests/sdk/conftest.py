"""A fake service on loopback, and both twins."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.support.twins import Twin

from moderately.testing import FakeServer
from moderately.testing.states import completed, failed, paused, running

SCRIPTS = {
    "echo": [running(), completed(lambda given: given)],
    "quick": [running(0.05), completed({"answer": 42})],
    "sleeper": [running()],
    "failing": [running(), failed("no luck")],
    "asker": [running(), paused("review"), completed("answered")],
}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A fake service that does as it is told."""
    with FakeServer(SCRIPTS) as found:
        yield found


@pytest.fixture(params=["sync", "async"])
def twin(request: pytest.FixtureRequest, server: FakeServer) -> Iterator[Twin]:
    """Makes clients: synchronous ones in one run of the test, asynchronous ones in the other."""
    is_async = request.param == "async"
    with closing(Twin(server.base_url, server.api_key, is_async=is_async)) as found:
        yield found


@pytest.fixture
def client(twin: Twin) -> Any:
    """A client of the fake service."""
    return twin.client()


@pytest.fixture
def executions(client: Any) -> Any:
    """The executions of the fake service."""
    return client.agent_executions
