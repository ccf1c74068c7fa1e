"""Several API and worker processes on one PostgreSQL, each behind a network of its own."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar
from urllib.parse import urlsplit

from moderately import ModeratelyAI
from moderately.cli.ports import free_port
from moderately.testing import Postgres, ServiceProcess, WorkerProcess
from tests.support.proxy import HOST, Proxy

P = TypeVar("P", ServiceProcess, WorkerProcess)


@dataclass(frozen=True)
class Member(Generic[P]):
    """A process of a cluster.

    Attributes:
        name: `api 0`, `worker 2`.
        process: The process: to kill, to freeze, to restart.
        proxy: Its way to the database: to cut, to delay, to heal.
    """

    name: str
    process: P
    proxy: Proxy


Anyone = Member[ServiceProcess] | Member[WorkerProcess]


class Cluster:
    """API processes and workers that share nothing but a database.

    Args:
        agents: Files or modules with agents, for all of them.
        postgres: The server; the cluster makes a database of its own on it.
        folder: Where to leave logs and credentials.
        apis: How many `moderately serve`.
        workers: How many `moderately worker`.
        api_workers: How many workers each `moderately serve` has in it.
        env: Variables for all of them.
        args: Options for all of them.
        api_args: Options for `moderately serve`.
        worker_args: Options for `moderately worker`.

    Attributes:
        url: The database, past the proxies.
        api_key: The key, the same at each API.
        apis: The API processes. Each has the same port for good.
        workers: The workers.

    Example:
        >>> with Cluster([AGENTS], postgres=postgres_server, folder=tmp_path) as cluster:
        ...     cluster.workers[0].process.freeze()
        ...     cluster.workers[1].proxy.cut()
        ...     with cluster.client(1) as client:
        ...         client.agent_executions.create(agent_id="echo")
    """

    def __init__(
        self,
        agents: Sequence[str | Path],
        *,
        postgres: Postgres,
        folder: Path,
        apis: int = 2,
        workers: int = 3,
        api_workers: int = 0,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        api_args: Sequence[str] = (),
        worker_args: Sequence[str] = (),
    ) -> None:
        self._agents = agents
        self._postgres = postgres
        self._folder = folder
        self._counts = apis, workers
        self._args = args
        self._api_args = ["--workers", str(api_workers), *api_args]
        self._worker_args = worker_args
        self._stack = ExitStack()
        self.api_key = f"cluster-{secrets.token_hex(16)}"
        self.env = {"MODERATELY_BOOTSTRAP_API_KEY": self.api_key, **(env or {})}
        self.url = ""
        self.apis: list[Member[ServiceProcess]] = []
        self.workers: list[Member[WorkerProcess]] = []

    @property
    def members(self) -> list[Anyone]:
        """All of them."""
        return [*self.apis, *self.workers]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.url = self._postgres.create_database()
            stack.callback(self._postgres.drop_database, self.url)
            self.command("db", "upgrade")
            apis, workers = self._counts
            self.apis = [self._api(stack, number) for number in range(apis)]
            self.workers = [self._worker(stack, number) for number in range(workers)]
            self._at_once(lambda member: stack.enter_context(member.process))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        for member in self.members:
            # A good network, and nothing frozen, so that they can end in order.
            member.proxy.heal()
        self._at_once(lambda member: member.process.__exit__(*exception))
        self._stack.close()

    def _at_once(self, work: Callable[[Anyone], object]) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(work, self.members))

    def command(self, *command: str) -> str:
        """Run one of our commands on the database, past the proxies.

        Args:
            command: What, without `moderately` and `--database`: `db`, `status`.

        Returns:
            What it printed.

        Raises:
            RuntimeError: If it failed.
        """
        found = subprocess.run(
            [sys.executable, "-m", "moderately", *command, "--database", self.url],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if found.returncode:
            raise RuntimeError(f"{command}: {found.stdout}{found.stderr}")
        return found.stdout

    def client(self, api: int = 0, **options: Any) -> ModeratelyAI:
        """A client of one of the APIs.

        Args:
            api: Which.
            options: Further options of `ModeratelyAI`.
        """
        base_url = self.apis[api].process.base_url
        return ModeratelyAI(base_url=base_url, api_key=self.api_key, **options)

    def _api(self, stack: ExitStack, number: int) -> Member[ServiceProcess]:
        proxy = stack.enter_context(self._proxy())
        args = ["--port", str(free_port()), *self._shared(proxy), *self._api_args]
        data = self._folder / f"api-{number}"
        process = ServiceProcess(self._agents, data=data, env=self.env, args=args)
        return Member(f"api {number}", process, proxy)

    def _worker(self, stack: ExitStack, number: int) -> Member[WorkerProcess]:
        proxy = stack.enter_context(self._proxy())
        args = [*self._shared(proxy), *self._worker_args]
        data = self._folder / f"worker-{number}"
        process = WorkerProcess(self._agents, data=data, env=self.env, args=args)
        return Member(f"worker {number}", process, proxy)

    def _proxy(self) -> Proxy:
        parts = urlsplit(self.url)
        if not parts.hostname:
            raise RuntimeError("MODERATELY_TEST_POSTGRES must name a host: a proxy speaks TCP")
        return Proxy(parts.hostname, parts.port or 5432)

    def _shared(self, proxy: Proxy) -> list[str]:
        parts = urlsplit(self.url)
        login = parts.netloc.rpartition("@")[0]
        netloc = f"{login}@{HOST}:{proxy.port}" if login else f"{HOST}:{proxy.port}"
        return ["--database", parts._replace(netloc=netloc).geturl(), *self._args]
