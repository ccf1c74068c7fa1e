"""Readers of event streams, as plain as can be."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx2

from moderately.protocol import sse

__all__ = ["Frame", "Frames", "reading"]


class Frame(NamedTuple):
    """One event of a stream, its data read as JSON."""

    name: str
    id: str
    data: dict[str, Any]


class Frames:
    """The events of a stream, one after the other, to where the reply ends."""

    def __init__(self, reply: httpx2.Response) -> None:
        self.reply = reply
        self.parser = sse.Parser()
        self._chunks = reply.iter_bytes()
        self._ready: list[Frame] = []

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        while not self._ready:
            for event in self.parser.feed(next(self._chunks)):
                self._ready.append(Frame(event.event, event.id, json.loads(event.data)))
        return self._ready.pop(0)

    def until(self, kind: str) -> list[Frame]:
        """The next events, up to the first of a type, or of a name."""
        found = []
        for frame in self:
            found.append(frame)
            if kind in (frame.name, frame.data.get("type")):
                return found
        raise AssertionError(f"the stream ended without {kind}: {found}")


@contextmanager
def reading(
    http: httpx2.Client, path: str, *, last: str | None = None, **query: Any
) -> Iterator[Frames]:
    """A stream that is being read."""
    headers = {"Accept": sse.MEDIA_TYPE} | ({} if last is None else {"Last-Event-ID": last})
    with http.stream("GET", path, params=query, headers=headers) as reply:
        if reply.status_code != 200:
            reply.read()
        yield Frames(reply)
