"""What the client returns: objects with typed attributes that still behave as dicts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

__all__ = ["Agent", "AgentExecution", "PaginatedResponse", "Pagination"]

T = TypeVar("T")


class _Object(dict[str, Any]):
    """A dict whose entries are attributes too. Fields that the client does not know are kept."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class AgentExecution(_Object):
    """One run of an agent on one input.

    Attributes read as `execution.status`, `execution["status"]` or `execution.get("status")`.
    Times are ISO 8601 text in UTC; `timeout_seconds` is in seconds.

    Example:
        >>> execution = AgentExecution({"id": "exec_1", "status": "running"})
        >>> execution.status == execution["status"] == "running"
        True
    """

    if TYPE_CHECKING:
        id: str
        agent_id: str
        agent_version: str
        status: str
        status_reason: str | None
        blocked_on: dict[str, Any] | None
        input_data: dict[str, Any] | None
        output_data: Any
        error: dict[str, Any] | None
        metadata: dict[str, str]
        usage: dict[str, Any]
        current_step: dict[str, str] | None
        attempt: int
        priority: int
        timeout_seconds: float | None
        max_steps: int | None
        retry: dict[str, Any] | None
        retries: int
        concurrency_key: str | None
        parent_id: str | None
        forked_from: str | None
        run_at: str | None
        created_at: str
        updated_at: str
        started_at: str | None
        paused_at: str | None
        completed_at: str | None
        failed_at: str | None
        cancelled_at: str | None

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended. A status that the client does not know counts as the reply says."""
        known = self.get("is_terminal")
        if isinstance(known, bool):
            return known
        return self.get("status") in ("completed", "failed", "cancelled")


class Agent(_Object):
    """An agent, as its newest version."""

    if TYPE_CHECKING:
        id: str
        name: str
        source: str
        version: str
        description: str
        input_schema: dict[str, Any]
        output_schema: dict[str, Any]
        timeout_seconds: float | None
        max_concurrency: int | None
        is_available: bool
        created_at: str
        updated_at: str


class Pagination(_Object):
    """Where a page stands among all of them."""

    if TYPE_CHECKING:
        page: int
        page_size: int
        total_items: int
        total_pages: int
        has_next_page: bool
        has_previous_page: bool


class PaginatedResponse(Generic[T]):
    """One page of a list. Iterates over its items.

    Attributes:
        items: The items.
        pagination: Where the page stands among all of them.
        next_cursor: Goes on from here, whatever is inserted meanwhile; None at the end.
    """

    def __init__(
        self, items: list[T], pagination: Pagination, next_cursor: str | None = None
    ) -> None:
        self.items = items
        self.pagination = pagination
        self.next_cursor = next_cursor

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, name: str) -> Any:
        try:
            return {"items": self.items, "pagination": self.pagination}[name]
        except KeyError:
            if name == "next_cursor":
                return self.next_cursor
            raise

    def __repr__(self) -> str:
        return f"PaginatedResponse({len(self.items)} items, {self.pagination!r})"
