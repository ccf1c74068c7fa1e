"""The words of the wire: statuses, orderings and limits."""

from enum import StrEnum
from typing import Final

__all__ = [
    "BODY_LIMIT_BYTES",
    "DEFAULT_BASE_URL",
    "DEFAULT_PAGE_SIZE",
    "HEARTBEAT_SECONDS",
    "IDENTIFIER_LIMIT",
    "MAX_PAGE_SIZE",
    "MAX_WAIT_SECONDS",
    "NESTING_LIMIT",
    "TERMINAL_STATUSES",
    "OrderBy",
    "OrderDirection",
    "Status",
]


class Status(StrEnum):
    """Where an execution stands."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether an execution with this status never changes again."""
        return self in TERMINAL_STATUSES


TERMINAL_STATUSES: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


class OrderBy(StrEnum):
    """What a list may be ordered by."""

    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    STARTED_AT = "started_at"
    COMPLETED_AT = "completed_at"
    STATUS = "status"
    PRIORITY = "priority"


class OrderDirection(StrEnum):
    """Which way a list runs."""

    ASC = "asc"
    DESC = "desc"


DEFAULT_BASE_URL: Final = "http://127.0.0.1:8787"
DEFAULT_PAGE_SIZE: Final = 10
MAX_PAGE_SIZE: Final = 1000

MAX_WAIT_SECONDS: Final = 60.0
"""The longest that the service holds a reply, unless it is set otherwise. Seconds."""

HEARTBEAT_SECONDS: Final = 15.0
"""After how much silence a stream says that it is alive, unless it is set otherwise. Seconds."""

BODY_LIMIT_BYTES: Final = 1024 * 1024
"""The largest request body, unless the service is set otherwise. Bytes."""

NESTING_LIMIT: Final = 100
"""How deep objects and arrays of a request body may nest."""

IDENTIFIER_LIMIT: Final = 200
"""The longest id, agent name, idempotency key or metadata key. Characters."""
