"""Checks single values: fields of a body and parameters of a query. Errors name the field."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from moderately.domain.errors import InvalidRequest
from moderately.domain.execution import NewExecution, NewFork
from moderately.domain.listing import Cursor, ListQuery
from moderately.domain.retry import Retry
from moderately.protocol.vocabulary import (
    DEFAULT_PAGE_SIZE,
    IDENTIFIER_LIMIT,
    MAX_PAGE_SIZE,
    OrderBy,
    OrderDirection,
    Status,
)

__all__ = [
    "CREATE_FIELDS",
    "FORK_FIELDS",
    "RESUME_FIELDS",
    "RETRY_FIELDS",
    "Query",
    "list_query",
    "moment",
    "new_execution",
    "new_fork",
    "optional_seconds",
    "optional_text",
    "read_form",
    "statuses",
]

E = TypeVar("E", bound=StrEnum)

RETRY_FIELDS: Final = frozenset({"attempts", "backoff", "factor", "max_backoff", "jitter", "on"})
FORK_FIELDS: Final = frozenset({"from_step", "input_data", "metadata"})
RESUME_FIELDS: Final = frozenset(
    {"wait", "value", "approved", "arguments", "reason", "outcome", "result"}
)
MAX_PRIORITY: Final = 100
MAX_TIMEOUT_SECONDS: Final = 366 * 24 * 3600
MAX_STEPS: Final = 1_000_000
METADATA_LIMIT: Final = 64
METADATA_VALUE_LIMIT: Final = 1000
MAX_PAGE: Final = 10**9
_DIGITS: Final = 16
_MOST_PARAMETERS: Final = 250
_MOST_FIELDS: Final = 2000
_LAST_MOMENT: Final = 253_402_300_799_000_000
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def new_execution(body: Mapping[str, Any], now: int) -> NewExecution:
    """What a create asks for, from its body.

    Args:
        body: The body.
        now: The time, in microseconds, for a delay to count from.

    Raises:
        InvalidRequest: If a field is wrong; `details` names each wrong one.
    """
    wrong: list[InvalidRequest] = []
    fields: dict[str, Any] = {}
    for name, read in _READERS.items():
        if name in body or name == "agent_id":
            try:
                fields[name] = read(body.get(name), name)
            except InvalidRequest as error:
                wrong.append(error)
    at, delay = fields.get("run_at"), fields.pop("delay_seconds", None)
    if at is not None and delay is not None:
        wrong.append(InvalidRequest.field("delay_seconds", "cannot go with run_at; send one"))
    if wrong:
        details = [detail for error in wrong for detail in error.details]
        raise InvalidRequest(" ".join(f"{error.message}." for error in wrong), details=details)
    if delay is not None:
        at = now + int(delay * 1_000_000)
    fields["run_at"] = at if at is not None and at > now else None
    return NewExecution(**fields)


def _time(value: Any, name: str) -> int | None:
    if value is not None and not isinstance(value, str):
        raise InvalidRequest.field(name, "must be a string: a time with its offset")
    at = moment(value, name)
    if at is not None and not 0 <= at <= _LAST_MOMENT:
        raise InvalidRequest.field(name, "must be a time between 1970 and 9999")
    return at


def _retry(value: Any, name: str) -> Retry | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidRequest.field(name, "must be an object")
    for key, given in value.items():
        if key not in RETRY_FIELDS:
            known = ", ".join(sorted(RETRY_FIELDS))
            raise InvalidRequest.field(f"{name}.{key}"[:200], f"is unknown; {known} are known")
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if key == "on":
            if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
                raise InvalidRequest.field(f"{name}.on", "must be a list of exception names")
        elif not is_number or (key == "attempts" and not _is_integer(given)):
            raise InvalidRequest.field(f"{name}.{key}", "must be a number")
    try:
        fields = {key: int(given) if key == "attempts" else given for key, given in value.items()}
        return Retry.from_json(fields)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest.field(name, str(error)) from None


def new_fork(body: Mapping[str, Any]) -> NewFork:
    """What a fork asks for, from its body.

    Raises:
        InvalidRequest: If a field is wrong.
    """
    metadata = body.get("metadata")
    return NewFork(
        from_step=_steps(body.get("from_step"), "from_step"),
        input_data=_input(body.get("input_data"), "input_data"),
        metadata=None if metadata is None else _metadata(metadata, "metadata"),
    )


def _identifier(value: Any, name: str) -> str:
    if value is None:
        raise InvalidRequest.field(name, "is required: a string")
    found = optional_text(value, name)
    if not found:
        raise InvalidRequest.field(name, "must not be empty")
    return found


def optional_text(value: Any, name: str, limit: int = IDENTIFIER_LIMIT) -> str | None:
    """A string of some characters at most, or None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidRequest.field(name, "must be a string")
    if len(value) > limit:
        raise InvalidRequest.field(name, f"has {len(value)} characters; {limit} is the most")
    return value


