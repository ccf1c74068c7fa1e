"""Pages of lists, which go on to the pages that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from moderately.client.models import WireObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moderately.client.models import Pagination

__all__ = ["PaginatedResponse"]

T = TypeVar("T", bound=WireObject)


class PaginatedResponse(Generic[T]):
    """One page of a list. Iterates over the items of this page and of all that follow.

    A list in order of creation goes on by cursor: whatever is created or deleted meanwhile, no item
    is skipped or comes twice. Other orders go on by page number; what moves to a later page
    meanwhile is not repeated, but what moves to an earlier one is missed.

    Args:
        items: The items of the page.
        pagination: Where it stands among all of them.
        next_cursor: Goes on from here; None at the end, or where the order is not by creation.
        follow: Fetches the page that follows; None at the end.

    Attributes:
        items: The items of this page only.
        pagination: `page`, `page_size`, `total_items`, `total_pages`, `has_next_page` and
            `has_previous_page`.
        next_cursor: What to give `list` as `cursor` to go on from here; None at the end.

    Example:
        >>> page = client.agent_executions.list(page_size=100)
        >>> print(len(page), "of", page.pagination.total_items)
        >>> for execution in page:
        ...     print(execution.id)
    """

    def __init__(
        self,
        items: list[T],
        pagination: Pagination,
        next_cursor: str | None = None,
        follow: Callable[[], PaginatedResponse[T]] | None = None,
    ) -> None:
        self.items = items
        self.pagination = pagination
        self.next_cursor = next_cursor
        self._follow = follow

    @property
    def has_next_page(self) -> bool:
        """Whether a page follows."""
        return self._follow is not None

    def next_page(self) -> PaginatedResponse[T] | None:
        """Fetch the page that follows; None at the end."""
        return None if self._follow is None else self._follow()

    def __iter__(self) -> Iterator[T]:
        page: PaginatedResponse[T] | None = self
        seen: set[Any] = set()
        while page is not None:
            for item in page.items:
                if item.get("id") not in seen:
                    yield item
            if page.next_cursor is None:
                # Only numbered pages can repeat: by cursor nothing needs to be kept.
                seen.update(item.get("id") for item in page.items)
            page = page.next_page()

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, name: str) -> Any:
        """`page["items"]` and so on, as of a dict."""
        if not isinstance(name, str):
            raise TypeError("a page is no sequence: use .items, or iterate with 'async for'")
        if name not in ("items", "pagination", "next_cursor"):
            raise KeyError(name)
        return getattr(self, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.items)} items, {self.pagination!r})"

    def _repr_html_(self) -> str:
        """The page for a notebook."""
        shown: list[WireObject] = [self.pagination, *self.items]
        return "".join(one._repr_html_() for one in shown)
