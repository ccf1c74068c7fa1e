"""How a fake server misbehaves: one fault for one request.

server.misbehave(drop(), reply(503, retry_after=0.1))
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Fault",
    "break_off",
    "cut",
    "dribble",
    "drop",
    "end_early",
    "hang",
    "html",
    "mute",
    "repeat",
    "reply",
    "slow",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a request.

    Attributes:
        is_done: Whether the request is done all the same, and only its reply suffers.
        status: A reply in place of the right one; None for the right one.
        body: Its body.
        headers: Its headers.
        delay: How long to wait before replying, in seconds.
        pace: How long to wait before each byte of the body, in seconds.
        is_dropped: Hang up without a reply.
        is_cut: Hang up in the middle of the body; of a stream, in the middle of an event.
        events: How many events of a stream come before it goes wrong.
        is_ended: End a stream there as if that was all.
        is_mute: Say nothing more on a stream from there on.
        is_repeated: Say everything on a stream twice.
    """

    is_done: bool = True
    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    pace: float = 0.0
    is_dropped: bool = False
    is_cut: bool = False
    events: int = 0
    is_ended: bool = False
    is_mute: bool = False
    is_repeated: bool = False


def drop(*, done: bool = False) -> Fault:
    """Hangs up without a reply.

    Args:
        done: Whether the request was done before.
    """
    return Fault(is_done=done, is_dropped=True)


def cut() -> Fault:
    """Does what is asked, and hangs up in the middle of the reply's body."""
    return Fault(is_cut=True)


def break_off(events: int = 1) -> Fault:
    """Hangs up in the middle of a stream's event, after so many whole ones."""
    return Fault(is_cut=True, events=events)


def end_early(events: int = 1) -> Fault:
    """Ends a stream after so many events, as if that was all."""
    return Fault(is_ended=True, events=events)


def mute(events: int = 1) -> Fault:
    """Says nothing more on a stream after so many events, no heartbeat either."""
    return Fault(is_mute=True, events=events)


def repeat() -> Fault:
    """Says everything on a stream twice."""
    return Fault(is_repeated=True)


def slow(seconds: float) -> Fault:
    """Does what is asked, and replies so many seconds later."""
    return Fault(delay=seconds)


def dribble(pace: float = 1.0) -> Fault:
    """Does what is asked, and sends a byte of the reply's body every `pace` seconds."""
    return Fault(pace=pace)


def hang() -> Fault:
    """Does nothing, and never replies."""
    return Fault(is_done=False, delay=3600.0)


def reply(
    status: int,
    body: Any = None,
    *,
    retry_after: float | str | None = None,
    headers: Mapping[str, str] | None = None,
    done: bool = False,
) -> Fault:
    """Replies something else.

    Args:
        status: The HTTP status.
        body: The body: bytes as they are, anything else as JSON; None for a problem.
        retry_after: What `Retry-After` says: seconds, or a date as text.
        headers: Further headers.
        done: Whether the request was done before.
    """
    found = {"Content-Type": "application/json", **(headers or {})}
    if retry_after is not None:
        found["Retry-After"] = str(retry_after)
    if body is None:
        body = {"status": status, "message": f"a fault of status {status}", "details": []}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Fault(done, status, content, found)


def html(status: int = 502, title: str = "Bad Gateway") -> Fault:
    """Replies a page, as a proxy does when the service behind it is away."""
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return reply(status, body.encode(), headers={"Content-Type": "text/html"})
