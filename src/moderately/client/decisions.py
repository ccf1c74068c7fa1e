"""What the client decides, in pure functions that both twins drive."""

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from moderately.client.errors import ConflictError, status_error
from moderately.client.models import Agent, AgentExecution, PaginatedResponse, Pagination
from moderately.protocol import routes

__all__ = [
    "RawReply",
    "Request",
    "create_request",
    "is_cancelled_already",
    "keyed_request",
    "list_request",
    "poll_delay",
    "read_agent_page",
    "read_execution_page",
    "read_json",
    "retry_delay",
    "should_retry",
    "wait_seconds",
]

_RETRIED: Final = frozenset({408, 429, 502, 503, 504})
_FIRST_DELAY: Final = 0.25
_MAX_DELAY: Final = 8.0
_MAX_RETRY_AFTER: Final = 60.0
_MAX_WAIT: Final = 60.0
_FIRST_REFUSAL: Final = 300


@dataclass(frozen=True, slots=True)
class Request:
    """A request, before it is sent.

    Attributes:
        method: The HTTP method.
        path: The path, quoted.
        query: The query's parameters, in order.
        body: The body, as JSON; None for none.
        headers: Headers of its own.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply, before it is read.

    Attributes:
        status: The HTTP status.
        headers: By name, in lower case.
        body: The whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def create_request(
    agent_id: str, input_data: Any, properties: dict[str, Any], idempotency_key: str | None
) -> Request:
    """The request that creates an execution. It always carries an idempotency key."""
    body: dict[str, Any] = {"agent_id": agent_id}
    if input_data is not None:
        body["input_data"] = input_data
    body |= properties
    return keyed_request(routes.EXECUTIONS, body, idempotency_key)


def keyed_request(path: str, body: Mapping[str, Any], idempotency_key: str | None) -> Request:
    """A request that creates something. It always carries an idempotency key."""
    key = idempotency_key or f"auto-{secrets.token_hex(16)}"
    return Request("POST", path, body=encode(body), headers={routes.IDEMPOTENCY_KEY: key})


def encode(body: Mapping[str, Any]) -> bytes:
    """A body as JSON.

    Raises:
        TypeError: If a value is not JSON.
        ValueError: If a number is NaN or infinite.
    """
    return json.dumps(body, allow_nan=False).encode()


def list_request(path: str, **parameters: Any) -> Request:
    """A request for a list. Parameters that are None are left out; a list is repeated."""
    query: list[tuple[str, str]] = []
    for name, value in parameters.items():
        if isinstance(value, list | tuple | set | frozenset):
            query += [(name, str(one)) for one in value]
        elif value is not None:
            query.append((name, str(value)))
    return Request("GET", path, query=tuple(query))


def read_json(reply: RawReply) -> Any:
    """A reply's JSON.

    Raises:
        APIStatusError: If the reply says no.
        ValueError: If it says yes, but is not JSON.
    """
    if reply.status < _FIRST_REFUSAL:
        return json.loads(reply.body) if reply.body else None
    try:
        body = json.loads(reply.body)
    except ValueError:
        body = {}
    found = body if isinstance(body, dict) else {}
    raise status_error(reply.status, found, retry_after(reply))


def retry_after(reply: RawReply) -> float | None:
    """What a reply's `Retry-After` says, in seconds; None if nothing that is understood."""
    try:
        seconds = float(reply.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None


def should_retry(status: int | None, tries: int, max_retries: int) -> bool:
    """Whether to send a request again.

    Args:
        status: The reply's status; None if there was no reply.
        tries: How often it was sent.
        max_retries: How often it may be sent again.
    """
    return tries <= max_retries and (status is None or status in _RETRIED)


def retry_delay(tries: int, told: float | None, chance: float) -> float:
    """How long to wait before a request is sent again, in seconds.

    Exponential, with full jitter, unless the service says how long.

    Args:
        tries: How often it was sent.
        told: What `Retry-After` says.
        chance: A random number from 0 to 1.
    """
    if told is not None:
        return min(told, _MAX_RETRY_AFTER)
    return chance * min(_MAX_DELAY, _FIRST_DELAY * 2.0 ** min(tries, 16))


def wait_seconds(left: float) -> float:
    """How long the service is asked to hold a reply, in seconds; `left` is what the caller has."""
    return max(0.0, min(_MAX_WAIT, left))


def poll_delay(reply: RawReply, poll_interval: float) -> float:
    """How long to wait before asking again, in seconds: not at all where the reply was held."""
    return 0.0 if _is_held(reply.headers.get("preference-applied", "")) else poll_interval


def _is_held(preference: str) -> bool:
    # A service that is set to hold replies for no time at all is polled like one that cannot.
    return preference.startswith("wait=") and preference not in ("wait=0", "wait=0.0")


def is_cancelled_already(error: ConflictError, tries: int) -> bool:
    """Whether a refused cancel had been done: by its own first try, whose reply got lost."""
    execution = error.execution
    return tries > 1 and execution is not None and execution.get("status") == "cancelled"


def read_execution_page(value: Mapping[str, Any]) -> PaginatedResponse[AgentExecution]:
    """A page of executions."""
    items = [AgentExecution(item) for item in value["items"]]
    return PaginatedResponse(items, Pagination(value["pagination"]), value.get("next_cursor"))


def read_agent_page(value: Mapping[str, Any]) -> PaginatedResponse[Agent]:
    """A page of agents."""
    return PaginatedResponse(
        [Agent(item) for item in value["items"]], Pagination(value["pagination"])
    )
