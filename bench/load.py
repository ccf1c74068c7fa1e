"""A light HTTP/1.1 client, so that the load costs little, and the same for both sides."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

BODY = json.dumps({"agent_id": "noop", "input_data": {}}).encode()


class Service(Protocol):
    """Where to send requests, and with which key."""

    base_url: str
    api_key: str


@dataclass
class Timings:
    """What a run measured. Seconds."""

    elapsed: float = 0.0
    count: int = 0
    create: list[float] = field(default_factory=list)
    terminal: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Executions per second."""
        return self.count / self.elapsed


class Connection:
    """One connection, kept alive."""

    def __init__(self, base_url: str, api_key: str) -> None:
        address = urlsplit(base_url)
        self._host, self._port = address.hostname, address.port
        self._head = f"Host: {address.netloc}\r\nAuthorization: Bearer {api_key}\r\n"

    async def open(self) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n"
        if body:
            head += "Content-Type: application/json\r\n"
        self._writer.write(head.encode() + b"\r\n" + body)
        reply = await self._reader.readuntil(b"\r\n\r\n")
        low = reply.lower()
        start = low.find(b"content-length:")
        length = int(low[start + 15 : low.index(b"\r\n", start)]) if start >= 0 else 0
        content = await self._reader.readexactly(length) if length else b"null"
        return int(reply[9:12]), json.loads(content)

    def close(self) -> None:
        self._writer.close()


async def run(
    base_url: str, api_key: str, path: str, body: bytes, clients: int, seconds: float
) -> Timings:
    """Create and wait for the end, over and over, by so many clients at once."""
    timings = Timings()
    connections = [await Connection(base_url, api_key).open() for _ in range(clients)]
    end = time.perf_counter() + seconds

    async def client(connection: Connection) -> None:
        while (begun := time.perf_counter()) < end:
            status, made = await connection.call("POST", path, body)
            assert status == 201, made
            created = time.perf_counter()
            while True:
                _, found = await connection.call("GET", f"{path}/{made['id']}?wait=30")
                if found["is_terminal"]:
                    break
            done = time.perf_counter()
            timings.create.append(created - begun)
            timings.terminal.append(done - begun)

    started = time.perf_counter()
    await asyncio.gather(*map(client, connections))
    timings.elapsed = time.perf_counter() - started
    timings.count = len(timings.terminal)
    for connection in connections:
        connection.close()
    return timings


def measure(base_url: str, key: str, path: str, clients: int, seconds: float) -> Timings:
    """One run of executions that do nothing."""
    return asyncio.run(run(base_url, key, path, BODY, clients, seconds))
