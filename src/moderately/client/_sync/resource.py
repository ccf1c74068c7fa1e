"""What the parts of the API have in common."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from moderately.client._sync import io
from moderately.client._sync.paging import PaginatedResponse
from moderately.client.models import WireObject
from moderately.client.pages import read_page
from moderately.client.replies import read_json
from moderately.client.requests import list_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from moderately.client._sync.transport import Transport
    from moderately.client.requests import Request

__all__ = ["BaseResource"]

T = TypeVar("T", bound=WireObject)


class BaseResource:
    """A part of the API.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _call(self, request: Request, *, hold: float = 0.0) -> Any:
        return read_json(self._transport.send(request, hold=hold))

    def _list(
        self, path: str, kind: Callable[[dict[str, Any]], T], query: dict[str, Any]
    ) -> io.PaginatedResponse[T]:
        return io.listing(partial(self._page, path, kind, query))

    def _page(
        self, path: str, kind: Callable[[dict[str, Any]], T], query: dict[str, Any]
    ) -> PaginatedResponse[T]:
        found = read_page(self._transport.send(list_request(path, **query)), kind, query)
        following = found.next_query
        return PaginatedResponse(
            found.items,
            found.pagination,
            found.next_cursor,
            None if following is None else partial(self._page, path, kind, following),
        )
