"""Reads replies. Pure: what time it is comes in as an argument."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from moderately.client.errors import APIStatusError, InvalidReplyError, status_error
from moderately.client.models import AgentExecution
from moderately.protocol import routes
from moderately.protocol.sse import MEDIA_TYPE

__all__ = [
    "RawReply",
    "RawResponse",
    "is_held",
    "is_stream",
    "read_execution",
    "read_json",
    "read_object",
    "retry_after",
]

T = TypeVar("T")

_OK: Final = 200
_FIRST_REFUSAL: Final = 300
_FIRST_REDIRECT_END: Final = 400
_TITLE: Final = re.compile(r"<title[^>]*>\s*(.*?)\s*</title>", re.IGNORECASE | re.DOTALL)
_LONGEST_EXCERPT: Final = 200


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply, before it is read.

    Attributes:
        status: The HTTP status.
        headers: By name, in lower case.
        body: The whole body.
        received_at: When it came, in seconds since 1970.
        tries: How often the request was sent.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: float = 0.0
    tries: int = 1


class RawResponse(Generic[T]):
    """A reply as it came, beside what was read from it.

    Attributes:
        status_code: The HTTP status.
        headers: By name, in lower case.
        content: The whole body.
        tries: How often the request was sent.
    """

    def __init__(self, reply: RawReply, value: T) -> None:
        self.status_code = reply.status
        self.headers = dict(reply.headers)
        self.content = reply.body
        self.tries = reply.tries
        self._value = value

    @property
    def request_id(self) -> str:
        """The request's id, for reports; empty if there is none."""
        return self.headers.get(routes.REQUEST_ID.lower(), "")

    def json(self) -> Any:
        """The body, as read from JSON.

        Raises:
            ValueError: If it is not JSON.
        """
        return json.loads(self.content)

    def parse(self) -> T:
        """What the method would have returned."""
        return self._value

    def __repr__(self) -> str:
        return f"RawResponse(status_code={self.status_code}, request_id={self.request_id!r})"


def read_json(reply: RawReply) -> Any:
    """A reply's JSON; None where it has no body.

    Raises:
        APIStatusError: If the reply says no.
        InvalidReplyError: If it says yes, but is not JSON.
    """
    if reply.status >= _FIRST_REFUSAL:
        raise _refusal(reply)
    if not reply.body:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        raise _invalid(reply, "is not JSON") from None


def read_object(reply: RawReply, *needed: str) -> dict[str, Any]:
    """A reply's JSON object.

    Args:
        reply: The reply.
        *needed: The members that it cannot do without.

    Raises:
        APIStatusError: If the reply says no.
        InvalidReplyError: If it says yes, but is no such object.
    """
    found = read_json(reply)
    if not isinstance(found, dict):
        raise _invalid(reply, "is not an object")
    if missing := [name for name in needed if name not in found]:
        raise _invalid(reply, f"has no {' and no '.join(missing)}")
    return found


def read_execution(reply: RawReply) -> AgentExecution:
    """A reply's execution.

    Raises:
        APIStatusError: If the reply says no.
        InvalidReplyError: If it says yes, but is no execution.
    """
    return AgentExecution(read_object(reply, "id", "status"))


def _invalid(reply: RawReply, what: str) -> InvalidReplyError:
    text = _text(reply)
    return InvalidReplyError(
        f"The service replied {reply.status}, but the reply {what}{_excerpt(text)}.",
        status_code=reply.status,
        body=text,
        request_id=_request_id(reply),
    )


def _refusal(reply: RawReply) -> APIStatusError:
    body: Any
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        body = _text(reply)
    return status_error(
        reply.status,
        body,
        _message(reply, body),
        request_id=_request_id(reply),
        retry_after=retry_after(reply),
    )


def _message(reply: RawReply, body: Any) -> str:
    if isinstance(body, dict):
        nested = body.get("error")
        for found in (body, nested if isinstance(nested, dict) else {}):
            for name in ("message", "detail", "title", "error"):
                if isinstance(found.get(name), str) and found[name]:
                    return str(found[name])
    said = f"The service replied {reply.status}"
    location = reply.headers.get("location")
    if location and reply.status < _FIRST_REDIRECT_END:
        return f"{said}, and points to {location}. Redirects are not followed: set base_url to it."
    return f"{said}{_excerpt(body if isinstance(body, str) else _text(reply))}."


def _excerpt(text: str) -> str:
    titled = _TITLE.search(text)
    found = " ".join((titled[1] if titled else text).split())
    if not found:
        return ""
    return f": {found[:_LONGEST_EXCERPT]}" + ("…" if len(found) > _LONGEST_EXCERPT else "")


def _text(reply: RawReply) -> str:
    return reply.body.decode("utf-8", "replace")


def _request_id(reply: RawReply) -> str:
    return reply.headers.get(routes.REQUEST_ID.lower(), "")


def is_held(reply: RawReply) -> bool:
    """Whether the service says that it holds replies back: it applied `Prefer: wait`."""
    applied = reply.headers.get(routes.PREFERENCE_APPLIED.lower(), "")
    # A service that is set to hold replies for no time at all is polled like one that cannot.
    return applied.startswith("wait=") and applied not in ("wait=0", "wait=0.0")


def is_stream(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a reply is a stream of events.

    Args:
        status: The HTTP status.
        headers: By name, in lower case.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return status == _OK and kind == MEDIA_TYPE


def retry_after(reply: RawReply) -> float | None:
    """When a reply asks to be tried again, in seconds; None if it does not say so understandably.

    `Retry-After-Ms` is in milliseconds; `Retry-After` is in seconds, or an HTTP date. A date is
    compared with the reply's own `Date`, so that the two clocks need not agree.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(reply.headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < math.inf:
            return seconds
    until = _date(reply.headers.get("retry-after", ""))
    if until is None:
        return None
    now = _date(reply.headers.get("date", ""))
    return max(0.0, until - (reply.received_at if now is None else now))


def _date(text: str) -> float | None:
    if not text.rstrip().endswith(("GMT", "UTC", "+0000")):
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to import, seldom needed

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
