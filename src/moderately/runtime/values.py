"""Values as the journal keeps them: JSON in and out, fingerprints, and exceptions on record."""

import hashlib
import importlib
import json
import sys
import traceback
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

__all__ = [
    "ChildFailed",
    "JournalMismatch",
    "NotJson",
    "StepFailed",
    "as_json",
    "as_returned",
    "error_of",
    "exception_of",
    "fingerprint",
    "mark",
    "step_of",
]

_MESSAGE_LIMIT: Final = 10_000
_CHAIN_LIMIT: Final = 20
_MARK: Final = "__moderately_step__"
_encode: Final = json.JSONEncoder(allow_nan=False).encode


class JournalMismatch(Exception):
    """The agent takes another step than its record says: its code has changed."""


class NotJson(TypeError):
    """A step's result is not JSON, so that it cannot be recorded. Not worth another attempt."""


class StepFailed(Exception):
    """A step failed in an earlier attempt, with an exception whose class is not known here."""


class ChildFailed(Exception):
    """An execution that this one has started did not complete."""


def as_json(value: Any, what: str) -> Any:
    """Make a value what its JSON reads back as.

    Pydantic models, dataclasses, dates and the like become JSON as Pydantic does it.

    Args:
        value: Any value.
        what: What it is, for the error.

    Raises:
        ValueError: If it is not JSON: an unknown type, a NaN, too deep or in circles.
    """
    try:
        plain = to_jsonable_python(value, inf_nan_mode="constants")
        _encode(plain)
    except (PydanticSerializationError, ValueError, RecursionError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{what} is not JSON: {reason}") from None
    return plain


def as_returned(fn: Callable[..., Any], value: Any) -> Any:
    """Make of a recorded result what the function says it returns.

    Raises:
        JournalMismatch: If it does not fit.
    """
    try:
        returns = typing.get_type_hints(fn, include_extras=True).get("return", Any)
        return TypeAdapter(returns).validate_python(value)
    except ValidationError as error:
        raise JournalMismatch(f"its recorded result no longer fits its type: {error}") from None
    except (NameError, TypeError, AttributeError):
        return value


def fingerprint(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """A digest of arguments; of those that are no JSON, their types only. Empty without any."""
    if not args and not kwargs:
        return ""
    plain = to_jsonable_python(
        [list(args), dict(kwargs)], fallback=lambda value: f"<{type(value).__qualname__}>"
    )
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def error_of(error: BaseException) -> dict[str, Any]:
    """What to record of an exception."""
    found: dict[str, Any] = {
        "type": type(error).__qualname__,
        "module": type(error).__module__,
        "message": str(error)[:_MESSAGE_LIMIT],
        "traceback": "".join(traceback.format_exception(error))[-_MESSAGE_LIMIT:],
    }
    if all(isinstance(arg, str | int | float | bool | None) for arg in error.args):
        found["args"] = [a[:_MESSAGE_LIMIT] if isinstance(a, str) else a for a in error.args]
    return found


def exception_of(record: Mapping[str, Any], step_id: str) -> Exception:
    """Make the exception that was recorded, or a `StepFailed` where its class is not known here."""
    known = {"ChildFailed": ChildFailed, "TimeoutError": TimeoutError}
    kind: Any = known.get(record["type"]) or _class_of(record)
    error: Exception | None = None
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            error = kind(*record.get("args", [record["message"]]))
        except Exception:  # noqa: BLE001 - it takes other arguments
            error = None
    if error is None:
        error = StepFailed(f"{record['type']}: {record['message']}")
    return mark(error, step_id)


def _class_of(record: Mapping[str, Any]) -> Any:
    name = record.get("module", "builtins")
    try:
        found: Any = sys.modules.get(name) or importlib.import_module(name)
        for part in record["type"].split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found


def mark(error: Exception, step_id: str) -> Exception:
    """Note whose failure an exception is."""
    try:
        setattr(error, _MARK, step_id)
    except (AttributeError, TypeError):
        return error
    return error


def step_of(error: BaseException | None) -> str | None:
    """The step whose failure an exception is, or was raised because of."""
    for _ in range(_CHAIN_LIMIT):
        if error is None:
            return None
        if (step_id := getattr(error, _MARK, None)) is not None:
            return str(step_id)
        if isinstance(error, BaseExceptionGroup):
            found = [step_of(one) for one in error.exceptions]
            return next((step_id for step_id in found if step_id is not None), None)
        error = error.__cause__ or error.__context__
    return None