def _input(value: Any, name: str) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise InvalidRequest.field(name, "must be an object")
    return value


def _metadata(value: Any, name: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest.field(name, "must be an object of strings")
    if len(value) > METADATA_LIMIT:
        raise InvalidRequest.field(name, f"has {len(value)} labels; {METADATA_LIMIT} is the most")
    for key, label in value.items():
        if not 0 < len(key) <= IDENTIFIER_LIMIT:
            raise InvalidRequest.field(name, f"a key has 1 to {IDENTIFIER_LIMIT} characters")
        if not isinstance(label, str) or len(label) > METADATA_VALUE_LIMIT:
            raise InvalidRequest.field(
                f"{name}.{key}", f"must be a string of {METADATA_VALUE_LIMIT} characters at most"
            )
    return value


def _is_integer(value: Any) -> bool:
    # JSON has one kind of number: 1.0 is an integer, true is none.
    return isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)


def _priority(value: Any, name: str) -> int:
    if value is None:
        return 0
    if not _is_integer(value) or abs(value) > MAX_PRIORITY:
        raise InvalidRequest.field(
            name, f"must be an integer from {-MAX_PRIORITY} to {MAX_PRIORITY}"
        )
    return int(value)


def _timeout(value: Any, name: str) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= MAX_TIMEOUT_SECONDS:
        raise InvalidRequest.field(
            name, f"must be a number of seconds above 0, {MAX_TIMEOUT_SECONDS} at most"
        )
    return float(value)


def _steps(value: Any, name: str) -> int | None:
    if value is None:
        return None
    if not _is_integer(value) or not 1 <= value <= MAX_STEPS:
        raise InvalidRequest.field(name, f"must be an integer from 1 to {MAX_STEPS}")
    return int(value)


