"""Reads pages of lists, and says what follows them. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from moderately.client.errors import InvalidReplyError
from moderately.client.models import Pagination, WireObject
from moderately.client.replies import RawReply, read_object

__all__ = ["PageContent", "read_page"]

T = TypeVar("T", bound=WireObject)


@dataclass(frozen=True, slots=True)
class PageContent(Generic[T]):
    """What a page holds.

    Attributes:
        items: Its items.
        pagination: Where it stands among all of them.
        next_cursor: Where to go on; None at the end, or where the order is not by creation.
        next_query: The query for the page that follows; None at the end.
    """

    items: list[T]
    pagination: Pagination
    next_cursor: str | None
    next_query: dict[str, Any] | None


def read_page(
    reply: RawReply, kind: Callable[[dict[str, Any]], T], query: Mapping[str, Any]
) -> PageContent[T]:
    """Read a page.

    Args:
        reply: The reply.
        kind: Makes an item of its fields.
        query: What was asked for.

    Raises:
        APIStatusError: If the reply says no.
        InvalidReplyError: If it says yes, but is no page.
    """
    found = read_object(reply, "items", "pagination")
    items, pagination = found["items"], found["pagination"]
    if (
        not isinstance(items, list)
        or not isinstance(pagination, dict)
        or not all(isinstance(item, dict) and "id" in item for item in items)
    ):
        raise InvalidReplyError(
            f"The service replied {reply.status}, but the reply is no page.",
            status_code=reply.status,
            body=found,
        )
    return PageContent(
        [kind(item) for item in items],
        Pagination(pagination),
        found.get("next_cursor"),
        _next_query(found, query),
    )


def _next_query(found: Mapping[str, Any], query: Mapping[str, Any]) -> dict[str, Any] | None:
    cursor = found.get("next_cursor")
    if cursor:
        return {**query, "page": 1, "cursor": cursor}
    has_cursors = "next_cursor" in found and query.get("order_by") == "created_at"
    if has_cursors or query.get("cursor") or not found["pagination"].get("has_next_page"):
        return None
    return {**query, "page": query["page"] + 1}
