"""The floor of the streams: a bare Starlette app that tells every reader the time, from memory.

`GET /stream` is a stream of server-sent events, a queue for each reader. `POST /go` tells all of
them the time, `ticks` times at `rate` a second. Nothing is kept, numbered or on disk.
"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

_queues: set[asyncio.Queue[str | None]] = set()
_tasks: set[asyncio.Task[None]] = set()


async def stream(request: Request) -> Response:
    del request
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    _queues.add(queue)

    async def frames() -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        while (frame := await queue.get()) is not None:
            yield frame

    return StreamingResponse(frames(), media_type="text/event-stream")


async def go(request: Request) -> Response:
    given = await request.json()
    task = asyncio.create_task(_tick(given["ticks"], given["rate"]))
    _tasks.add(task)
    return Response(status_code=204)


async def _tick(ticks: int, rate: float) -> None:
    begun = time.monotonic()
    for number in range(1, ticks + 1):
        data = {"seq": number, "type": "log", "data": {"fields": {"sent": time.time()}}}
        frame = f"id: {number}\ndata: {json.dumps(data)}\n\n"
        for queue in _queues:
            queue.put_nowait(frame)
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
    for queue in _queues:
        queue.put_nowait(None)
    _queues.clear()


def main() -> None:
    routes = [Route("/stream", stream), Route("/go", go, methods=["POST"])]
    config = uvicorn.Config(
        Starlette(routes=routes), port=0, log_level="warning", access_log=False, loop="uvloop"
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