def optional_seconds(text: str | None, name: str) -> float | None:
    """A number of seconds, 0 or more, or None."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (0 <= seconds < math.inf) or not text.isascii() or "_" in text:
        raise InvalidRequest.field(name, "must be a number of seconds, 0 or more")
    return seconds


# In the order in which wrong ones are named.
_READERS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "agent_id": _identifier,
    "input_data": _input,
    "metadata": _metadata,
    "priority": _priority,
    "timeout_seconds": _timeout,
    "max_steps": _steps,
    "retry": _retry,
    "run_at": _time,
    "delay_seconds": _timeout,
    "concurrency_key": optional_text,
}
CREATE_FIELDS: Final = frozenset(_READERS) | {"idempotency_key"}


def _pairs(raw: bytes, name: str, most: int) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=most
        )
    except ValueError:
        raise InvalidRequest.field(
            name, f"is not percent-encoded UTF-8, or has over {most} parameters"
        ) from None
    values: dict[str, list[str]] = {}
    for key, value in pairs:
        if "\0" in key or "\0" in value:
            raise InvalidRequest.field(key.replace("\0", ""), "holds the character U+0000")
        values.setdefault(key, []).append(value)
    return values


def read_form(raw: bytes) -> dict[str, list[str]]:
    """The fields of a form (`application/x-www-form-urlencoded`), with all their values.

    Raises:
        InvalidRequest: If it is not UTF-8, or has too many fields.
    """
    return _pairs(raw, "form", _MOST_FIELDS)


class Query:
    """A query's parameters, each read once. `done` refuses what nobody has read.

    Args:
        raw: The query string.

    Raises:
        InvalidRequest: If it is not UTF-8, or too many.
    """

    def __init__(self, raw: bytes) -> None:
        self._values = _pairs(raw, "query", _MOST_PARAMETERS) if raw else {}

    def many(self, name: str) -> list[str]:
        """All values of a parameter."""
        return self._values.pop(name, [])

    def one(self, name: str) -> str | None:
        """The value of a parameter; None if it is missing."""
        values = self.many(name)
        if len(values) > 1:
            raise InvalidRequest.field(name, f"comes {len(values)} times; send it once")
        return values[0] if values else None

    def prefixed(self, prefix: str) -> dict[str, str]:
        """All parameters whose names begin so, without the prefix."""
        names = [name for name in self._values if name.startswith(prefix) and name != prefix]
        return {name[len(prefix) :]: self.one(name) or "" for name in names}

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """An integer between two bounds."""
        text = self.one(name)
        if text is None:
            return default
        digits = text.removeprefix("-")
        is_integer = digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS
        if not is_integer or not low <= int(text) <= high:
            raise InvalidRequest.field(name, f"must be an integer from {low} to {high}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether something is wanted: `true`, or `false`, as when nothing is said."""
        text = self.one(name)
        if text not in (None, "true", "false"):
            raise InvalidRequest.field(name, "must be true or false")
        return text == "true"

    def choice(self, name: str, default: E) -> E:
        """One of a vocabulary's words."""
        text = self.one(name)
        return default if text is None else _word(type(default), text, name)

    def done(self) -> None:
        """Refuse what is left. `teamIds` is let through: the key says which team it is."""
        self._values.pop("teamIds", None)
        if self._values:
            details = [
                {"field": name[:200], "message": "is not a parameter of this operation"}
                for name in sorted(self._values)[:20]
            ]
            shown = ", ".join(repr(detail["field"]) for detail in details)
            raise InvalidRequest(f"Unknown parameter {shown}.", details=details)  # type: ignore[arg-type]


def _word(words: type[E], text: str, name: str) -> E:
    try:
        return words(text)
    except ValueError:
        known = ", ".join(word.value for word in words)
        raise InvalidRequest.field(name, f"must be one of {known}") from None


def statuses(query: Query) -> tuple[Status, ...]:
    """The statuses that a query names, each once."""
    return tuple(dict.fromkeys(_word(Status, s, "status") for s in query.many("status")))


def list_query(query: Query) -> ListQuery:
    """What a list asks for, from its query.

    Raises:
        InvalidRequest: If a parameter is wrong or unknown.
    """
    cursor = query.one("cursor")
    found = ListQuery(
        agent_id=optional_text(query.one("agent_id"), "agent_id"),
        statuses=statuses(query),
        created_after=moment(query.one("created_after"), "created_after"),
        created_before=moment(query.one("created_before"), "created_before"),
        metadata=query.prefixed("metadata."),
        order_by=query.choice("order_by", OrderBy.CREATED_AT),
        order_direction=query.choice("order_direction", OrderDirection.DESC),
        page=query.integer("page", 1, 1, MAX_PAGE),
        page_size=query.integer("page_size", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE),
        cursor=None if cursor is None else Cursor.decode(cursor),
    )
    query.done()
    if found.cursor is not None and found.page != 1:
        raise InvalidRequest.field("page", "cannot go with cursor; send one of the two")
    if found.cursor is not None and found.order_by is not OrderBy.CREATED_AT:
        raise InvalidRequest.field("order_by", "must be created_at where a cursor is given")
    return found


def moment(text: str | None, name: str) -> int | None:
    """A time in microseconds, or None.

    Raises:
        InvalidRequest: If it is none, or has no offset.
    """
    if text is None:
        return None
    try:
        # Integers throughout: a float of this size is off by some tenths of a microsecond.
        since = datetime.fromisoformat(text) - _EPOCH
    except (TypeError, ValueError, OverflowError):
        # TypeError: the time has no offset.
        raise InvalidRequest.field(
            name, "must be a time with its offset, such as 2026-01-31T12:00:00Z"
        ) from None
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
