"""A TCP proxy in user space that makes a bad network of a good one."""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from moderately.cli.ports import free_port

T = TypeVar("T")

HOST: Final = "127.0.0.1"
CHUNK: Final = 64 * 1024
CHUNKS_ON_THE_WAY: Final = 64
THROTTLE_TICK: Final = 0.05
PATIENCE: Final = 10.0
# An end with no time to linger is a reset (RST) and not an orderly close (FIN).
NO_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Weather:
    """How the network is.

    Attributes:
        is_cut: Whether nothing passes at all.
        delay: How long what is sent is on its way, in seconds.
        rate: How much passes in a second in each direction of a connection; None for no limit.
    """

    is_cut: bool = False
    delay: float = 0.0
    rate: float | None = None


FAIR: Final = Weather()


class Proxy:
    """Forwards what connects to its port, as well as its weather allows.

    It listens on 127.0.0.1 and works in a thread of its own. A change of its weather applies to the
    connections that there are, to what is on its way in them, and to new ones. `cut`, `delay` and
    `throttle` hold until `heal`, and add to each other.

    Args:
        target_host: Where to forward to.
        target_port: And its port.

    Attributes:
        port: Where it listens.

    Example:
        >>> with Proxy("127.0.0.1", server.port) as proxy:
        ...     connection = psycopg.connect(host="127.0.0.1", port=proxy.port)
        ...     proxy.delay(0.2)
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self.target = target_host, target_port
        self.port = free_port()
        self.weather = FAIR
        self.changed = asyncio.Event()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *exception: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many connections it forwards."""
        return len(self._links)

    def cut(self) -> None:
        """Swallow all, as a cable does that is pulled out: nobody is told."""
        self._change(lambda old: Weather(is_cut=True, delay=old.delay, rate=old.rate))

    def delay(self, seconds: float) -> None:
        """Take this long in each direction, in order."""
        self._change(lambda old: Weather(old.is_cut, seconds, old.rate))

    def throttle(self, bytes_per_second: float) -> None:
        """Let only so much pass, in each direction of each connection."""
        self._change(lambda old: Weather(old.is_cut, old.delay, bytes_per_second))

    def refuse(self) -> None:
        """Let nobody connect any more; the connections that there are stay."""
        self._call(self._refuse())

    def reset(self) -> None:
        """Reset the connections that there are, at both ends."""
        self._call(self._reset())

    def heal(self) -> None:
        """Be a good network again. What was held back arrives, as it does after a cut."""
        self._change(lambda _: FAIR)
        self._call(self._listen())

    def _change(self, change: Callable[[Weather], Weather]) -> None:
        async def apply() -> None:
            self.weather = change(self.weather)
            self.changed.set()
            self.changed = asyncio.Event()

        self._call(apply())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _reset(self) -> None:
        for link in list(self._links):
            link.reset()

    async def _end(self) -> None:
        await self._refuse()
        ours = asyncio.current_task()
        # What was being accepted just now becomes a link in some turns of the loop.
        for _ in range(5):
            await asyncio.sleep(0)
            links, tasks = list(self._links), asyncio.all_tasks() - {ours}
            for link in links:
                link.reset()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        self._links.add(link)
        link.task.add_done_callback(lambda _: self._links.discard(link))


class _Link:
    """One connection."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writers = [writer]
        self._is_reset = False
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            # In bad weather the way to the target is not open either.
            await self._pass(time.monotonic(), 0.0)
            reader, writer = await asyncio.open_connection(*self._proxy.target)
            self._writers.append(writer)
            if self._is_reset:
                raise ConnectionResetError
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward(self._reader, writer))
                group.create_task(self._forward(reader, self._writers[0]))
        except* OSError:
            self.reset()
        finally:
            for writer in self._writers:
                writer.close()
            for writer in self._writers:
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    def reset(self) -> None:
        """Reset both ends."""
        self._is_reset = True
        for writer in self._writers:
            end: socket.socket = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: data, and its end or its reset too, go through in their order."""
        way: asyncio.Queue[tuple[float, bytes | OSError]] = asyncio.Queue(CHUNKS_ON_THE_WAY)
        reading = asyncio.create_task(_read(reader, way))
        try:
            while True:
                arrived, data = await way.get()
                if isinstance(data, OSError) or not data:
                    await self._pass(arrived, 0.0)
                    if isinstance(data, OSError):
                        raise data
                    writer.write_eof()
                    return
                while data:
                    size = self._piece(len(data))
                    await self._pass(arrived, size)
                    writer.write(data[:size])
                    data = data[size:]
                    await writer.drain()
        finally:
            reading.cancel()

    def _piece(self, size: int) -> int:
        rate = self._proxy.weather.rate
        return size if rate is None else min(size, max(1, int(rate * THROTTLE_TICK)))

    async def _pass(self, arrived: float, size: float) -> None:
        """Wait until what arrived then may go on, as the weather is and as it changes."""
        begun = time.monotonic()
        while True:
            weather, changed = self._proxy.weather, self._proxy.changed
            due = max(arrived + weather.delay, begun + size / (weather.rate or float("inf")))
            left = None if weather.is_cut else due - time.monotonic()
            if left is not None and left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), left)


async def _read(
    reader: asyncio.StreamReader, way: "asyncio.Queue[tuple[float, bytes | OSError]]"
) -> None:
    data: bytes | OSError = b"-"
    while data and not isinstance(data, OSError):
        try:
            data = await reader.read(CHUNK)
        except OSError as error:
            data = error
        await way.put((time.monotonic(), data))
