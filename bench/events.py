"""Streams of events: from an event to its readers, beside a floor; memory for each reader."""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import psutil
import uvloop

from bench.figures import Figures, Goals, at_most, percentiles, say
from bench.load import Connection
from bench.processes import AGENTS, ROOT
from moderately.testing import ServiceProcess

GOALS: Goals = {
    "500 readers, event → reader p50 ms": at_most(10),
    "500 readers, event → reader p99 ms": at_most(100),
}

_SENT = re.compile(rb'"sent": ?([0-9.]+)')
_ENDS = (b"event: end", b"\r\n0\r\n\r\n")


class Reader(asyncio.Protocol):
    """A reader of a stream that notes how old each event is when it comes. Seconds."""

    def __init__(self, request: bytes, ages: list[float]) -> None:
        self._request = request
        self._ages = ages
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self.begun.done():
            self.begun.set_result(None)
        found = self._rest + data
        whole = found.rfind(b"\n\n") + 2
        if whole > 1:
            self._ages.extend(now - float(sent) for sent in _SENT.findall(found, 0, whole))
            self._rest = found[whole:]
        else:
            self._rest = found
        if any(end in found for end in _ENDS) and not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        self._transport.close()


async def readers(base_url: str, key: str, paths: Sequence[str], ages: list[float]) -> list[Reader]:
    """Readers of streams, each of which has begun."""
    address = urlsplit(base_url)
    loop = asyncio.get_running_loop()
    found = []
    for path in paths:
        head = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n"
        request = f"{head}Authorization: Bearer {key}\r\n\r\n".encode()
        _, reader = await loop.create_connection(
            lambda request=request: Reader(request, ages),  # type: ignore[misc]
            address.hostname,
            address.port,
        )
        found.append(reader)
    await asyncio.gather(*(reader.begun for reader in found))
    return found


async def fan_out(
    service: ServiceProcess, number: int, ticks: int, rate: float
) -> tuple[list[float], float]:
    """How old events of one execution are when so many readers get them; bytes for each reader."""
    connection = await Connection(service.base_url, service.api_key).open()
    body = b'{"agent_id": "metronome", "input_data": {"ticks": %d, "rate": %g}}' % (ticks, rate)
    _, made = await connection.call("POST", "/agent-executions", body)
    ages: list[float] = []
    process = psutil.Process(service.process.pid)
    before = process.memory_info().rss
    path = f"/agent-executions/{made['id']}/events"
    found = await readers(service.base_url, service.api_key, [path] * number, ages)
    memory = (process.memory_info().rss - before) / number
    await connection.call("POST", f"/agent-executions/{made['id']}/resume", b'{"value": 1}')
    await asyncio.gather(*(reader.ended for reader in found))
    for reader in found:
        reader.close()
    connection.close()
    assert len(ages) == ticks * number, (len(ages), ticks * number)
    return ages, memory


async def floor_fan_out(base_url: str, number: int, ticks: int, rate: float) -> list[float]:
    """The same of the floor."""
    connection = await Connection(base_url, "").open()
    ages: list[float] = []
    found = await readers(base_url, "", ["/stream"] * number, ages)
    await connection.call("POST", "/go", b'{"ticks": %d, "rate": %g}' % (ticks, rate))
    await asyncio.gather(*(reader.ended for reader in found))
    for reader in found:
        reader.close()
    connection.close()
    return ages


async def crowd(service: ServiceProcess, number: int, ticks: int, rate: float) -> list[float]:
    """How old the events of so many executions are on the team's one stream."""
    connections = [await Connection(service.base_url, service.api_key).open() for _ in range(16)]
    ages: list[float] = []
    [reader] = await readers(service.base_url, service.api_key, ["/events"], ages)
    body = b'{"agent_id": "metronome", "input_data": {"ticks": %d, "rate": %g}}' % (ticks, rate)

    async def drive(connection: Connection, own: range) -> None:
        ids = []
        for _ in own:
            _, made = await connection.call("POST", "/agent-executions", body)
            ids.append(made["id"])
        for one in ids:
            await connection.call("POST", f"/agent-executions/{one}/resume", b'{"value": 1}')

    shares = [range(start, number, 16) for start in range(16)]
    await asyncio.gather(*map(drive, connections, shares))
    deadline = time.monotonic() + ticks / rate + 60
    while len(ages) < number * ticks and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    assert len(ages) == number * ticks, (len(ages), number * ticks)
    reader.close()
    for connection in connections:
        connection.close()
    return ages


@contextmanager
def floor() -> Iterator[str]:
    """The floor, as a process."""
    command = [sys.executable, "-m", "bench.floor_events"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def collect_events(*, quick: bool) -> Figures:
    """All of it."""
    figures: Figures = {}
    ticks = 200 if quick else 1000
    with tempfile.TemporaryDirectory() as folder, floor() as floor_url:
        with ServiceProcess([AGENTS], data=Path(folder, "events")) as service:
            for number, rate in ((1, 100.0), (500, 100.0), (1000, 20.0)):
                say(f"events, {number:,} readers of one execution at {rate:g} events/s")
                ticked = ticks if rate > 50 else ticks // 5
                ages, memory = uvloop.run(fan_out(service, number, ticked, rate))
                bare = uvloop.run(floor_fan_out(floor_url, number, ticked, rate))
                name = f"{number:,} reader{'s' * (number > 1)}, event → reader"
                figures |= percentiles(name, ages)
                figures |= percentiles(f"floor, {name}", bare)
                figures[f"{name} p50, of the floor"] = (
                    figures[f"{name} p50 ms"] / figures[f"floor, {name} p50 ms"]
                )
                if number > 1:
                    figures[f"memory per reader of {number:,} KB"] = memory / 1024
        with ServiceProcess([AGENTS], data=Path(folder, "team")) as service:
            say("events, 1,000 executions on the team's stream")
            # Each tells once in 5 s: 200 events a second in all.
            ages = uvloop.run(crowd(service, 1000, 2 if quick else 5, 0.2))
            figures |= percentiles("1,000 executions, event → team's reader", ages)
    return figures
