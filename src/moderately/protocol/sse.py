"""Server-sent events: reads and writes `text/event-stream` (WHATWG HTML, section 9.2). Pure."""

import re
from typing import Final, NamedTuple

__all__ = [
    "COMMENT",
    "EVENT_LIMIT_BYTES",
    "MEDIA_TYPE",
    "EventTooLargeError",
    "Parser",
    "ServerSentEvent",
    "encode",
]

MEDIA_TYPE: Final = "text/event-stream"

EVENT_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""The largest event that is read, unless set otherwise. Bytes."""

COMMENT: Final = b":\n\n"
"""Says that the stream is alive, and nothing else."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_TEXT_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """An event is larger than the reader takes."""


class ServerSentEvent(NamedTuple):
    """An event of a stream.

    Attributes:
        data: Its data; lines are separated by a line feed.
        event: Its name.
        id: The stream's last event id, as of this event: its own, or an earlier one's.
    """

    data: str
    event: str = "message"
    id: str = ""


class Parser:
    r"""Reads a stream, in whatever pieces it comes.

    Args:
        last_event_id: Where the stream goes on from.
        limit: The largest event, in bytes.

    Attributes:
        last_event_id: What to send as `Last-Event-ID` to go on from here. It moves with every
            block, also with one that has no data.
        retry: How long to wait before a new connection, in milliseconds; None if nothing is said.

    Example:
        >>> parser = Parser()
        >>> parser.feed(b"id: 7\ndata: on")
        []
        >>> parser.feed(b"e\n\n")
        [ServerSentEvent(data='one', event='message', id='7')]
    """

    def __init__(self, last_event_id: str = "", *, limit: int = EVENT_LIMIT_BYTES) -> None:
        self.last_event_id = last_event_id
        self.retry: int | None = None
        self._limit = limit
        self._line = bytearray()
        self._is_first_line = True
        self._ended_with_cr = False
        self._forget()
        self._id = last_event_id

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes.

        Returns:
            The events that they complete.

        Raises:
            EventTooLargeError: If one is over the limit. The stream cannot be read on.
        """
        if self._ended_with_cr and chunk:
            # The line ended there already, lest it waits for what may never come.
            chunk = chunk.removeprefix(b"\n")
            self._ended_with_cr = False
        if not chunk:
            return []
        self._ended_with_cr = chunk.endswith(b"\r")
        *ended, rest = _LINE_END.split(chunk)
        found = []
        for piece in ended:
            self._take(piece)
            event = self._end_line()
            if event is not None:
                found.append(event)
        self._take(rest)
        return found

    def _take(self, piece: bytes) -> None:
        self._line += piece
        if self._size + len(self._line) > self._limit:
            raise EventTooLargeError(f"an event of the stream is over {self._limit} bytes")

    def _end_line(self) -> ServerSentEvent | None:
        line = bytes(self._line)
        self._line.clear()
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        if not line.startswith(b":"):
            self._size += len(line)
            name, _, value = line.decode("utf-8", "replace").partition(":")
            self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and value.isascii() and value.isdecimal():
            self.retry = int(value)

    def _dispatch(self) -> ServerSentEvent | None:
        self.last_event_id = self._id
        data, event = self._data, self._event
        self._forget()
        return ServerSentEvent("\n".join(data), event or "message", self._id) if data else None

    def _forget(self) -> None:
        self._data: list[str] = []
        self._event = ""
        self._size = 0


def encode(
    data: bytes | str | None = None,
    *,
    event: str | None = None,
    id: str | None = None,  # noqa: A002 - the field's name
    retry: int | None = None,
    comment: bool = False,
) -> bytes:
    r"""Write an event, or a block without one.

    Args:
        data: Its data, text in UTF-8. Without any there is no event, but `id` and `retry` count.
        event: Its name; `message` by default.
        id: What goes on from here sends this as `Last-Event-ID`.
        retry: How long to wait before a new connection, in milliseconds.
        comment: Begin with an empty comment line, so that what only counts lines sees one.

    Raises:
        ValueError: If the name or the id has a line end, or the id a NUL: no reader would get it.

    Example:
        >>> encode(b'{"seq": 7}', id="7")
        b'id: 7\ndata: {"seq": 7}\n\n'
    """
    lines = [b":"] if comment else []
    for name, value in (("event", event), ("id", id)):
        if value is not None:
            if _TEXT_LINE_END.search(value) or (name == "id" and "\0" in value):
                raise ValueError(f"the {name} of an event is one line; not {value!r}")
            lines.append(f"{name}: {value}".encode())
    if retry is not None:
        lines.append(b"retry: %d" % retry)
    if data is not None:
        content = data.encode() if isinstance(data, str) else data
        lines += [b"data: " + line for line in _LINE_END.split(content)]
    return b"\n".join([*lines, b"", b""])
