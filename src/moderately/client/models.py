"""What the client returns: objects with typed attributes that still behave as dicts."""

from typing import TYPE_CHECKING, Any, ClassVar, Final

from moderately.protocol.vocabulary import TERMINAL_STATUSES, Status

__all__ = ["Agent", "AgentExecution", "ExecutionEvent", "Pagination", "WireObject", "no_client"]

_ENDS: Final = ("completed_at", "failed_at", "cancelled_at")
_STATUSES: Final = frozenset(status.value for status in Status)
_TERMINAL_EVENTS: Final = frozenset(f"execution.{status.value}" for status in TERMINAL_STATUSES)
_SHOWN: Final = 80


class WireObject(dict[str, Any]):
    """A dict whose entries are attributes too. Fields that the client does not know are kept."""

    _SHOWN: ClassVar[tuple[str, ...]] = ()
    """The fields that a person wants to see first."""

    _NAME: ClassVar[str] = ""
    """What it is called, where that is not the name of its class."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"{self._NAME or type(self).__name__} has no attribute {name!r}"
            ) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self if isinstance(name, str))]

    def _summary(self) -> dict[str, str]:
        found = {name: self[name] for name in self._SHOWN if self.get(name) not in (None, {}, [])}
        return {name: _short(repr(value)) for name, value in found.items()}

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value}" for name, value in self._summary().items())
        return f"{self._NAME or type(self).__name__}({fields})"

    def _repr_html_(self) -> str:
        """The same for a notebook, as a table."""
        import html  # noqa: PLC0415 - only notebooks need it

        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self._summary().items()
        )
        return f"<table><caption>{self._NAME or type(self).__name__}</caption>{rows}</table>"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


class AgentExecution(WireObject):
    """One run of an agent on one input.

    Attributes read as `execution.status`, `execution["status"]` or `execution.get("status")`.
    Times are ISO 8601 text in UTC; `timeout_seconds` is in seconds.

    Example:
        >>> execution = AgentExecution({"id": "exec_1", "status": "running"})
        >>> execution.status == execution["status"] == "running"
        True
        >>> execution
        AgentExecution(id='exec_1', status='running')
    """

    _SHOWN = (
        "id",
        "agent_id",
        "status",
        "status_reason",
        "output_data",
        "error",
        "created_at",
    )

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
        """Whether it has ended: as the service says, since it knows every status.

        A service that does not say is judged by the three statuses that end an execution, and by
        the times that only an execution which has ended carries.
        """
        said = self.get("is_terminal")
        if isinstance(said, bool):
            return said
        status = self.get("status")
        if status in _STATUSES:
            return status in TERMINAL_STATUSES
        return any(self.get(name) for name in _ENDS)

    def events(self, *, after: int = 0, timeout: float | None = None, live: bool = False) -> Any:
        """Stream its events: of an execution that a client returned.

        Raises:
            RuntimeError: If it came from no client: it was made by hand, copied, or pickled.
        """
        del after, timeout, live
        raise no_client(self)


def no_client(execution: AgentExecution) -> RuntimeError:
    """The error of an execution that is asked for more than it holds."""
    return RuntimeError(
        f"execution {execution.get('id')} came from no client;"
        " client.agent_executions.stream(id) streams its events"
    )


class ExecutionEvent(WireObject):
    """Something that happened to an execution.

    Attributes:
        execution_id: To which.
        seq: Its number; they count from 1 without a gap. None for one that is live only.
        type: What: `execution.started`, `step.completed`, `log`, `progress`, `custom` and others;
            each has a class of its own in `moderately.client`.
        data: More about it.
        created_at: When, ISO 8601 in UTC.
        after: Of one that is live only: the number of the newest recorded one before it.
        agent_id: On the team's stream: the execution's agent.
        status: On the team's stream: the execution's status once this was on record.
        cursor: On the team's stream: what to give as `after` to go on behind it.

    Example:
        >>> ExecutionEvent({"seq": 3, "type": "execution.completed"}).is_terminal
        True
    """

    _SHOWN = ("seq", "type", "data")

    if TYPE_CHECKING:
        execution_id: str
        seq: int | None
        type: str
        data: Any
        created_at: str
        after: int
        agent_id: str
        status: str
        cursor: str

    @property
    def is_live(self) -> bool:
        """Whether it is live only: never on record, never repeated, and lost if nobody listens."""
        return bool(self.get("is_live"))

    @property
    def is_terminal(self) -> bool:
        """Whether the execution ended with it."""
        return self.get("type") in _TERMINAL_EVENTS


class Agent(WireObject):
    """An agent, as its newest version."""

    _SHOWN = ("id", "version", "description", "is_available")

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


class Pagination(WireObject):
    """Where a page stands among all of them."""

    _SHOWN = ("page", "page_size", "total_items", "total_pages")

    if TYPE_CHECKING:
        page: int
        page_size: int
        total_items: int
        total_pages: int
        has_next_page: bool
        has_previous_page: bool
