"""Lists: what may be asked for, and the cursor that survives inserts."""

import base64
import binascii
from dataclasses import dataclass, field

from moderately.protocol.vocabulary import DEFAULT_PAGE_SIZE, OrderBy, OrderDirection, Status

__all__ = ["Cursor", "ExecutionList", "ListQuery"]

from moderately.domain.errors import InvalidRequest
from moderately.domain.execution import Execution


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list ordered by creation: right behind this execution.

    Attributes:
        created_at: The execution's creation time, in microseconds.
        id: Its id, which settles ties.
    """

    created_at: int
    id: str

    def encode(self) -> str:
        """The cursor as opaque text, safe in a URL."""
        return base64.urlsafe_b64encode(f"{self.created_at}:{self.id}".encode()).decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Read a cursor that `encode` wrote.

        Raises:
            InvalidRequest: If it is not one.
        """
        try:
            created_at, _, execution_id = (
                base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
                .decode("ascii")
                .partition(":")
            )
            cursor = cls(int(created_at), execution_id)
        except (ValueError, binascii.Error):
            cursor = None
        if cursor is None or not 0 <= cursor.created_at < 2**63 or cursor.encode() != text:
            raise InvalidRequest.field("cursor", "is not one; send a next_cursor as it came")
        return cursor


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list is asked for.

    Attributes:
        agent_id: Only this agent's.
        statuses: Only these statuses; all when empty.
        created_after: Only those created later, in microseconds.
        created_before: Only those created earlier, in microseconds.
        metadata: Only those with all of these labels.
        order_by: What to order by; ties go by creation.
        order_direction: Which way.
        page: Which page, from 1. Of no account with a cursor.
        page_size: How many a page.
        cursor: Go on behind this one, in order of creation.
    """

    agent_id: str | None = None
    statuses: tuple[Status, ...] = ()
    created_after: int | None = None
    created_before: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    order_by: OrderBy = OrderBy.CREATED_AT
    order_direction: OrderDirection = OrderDirection.DESC
    page: int = 1
    page_size: int = DEFAULT_PAGE_SIZE
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class ExecutionList:
    """One page of executions.

    Attributes:
        items: The executions.
        total: How many match in all.
        next_cursor: Where to go on; None at the end, or where the order is not by creation.
    """

    items: list[Execution]
    total: int
    next_cursor: str | None
