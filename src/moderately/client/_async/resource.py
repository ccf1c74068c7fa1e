"""What the parts of the API have in common."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from moderately.client._async import io
from moderately.client._async.paging import AsyncPaginatedResponse
from moderately.client.models import WireObject
from moderately.client.pages import read_page
from moderately.client.replies import read_json
from moderately.client.requests import list_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from moderately.client._async.transport import AsyncTransport
    from moderately.client.requests import Request

__all__ = ["AsyncBaseResource"]

T = TypeVar("T", bound=WireObject)


class AsyncBaseResource:
    """A part of the API.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def _call(self, request: Request, *, hold: float = 0.0) -> Any:
        return read_json(await self._transport.send(request, hold=hold))

    def _list(
        self, path: str, kind: Callable[[dict[str, Any]], T], query: dict[str, Any]
    ) -> io.AsyncListing[T]:
        return io.listing(partial(self._page, path, kind, query))

    async def _page(
        self, path: str, kind: Callable[[dict[str, Any]], T], query: dict[str, Any]
    ) -> AsyncPaginatedResponse[T]:
        found = read_page(await self._transport.send(list_request(path, **query)), kind, query)
        following = found.next_query
        return AsyncPaginatedResponse(
            found.items,
            found.pagination,
            found.next_cursor,
            None if following is None else partial(self._page, path, kind, following),
        )
