"""The floor on PostgreSQL: a bare Starlette app that writes a row, in group commits.

`POST /items` inserts a row, `GET /items/{id}` completes and returns it. Each is committed, with
`synchronous_commit=on`, before its reply: as many commits for an execution as ours take. That is
two where it starts in the commit that creates it, and a third in between where another process
claims it. The floor does without agent, event, index, check, and word between processes.

What arrives while a transaction is under way shares the next one, which is one statement, however
many rows there are, and one round trip. At 64 clients that is several times as fast as a pool of
connections with a transaction for each request, which would be a low floor, and an unlike one: ours
commits in groups.
"""

import asyncio
import contextlib
import json
import socket
import sys
import uuid
from collections.abc import AsyncIterator

import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# Nobody completes a row before its INSERT is committed, so that one batch never holds both.
WRITE = """
WITH new AS (
    INSERT INTO items
    SELECT id, 'pending', body FROM unnest(%s::text[], %s::text[]) AS n (id, body)
)
UPDATE items SET status = n.status FROM unnest(%s::text[], %s::text[]) AS n (id, status)
WHERE items.id = n.id
"""


class Writer:
    """Writes what has come up since the last commit, over and over."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._new: dict[str, str] = {}
        self._changed: dict[str, str] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._work = asyncio.Event()

    async def insert(self, identifier: str, body: str) -> None:
        self._new[identifier] = body
        await self._committed()

    async def change(self, identifier: str, status: str) -> None:
        self._changed[identifier] = status
        await self._committed()

    async def _committed(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._work.set()
        await future

    async def run(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        await connection.execute("CREATE TABLE items (id text PRIMARY KEY, status text, body text)")
        while True:
            await self._work.wait()
            self._work.clear()
            new, changed, waiting = self._new, self._changed, self._waiting
            self._new, self._changed, self._waiting = {}, {}, []
            rows = [list(part) for part in (new, new.values(), changed, changed.values())]
            # One statement, with autocommit: a round trip and a commit for all of them.
            await connection.execute(WRITE, rows)
            for future in waiting:
                if not future.done():
                    future.set_result(None)


async def create(request: Request) -> Response:
    identifier = uuid.uuid4().hex
    body = await request.body()
    json.loads(body)
    await request.state.writer.insert(identifier, body.decode())
    return _reply({"id": identifier, "status": "pending"}, 201)


async def finish(request: Request) -> Response:
    identifier = request.path_params["id"]
    for status in request.state.statuses:
        await request.state.writer.change(identifier, status)
    return _reply({"id": identifier, "status": "completed", "is_terminal": True}, 200)


def _reply(value: dict[str, object], status: int) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def main(url: str, commits: int) -> None:
    statuses = ["running", "completed"][3 - commits :]

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
        writer = Writer(url)
        task = asyncio.create_task(writer.run())
        yield {"writer": writer, "statuses": statuses}
        task.cancel()

    routes = [Route("/items", create, methods=["POST"]), Route("/items/{id}", finish)]
    config = uvicorn.Config(
        Starlette(routes=routes, lifespan=lifespan), port=0, log_level="warning", access_log=False
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print("floor ready", listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
