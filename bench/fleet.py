"""Our side of the cluster: an API alone and any number of workers, each a process."""

import contextlib
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import psycopg

from bench.load import Connection, Service
from bench.processes import AGENTS, python
from moderately.testing import ServiceProcess, WorkerProcess

KEY = "bench-0123456789abcdef"


class Fleet:
    """An API that by itself runs nothing, and workers that are added, and may be killed.

    Args:
        url: The database.
        folder: For logs.
        options: Of `moderately serve` and `moderately worker`.
        api_workers: How many workers the API's process has in it: none, or one.

    Attributes:
        base_url: Where the API answers.
        api_key: The key.
        mark: The file into which agents note when something happened.
    """

    def __init__(
        self, url: str, folder: Path, options: Sequence[str] = (), api_workers: int = 0
    ) -> None:
        self.url = url
        self.api_key = KEY
        self.base_url = ""
        self.mark = folder / "mark"
        self._folder = folder
        self._args = ["--database", url, *options]
        self._api_workers = api_workers
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        _moderately("db", "upgrade", "--database", self.url)
        env = {"MODERATELY_BOOTSTRAP_API_KEY": KEY}
        args = [*self._args, "--workers", str(self._api_workers)]
        api = ServiceProcess([AGENTS], data=self._folder, env=env, args=args)
        self.base_url = self._stack.enter_context(api).base_url
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def add_worker(self, *options: str) -> WorkerProcess:
        """Start another worker, and wait until it takes work."""
        env = {"BENCH_MARK": str(self.mark)}
        args = [*self._args, *options]
        worker = WorkerProcess([AGENTS], data=self._folder, env=env, args=args)
        return self._stack.enter_context(worker)

    def for_team(self, team: str) -> "OtherTeam":
        """The same service, as another team sees it."""
        made = _moderately("keys", "create", "--team", team, "--json", "--database", self.url)
        return OtherTeam(self.base_url, json.loads(made)["api_key"])

    def fill(self, execution_id: str, rows: int) -> None:
        """Add copies of an execution, by SQL."""
        with psycopg.connect(self.url, autocommit=True) as database:
            found = database.execute(
                "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name = 'executions'"
                " AND column_name <> 'id' AND is_generated = 'NEVER'"
            ).fetchone()
            assert found is not None
            columns = found[0]
            database.execute(
                f"INSERT INTO executions (id, {columns})"  # noqa: S608 - names of columns
                f" SELECT 'exec_' || lpad(n::text, 26, '0'), {columns}"
                " FROM executions, generate_series(1, %s) AS n WHERE id = %s",
                (rows, execution_id),
            )
            # As the server does by itself, a while after that many rows.
            database.execute("VACUUM ANALYZE executions")


class OtherTeam:
    """A `Service` with another team's key."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.base_url = base_url
        self.api_key = api_key


def _moderately(*command: str) -> str:
    """Run one of our commands; give what it printed."""
    found = subprocess.run(
        python("-m", "moderately", *command), capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise RuntimeError(f"{command}: {found.stdout}{found.stderr}")
    return found.stdout


async def submit(service: Service, agent_id: str, number: int = 1) -> list[str]:
    """Create executions, one after another; give their ids."""
    connection = await Connection(service.base_url, service.api_key).open()
    body = json.dumps({"agent_id": agent_id, "input_data": {}}).encode()
    ids = []
    for _ in range(number):
        status, made = await connection.call("POST", "/agent-executions", body)
        assert status == 201, made
        ids.append(str(made["id"]))
    connection.close()
    return ids


async def ended(service: Service, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Wait for the end of executions; give them."""
    connection = await Connection(service.base_url, service.api_key).open()
    found = []
    for execution_id in ids:
        while True:
            _, one = await connection.call("GET", f"/agent-executions/{execution_id}?wait=30")
            if one["is_terminal"]:
                break
        found.append(one)
    connection.close()
    return found
