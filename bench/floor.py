"""The floor: a bare Starlette app that inserts and updates one SQLite row, with group commit.

`POST /items` inserts a row, `GET /items/{id}` completes and returns it. Each is on disk (WAL,
`synchronous=FULL`) before its reply; writes that arrive together share a transaction. Nothing else:
no agent, no event, no index, no check.
"""

import asyncio
import contextlib
import json
import queue
import socket
import sqlite3
import sys
import threading
import uuid
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Write = tuple[str, tuple[str, ...], asyncio.Future[None]]
_queue: queue.SimpleQueue[Write] = queue.SimpleQueue()


def _write_all(path: str, loop: asyncio.AbstractEventLoop) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE items (id TEXT PRIMARY KEY, status TEXT, body TEXT)")
    while True:
        batch = [_queue.get()]
        with contextlib.suppress(queue.Empty):
            while True:
                batch.append(_queue.get_nowait())
        database.execute("BEGIN IMMEDIATE")
        for sql, values, _ in batch:
            database.execute(sql, values)
        database.execute("COMMIT")
        loop.call_soon_threadsafe(_settle, batch)


def _settle(batch: list[Write]) -> None:
    for _, _, future in batch:
        if not future.done():
            future.set_result(None)


async def _write(sql: str, *values: str) -> None:
    future = asyncio.get_running_loop().create_future()
    _queue.put((sql, values, future))
    await future


async def create(request: Request) -> Response:
    identifier = uuid.uuid4().hex
    body = await request.body()
    json.loads(body)
    await _write("INSERT INTO items VALUES (?, 'pending', ?)", identifier, body.decode())
    return _reply({"id": identifier, "status": "pending"}, 201)


async def finish(request: Request) -> Response:
    identifier = request.path_params["id"]
    await _write("UPDATE items SET status = 'completed' WHERE id = ?", identifier)
    return _reply({"id": identifier, "status": "completed", "is_terminal": True}, 200)


def _reply(value: dict[str, object], status: int) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def main(path: str) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_write_all, args=(path, loop), daemon=True).start()
        yield

    sys.setswitchinterval(0.0005)
    routes = [Route("/items", create, methods=["POST"]), Route("/items/{id}", finish)]
    config = uvicorn.Config(
        Starlette(routes=routes, lifespan=lifespan), port=0, log_level="warning", access_log=False
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main(sys.argv[1])
