"""What the tests share."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from moderately.testing import ServiceProcess

AGENTS = Path(__file__).parent / "support/agents.py"


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A real service with the test agents, for all tests that leave it as it is."""
    with ServiceProcess([AGENTS], data=tmp_path_factory.mktemp("service")) as process:
        yield process


@pytest.fixture
def http(service: ServiceProcess) -> Iterator[httpx2.Client]:
    """A plain HTTP client with the service's key."""
    headers = {"Authorization": f"Bearer {service.api_key}"}
    with httpx2.Client(base_url=service.base_url, headers=headers, timeout=30) as client:
        yield client
