"""A fake service for tests: in the test's own process, on a real port, as well-behaved as you like.

It needs nothing but the SDK: no agents, no database, no extra.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from moderately.testing.fake_api import FakeApi, FakeReply, FakeRequest
from moderately.testing.faults import Fault

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence

    from moderately.testing.states import State

__all__ = ["FakeServer"]

_NO_BODY: Final = 204
_FOR_EVER: Final = 3600.0


class FakeServer:
    """A fake service that follows scripts, and misbehaves when it is told to.

    Args:
        scripts: What the executions of each agent go through: states of
            `moderately.testing.states`.
        api_key: The only key that it takes; None where it asks for none.

    Attributes:
        base_url: Where it answers.
        api_key: The key that it takes.
        requests: What it was asked, in order.
        connections: How many connections were opened to it.

    Example:
        >>> with FakeServer({"research": [running(0.2), completed({"answer": 42})]}) as server:
        ...     client = ModeratelyAI(base_url=server.base_url, api_key=server.api_key)
        ...     server.misbehave(drop(), reply(503))
        ...     execution = client.agent_executions.run(agent_id="research")
        ...     assert execution.output_data == {"answer": 42}
    """

    def __init__(
        self,
        scripts: Mapping[str, Sequence[State]] | None = None,
        *,
        api_key: str | None = "fake-key",
    ) -> None:
        self.api_key = api_key or ""
        self.requests: list[FakeRequest] = []
        self.connections = 0
        self._api = FakeApi(api_key, scripts or {})
        self._faults: deque[tuple[str, Fault]] = deque()
        self._constant: list[tuple[str, Fault]] = []
        self._asked = threading.Condition()
        self._released = threading.Event()
        self._http = _Http(self)
        self.base_url = f"http://127.0.0.1:{self._http.server_address[1]}"
        # A short interval: it is how long `close` takes.
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def holds(self) -> bool:
        """Whether it holds replies back as `Prefer: wait` asks. It does, unless this is set."""
        return self._api.holds

    @holds.setter
    def holds(self, value: bool) -> None:
        self._api.holds = value

    @property
    def streams(self) -> bool:
        """Whether it streams events where that is accepted. If not, it answers pages."""
        return self._api.streams

    @streams.setter
    def streams(self, value: bool) -> None:
        self._api.streams = value

    @property
    def has_team_events(self) -> bool:
        """Whether it has the stream of all executions, which older services have not."""
        return self._api.has_team_events

    @has_team_events.setter
    def has_team_events(self, value: bool) -> None:
        self._api.has_team_events = value

    @property
    def heartbeat(self) -> float:
        """After how long a silence a stream shows that it is alive, in seconds. 15 by default."""
        return self._api.heartbeat

    @heartbeat.setter
    def heartbeat(self, value: float) -> None:
        self._api.heartbeat = value

    def emit(
        self, execution_id: str, kind: str, data: Mapping[str, Any], *, live: bool = False
    ) -> None:
        """Let an execution's agent tell something.

        Args:
            execution_id: Which execution.
            kind: The event's type: `log`, `progress`, `message`, `token` and so on.
            data: Its data.
            live: Whether it is live only, and on no record.

        Raises:
            KeyError: If there is no such execution.

        Example:
            >>> server.emit(execution.id, "token", {"text": "Hel"}, live=True)
        """
        self._api.emit(execution_id, kind, dict(data), live=live)

    def reset_cursors(self) -> None:
        """Know no place in the team's events any more, as after a restored backup."""
        self._api.reset_cursors()

    def script(self, agent_id: str, states: Sequence[State]) -> None:
        """Say what executions of an agent go through from now on.

        Args:
            agent_id: The agent; it is made where there was none.
            states: The states, in order.
        """
        self._api.scripts[agent_id] = list(states)

    def misbehave(self, *faults: Fault, where: str = "", always: bool = False) -> None:
        """Let the next requests go wrong, one fault for each.

        Args:
            *faults: Of `moderately.testing.faults`, in order.
            where: Only requests whose method and path (`GET /agent-executions/…`) contain this.
            always: Let every request go wrong like the last of them, once the others are used up.
        """
        with self._asked:
            self._faults += [(where, fault) for fault in (faults[:-1] if always else faults)]
            if always:
                self._constant.append((where, faults[-1]))

    def behave(self) -> None:
        """Forget the faults."""
        with self._asked:
            self._faults.clear()
            self._constant.clear()

    def await_requests(
        self, count: int = 1, where: str = "", timeout: float = 10.0
    ) -> list[FakeRequest]:
        """Wait until it was asked so often.

        Args:
            count: How often.
            where: Count only requests whose method and path contain this.
            timeout: How long to wait at most, in seconds.

        Returns:
            These requests, in order.

        Raises:
            TimeoutError: If it was not.
        """
        with self._asked:
            if not self._asked.wait_for(lambda: len(self._matching(where)) >= count, timeout):
                raise TimeoutError(f"asked {len(self._matching(where))} times, not {count}")
            return self._matching(where)

    def _matching(self, where: str) -> list[FakeRequest]:
        return [one for one in self.requests if where in f"{one.method} {one.target}"]

    def close(self) -> None:
        """Stop, and hang up on everybody."""
        self._released.set()
        self._api.close()
        self._http.shutdown()
        self._http.server_close()
        self._http.hang_up()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FakeServer({self.base_url!r})"

    def _fault(self, request: FakeRequest) -> Fault | None:
        named = f"{request.method} {request.target}"
        with self._asked:
            self.requests.append(request)
            self._asked.notify_all()
            for found in self._faults:
                if found[0] in named:
                    self._faults.remove(found)
                    return found[1]
            return next((fault for where, fault in self._constant if where in named), None)

    def _reply(
        self, request: FakeRequest, fault: Fault | None
    ) -> tuple[int, dict[str, str], bytes | Iterator[bytes]]:
        made = self._api.answer(request) if fault is None or fault.is_done else FakeReply(503)
        if fault is not None and fault.status is not None:
            return fault.status, {**fault.headers}, fault.body
        headers = {"Content-Type": "application/json", **made.headers}
        if made.frames is not None:
            return made.status, headers, made.frames
        return made.status, headers, b"" if made.status == _NO_BODY else _json(made.value)


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, server: FakeServer) -> None:
        self.fake = server
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self.fake.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for one in [*self._open]:
            self.shutdown_request(one)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up is none of the test's concern.
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    server: _Http  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = FakeRequest(self.command, self.path, headers, body)
        fake = self.server.fake
        fault = fake._fault(request)  # noqa: SLF001 - its own server
        status, found, content = fake._reply(request, fault)  # noqa: SLF001
        if fault is not None and (fault.is_dropped or self._wait(fault.delay)):
            self.close_connection = True
        elif isinstance(content, bytes):
            self._send(status, found, content, fault)
        else:
            self._stream(status, found, content, fault or Fault())

    def _wait(self, seconds: float) -> bool:
        """Wait; says whether the server ends meanwhile."""
        return bool(seconds) and self.server.fake._released.wait(seconds)  # noqa: SLF001

    def _send(
        self, status: int, headers: Mapping[str, str], body: bytes, fault: Fault | None = None
    ) -> None:
        head = self._head(status, {**headers, "Content-Length": str(len(body))})
        if fault is None or not (fault.pace or fault.is_cut):
            # At once: a second packet may wait for the first one's receipt.
            self.wfile.write(head + body)
            return
        self.wfile.write(head)
        if fault.is_cut:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self._dribble(body, fault.pace)

    def _head(self, status: int, headers: Mapping[str, str]) -> bytes:
        lines = [f"HTTP/1.1 {status} {self.responses.get(status, ('Unknown',))[0]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Date: {self.date_time_string()}", "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def _dribble(self, body: bytes, pace: float) -> None:
        for number in range(len(body)):
            if self._wait(pace):
                self.close_connection = True
                return
            self.wfile.write(body[number : number + 1])

    def _stream(
        self, status: int, headers: Mapping[str, str], frames: Iterator[bytes], fault: Fault
    ) -> None:
        self.close_connection = True
        self.wfile.write(self._head(status, {**headers, "Transfer-Encoding": "chunked"}))
        goes_wrong = fault.is_cut or fault.is_ended or fault.is_mute
        for number, frame in enumerate(frames):
            for _ in range(1 + fault.is_repeated):
                if fault.pace:
                    self._dribble(_chunk(frame), fault.pace)
                else:
                    self.wfile.write(_chunk(frame))
            if goes_wrong and number >= fault.events:
                break
        if fault.is_mute:
            self._wait(_FOR_EVER)
        if fault.is_mute or fault.is_cut:
            self.wfile.write(_chunk(b"id: 1\ndata: {")[:-4])
            return
        self.wfile.write(_chunk(b""))
        self.close_connection = False

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        del format, args
