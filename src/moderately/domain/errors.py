"""What the use cases refuse, and why.

DomainError
├── InvalidRequest          what the caller sent is wrong; `details` names each field
├── Unauthenticated         no key, or not a valid one
├── NotFound                no such thing for this team
│   ├── AgentNotFound
│   └── ExecutionNotFound
├── Conflict                the thing is not in a state for that
│   ├── ExecutionTerminal       already ended; carries the execution
│   └── ExecutionNotTerminal    not ended yet
├── IdempotencyKeyReused    the same key came with another body
└── Unavailable             the store or the service cannot do it now; try again later

IllegalTransition and FencedOut are for the core's own use: no caller of the API meets them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moderately.protocol.problems import Code, Detail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moderately.domain.execution import Execution

__all__ = [
    "AgentNotFound",
    "Conflict",
    "CursorReset",
    "DomainError",
    "ExecutionNotFound",
    "ExecutionNotTerminal",
    "ExecutionTerminal",
    "FencedOut",
    "Forbidden",
    "IdempotencyKeyReused",
    "IllegalTransition",
    "InvalidRequest",
    "NotFound",
    "Unauthenticated",
    "Unavailable",
]


class DomainError(Exception):
    """The base of all that is refused.

    Attributes:
        code: Stable and machine-readable.
        message: One sentence for a person, with what to do next.
        details: One entry per wrong field.
    """

    code: Code = Code.INTERNAL

    def __init__(self, message: str, *, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details)


class InvalidRequest(DomainError):
    """The request is wrong; `details` names each field and the fix."""

    code = Code.INVALID_REQUEST

    @classmethod
    def field(cls, field: str, message: str) -> InvalidRequest:
        """A refusal of one field."""
        return cls(f"{field}: {message}", details=[{"field": field, "message": message}])


class Unauthenticated(DomainError):
    """There is no key, or it is unknown or revoked."""

    code = Code.UNAUTHENTICATED


class NotFound(DomainError):
    """There is no such thing for this team."""

    code = Code.NOT_FOUND


class AgentNotFound(NotFound):
    """There is no such agent."""

    code = Code.AGENT_NOT_FOUND


class ExecutionNotFound(NotFound):
    """There is no such execution in this team."""

    code = Code.EXECUTION_NOT_FOUND


class Conflict(DomainError):
    """The thing is not in a state for that."""

    code = Code.CONFLICT


class ExecutionTerminal(Conflict):
    """The execution has ended already.

    Attributes:
        execution: The execution as it ended.
    """

    code = Code.EXECUTION_TERMINAL

    def __init__(self, execution: Execution) -> None:
        super().__init__(
            f"Execution {execution.id} is already {execution.status.value}, which is final."
        )
        self.execution = execution


class ExecutionNotTerminal(Conflict):
    """The execution has not ended yet."""

    code = Code.EXECUTION_NOT_TERMINAL


class IdempotencyKeyReused(DomainError):
    """An idempotency key came a second time, with another body."""

    code = Code.IDEMPOTENCY_KEY_REUSED


class Unavailable(DomainError):
    """It cannot be done now.

    Attributes:
        retry_after: When to try again, in seconds.
    """

    code = Code.UNAVAILABLE

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(DomainError):
    """Whoever asks may not, whatever key there is."""

    code = Code.FORBIDDEN


class CursorReset(DomainError):
    """A cursor stands for nothing in this database: it was restored, or what it meant is pruned.

    Attributes:
        cursor: The newest one, to go on from.
    """

    code = Code.CURSOR_RESET

    def __init__(self, cursor: str) -> None:
        super().__init__(
            "This database does not know the cursor: it was restored from a backup, or has pruned"
            " what the cursor stood for. Look at the executions anew, and go on from the cursor"
            " that comes with this."
        )
        self.cursor = cursor


class IllegalTransition(Exception):
    """The lifecycle has no such transition: the command does not apply to the state."""


class FencedOut(Exception):
    """A run wrote with a token that is no longer the execution's: another run owns it, or none."""
