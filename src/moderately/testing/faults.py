"""How a fake server misbehaves: one fault for one request.

server.misbehave(drop(), reply(503, retry_after=0.1))
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Fault", "cut", "dribble", "drop", "hang", "html", "reply", "slow"]


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
        is_cut: Hang up in the middle of the body.
    """

    is_done: bool = True
    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    pace: float = 0.0
    is_dropped: bool = False
    is_cut: bool = False


def drop(*, done: bool = False) -> Fault:
    """Hangs up without a reply.

    Args:
        done: Whether the request was done before.
    """
    return Fault(is_done=done, is_dropped=True)


def cut() -> Fault:
    """Does what is asked, and hangs up in the middle of the reply's body."""
    return Fault(is_cut=True)


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
