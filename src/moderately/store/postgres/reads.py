"""Reads, each tried once more where its connection was found broken."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg

from moderately.domain.execution import Execution
from moderately.store.postgres.connections import (
    SPACING_SECONDS,
    Connection,
    Connections,
    execute,
    is_lost,
    keeps_from_working,
    unavailable,
)
from moderately.store.rows import EXECUTION_COLUMNS, read_execution

__all__ = ["Reads"]

Rows = list[tuple[Any, ...]]
Sql = tuple[str, Sequence[Any]]


class Reads:
    """Runs named queries outside of the writer's transactions.

    Args:
        connections: The connections.
        queries: The named queries.
    """

    def __init__(self, connections: Connections, queries: Mapping[str, str]) -> None:
        self._connections = connections
        self._queries = queries
        self._get = queries["get_executions"].format(columns=EXECUTION_COLUMNS)
        self._loop = asyncio.get_running_loop()
        self._wanted: dict[str, list[asyncio.Future[Execution | None]]] = {}
        self._getting: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def all(self, query: str, *parameters: object, **fragments: str) -> Rows:
        """All rows of a query."""
        sql = self._queries[query]
        if fragments:
            sql = sql.format(**fragments)
        return (await self._run([(sql, parameters)]))[0]

    async def run(self, query: str, *parameters: object) -> Rows:
        """Run a statement that may write, once."""
        return (await self._run([(self._queries[query], parameters)], may_write=True))[0]

    async def built(self, statement: Sql) -> Rows:
        """All rows of a query that was built for what is asked."""
        return (await self._run([statement]))[0]

    async def both(self, first: Sql, second: Sql) -> tuple[Rows, Rows]:
        """All rows of two queries, which go to the server together."""
        one, two = await self._run([first, second])
        return one, two

    async def _run(self, statements: Sequence[Sql], *, may_write: bool = False) -> list[Rows]:
        for is_last in (may_write, True):
            connection: Connection | None = None
            try:
                async with self._connections.use() as connection:
                    return await _fetch(connection, statements)
            except psycopg.Error as error:
                if not keeps_from_working(error):
                    raise
                lost = connection is not None and is_lost(connection)
                if is_last or not lost:
                    raise unavailable(error, is_known=not (may_write and lost)) from error
        raise AssertionError("the last try ends in one way or the other")

    async def executions(self, ids: Collection[str]) -> list[Execution | None]:
        """Some executions. Those that are asked for while a query is under way share the next."""
        futures = []
        for name in ids:
            future: asyncio.Future[Execution | None] = self._loop.create_future()
            self._wanted.setdefault(name, []).append(future)
            futures.append(future)
        if self._wanted and self._getting is None:
            self._getting = self._loop.create_task(self._get_wanted())
        # One alone needs no gathering, and is the usual case.
        return [await futures[0]] if len(futures) == 1 else list(await asyncio.gather(*futures))

    async def _get_wanted(self) -> None:
        try:
            while self._wanted:
                wait = self._not_before - self._loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                wanted, self._wanted = self._wanted, {}
                if len(wanted) > 1:
                    # More will come, and can go together.
                    self._not_before = self._loop.time() + SPACING_SECONDS
                await self._answer(wanted)
        finally:
            self._getting = None

    async def _answer(self, wanted: dict[str, list["asyncio.Future[Execution | None]"]]) -> None:
        found: dict[str, Execution] = {}
        failure: Exception | None = None
        try:
            [rows] = await self._run([(self._get, (list(wanted),))])
            found = {row[0]: read_execution(row) for row in rows}
        except Exception as error:  # noqa: BLE001 - its callers get it, whatever it is
            failure = error
        for name, futures in wanted.items():
            for future in futures:
                if future.done():
                    continue
                if failure is None:
                    future.set_result(found.get(name))
                else:
                    future.set_exception(failure)


async def _fetch(connection: Connection, statements: Sequence[Sql]) -> list[Rows]:
    if len(statements) == 1:
        sql, parameters = statements[0]
        cursor = await execute(connection, sql, parameters)
        return [await cursor.fetchall() if cursor.description else []]
    async with connection.pipeline():
        cursors = [await execute(connection, sql, values) for sql, values in statements]
    return [await cursor.fetchall() for cursor in cursors]
