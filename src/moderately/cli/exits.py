"""Exit codes, and how an error becomes one."""

from enum import IntEnum
from typing import Final

from moderately.client import (
    APIConnectionError,
    AuthenticationError,
    ConflictError,
    ModeratelyError,
    NotFoundError,
    PermissionDeniedError,
    TimeoutError,  # noqa: A004
    UnprocessableEntityError,
    ValidationError,
)

__all__ = ["EXITS_HELP", "Exit", "Stop", "exit_of", "exit_of_status"]


class Exit(IntEnum):
    """What the command says to scripts."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    TIMEOUT = 4
    CONNECTION = 5
    NOT_FOUND = 6
    AUTHENTICATION = 7
    CONFLICT = 8
    UNEXPECTED = 70
    INTERRUPTED = 130


EXITS_HELP: Final = (
    "Exit codes: 0 completed, 1 failed, 2 usage, 3 cancelled, 4 timeout, 5 connection,"
    " 6 not found, 7 authentication, 8 conflict, 70 unexpected, 130 interrupted."
)


class Stop(Exception):
    """The command ends here, with a message for people and a code for scripts."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


_CODES: Final[tuple[tuple[type[ModeratelyError], Exit], ...]] = (
    (TimeoutError, Exit.TIMEOUT),
    (APIConnectionError, Exit.CONNECTION),
    (AuthenticationError, Exit.AUTHENTICATION),
    (PermissionDeniedError, Exit.AUTHENTICATION),
    (NotFoundError, Exit.NOT_FOUND),
    (ConflictError, Exit.CONFLICT),
    (UnprocessableEntityError, Exit.CONFLICT),
    (ValidationError, Exit.USAGE),
)
_STATUSES: Final = {
    "completed": Exit.COMPLETED,
    "failed": Exit.FAILED,
    "cancelled": Exit.CANCELLED,
}


def exit_of(error: ModeratelyError) -> Exit:
    """The code for an error of the client."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILED)


def exit_of_status(status: str) -> Exit:
    """The code for an execution's status; one that goes on counts as completed."""
    return _STATUSES.get(status, Exit.COMPLETED)
