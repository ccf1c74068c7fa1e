"""What the tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from moderately import ModeratelyAI
from moderately.testing import Postgres, PostgresServer, ServiceProcess

AGENTS = Path(__file__).parent / "support/agents.py"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's job in the background ignores Ctrl-C, and so would the commands that are tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server: one of our own, or the one that MODERATELY_TEST_POSTGRES names.

    Only a `PostgresServer` can be stopped and killed.
    """
    given = os.environ.get("MODERATELY_TEST_POSTGRES")
    with Postgres(given) if given else PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """An empty database of the test's own."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


ClientOf = Callable[..., ModeratelyAI]


@pytest.fixture
def client_of() -> Iterator[ClientOf]:
    """Makes clients of a service, closed when the test ends."""
    with ExitStack() as stack:

        def make(service: ServiceProcess, api_key: str | None = None) -> ModeratelyAI:
            key = service.api_key if api_key is None else api_key
            return stack.enter_context(ModeratelyAI(base_url=service.base_url, api_key=key))

        yield make


_NOT_RUN: list[str] = []
_FIGURES: list[str] = []
_TOLD = {"not_run": _NOT_RUN, "figures": _FIGURES}


@pytest.fixture
def not_run(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says at the end of the run what this machine does not allow."""

    def say(what: str) -> None:
        request.node.user_properties.append(("not_run", what))

    return say


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says at the end of the run what was measured."""

    def say(what: str) -> None:
        request.node.user_properties.append(("figures", what))

    return say


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        for name, what in report.user_properties:
            if name in _TOLD:
                _TOLD[name].append(str(what))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what in _FIGURES:
        terminalreporter.write_line(f"FIGURES: {what}")
    for what in dict.fromkeys(_NOT_RUN):
        terminalreporter.write_line(f"NOT RUN: {what}", red=True, bold=True)
