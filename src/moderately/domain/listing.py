"""Lists: what may be asked for, and the cursor that survives inserts."""

import re
from dataclasses import dataclass, field
from typing import Final

from moderately.domain.errors import InvalidRequest
from moderately.domain.execution import Execution
from moderately.protocol.vocabulary import DEFAULT_PAGE_SIZE, OrderBy, OrderDirection, Status

__all__ = ["CURSOR_PATTERN", "Cursor", "ExecutionList", "ListQuery"]

CURSOR_PATTERN: Final = "^(0|[1-9][0-9]{0,17})[.]exec_[0-9a-z]{26}$"
"""What a cursor looks like."""

_CURSOR: Final = re.compile(CURSOR_PATTERN, re.ASCII)


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
        """The cursor as text, safe in a URL."""
        return f"{self.created_at}.{self.id}"

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Read a cursor that `encode` wrote.

        Raises:
            InvalidRequest: If it is not one.
        """
        if not _CURSOR.fullmatch(text):
            raise InvalidRequest.field("cursor", "is not one; send a next_cursor as it came")
        created_at, _, execution_id = text.partition(".")
        return cls(int(created_at), execution_id)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list is asked for.

    Attributes:
        agent_id: Only this agent's.
        statuses: Only these statuses; all when empty.
        created_after: Only those created later, in microseconds.
        created_before: Only those created earlier, in microseconds.
        metadata: Only those with all of these labels.
        id_prefix: Only those whose ids begin so.
        id_suffix: Only those whose ids end so: all of them are looked at.
        label_prefix: Only those with a label whose value begins so, whatever its key.
        order_by: What to order by; ties go by creation.
        order_direction: Which way.
        page: Which page, from 1. Of no account with a cursor.
        page_size: How many a page.
        cursor: Go on behind this one, in order of creation.
        has_payloads: Whether input and output are read; None stands for both where not.
    """

    agent_id: str | None = None
    statuses: tuple[Status, ...] = ()
    created_after: int | None = None
    created_before: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    id_prefix: str | None = None
    id_suffix: str | None = None
    label_prefix: str | None = None
    order_by: OrderBy = OrderBy.CREATED_AT
    order_direction: OrderDirection = OrderDirection.DESC
    page: int = 1
    page_size: int = DEFAULT_PAGE_SIZE
    cursor: Cursor | None = None
    has_payloads: bool = True


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
