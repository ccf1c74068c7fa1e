"""Builds requests. Pure."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from moderately.protocol import routes
from moderately.protocol.vocabulary import IDENTIFIER_LIMIT

__all__ = [
    "Outgoing",
    "Request",
    "create_request",
    "encode",
    "identifier",
    "keyed_request",
    "list_request",
    "post_request",
]

_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{IDENTIFIER_LIMIT}}}")


@dataclass(frozen=True, slots=True)
class Request:
    """A request, before it is sent.

    Attributes:
        method: The HTTP method.
        path: The path, quoted.
        query: The query's parameters, in order.
        body: The body, as JSON; None for none.
        headers: Headers of its own.
        is_repeatable: Whether it may be sent again when the service may have got it already: it
            reads, or does the same when it is done twice.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True

    @property
    def target(self) -> str:
        """The path with the query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


class Outgoing(NamedTuple):
    """A request as a transport sends it.

    Attributes:
        base_url: Where the service answers.
        method: The HTTP method.
        target: The path with the query, quoted.
        body: The body; None for none.
        headers: All headers.
    """

    base_url: str
    method: str
    target: str
    body: bytes | None
    headers: Mapping[str, str]

    @property
    def url(self) -> str:
        """The whole address."""
        return self.base_url + self.target


def create_request(
    agent_id: str,
    input_data: Any,
    properties: Mapping[str, Any],
    idempotency_key: str | None,
) -> Request:
    """The request that creates an execution. It always carries an idempotency key."""
    body: dict[str, Any] = {"agent_id": agent_id}
    if input_data is not None:
        body["input_data"] = input_data
    body |= properties
    return keyed_request(routes.EXECUTIONS, body, idempotency_key)


def keyed_request(path: str, body: Mapping[str, Any], idempotency_key: str | None) -> Request:
    """A request that creates something. It always carries an idempotency key, and so is repeatable.

    Raises:
        ValueError: If the key cannot be one.
    """
    key = f"auto-{os.urandom(16).hex()}" if idempotency_key is None else idempotency_key
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"idempotency_key has 1 to {IDENTIFIER_LIMIT} visible ASCII characters; not {key!r}"
        )
    return Request("POST", path, body=encode(body), headers={routes.IDEMPOTENCY_KEY: key})


def post_request(
    path: str, body: Mapping[str, Any] | None = None, *, is_repeatable: bool = False
) -> Request:
    """A request that changes something."""
    content = encode(body) if body is not None else None
    return Request("POST", path, body=content, is_repeatable=is_repeatable)


def encode(body: Any) -> bytes:
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


def identifier(value: str) -> str:
    """An id, as it was given.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"an id is a string that is not empty; not {value!r}")
    return value
