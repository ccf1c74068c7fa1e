"""Reads request bodies strictly: what is not plain JSON (RFC 8259) is refused, by name."""

import json
import math
import re
from typing import Any, Final

from moderately.domain.errors import InvalidRequest
from moderately.protocol.vocabulary import NESTING_LIMIT

__all__ = ["parse_json", "parse_object"]

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_SUSPECT: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class _Refused(ValueError):
    """Something that `json` takes and we do not."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"the name {twice[:80]!r} comes twice in one object")
    return found


def _constant(text: str) -> float:
    raise _Refused(f"{text} is not JSON; send a number, a string or null")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused(f"the number {text[:40]} is too large")
    return number


_decode: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float
).decode


def _refuse(message: str) -> InvalidRequest:
    return InvalidRequest.field("body", message)


def parse_json(raw: bytes) -> Any:
    """Read a JSON text.

    Args:
        raw: UTF-8 bytes.

    Returns:
        The value.

    Raises:
        InvalidRequest: If it is not JSON, or holds what is not taken: NaN, numbers too large for
            a double, a name twice in one object, U+0000, half a surrogate pair, or more than
            `NESTING_LIMIT` levels. The message says what and where.
    """
    if not raw:
        raise _refuse("is empty; send a JSON object")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refuse(f"is not UTF-8: byte {error.start} is wrong") from None
    if raw.count(b"[") + raw.count(b"{") > NESTING_LIMIT:
        _check_depth(raw)
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise _refuse(f"is not JSON: {error.msg.lower()} at {where}") from None
    except _Refused as error:
        raise _refuse(str(error)) from None
    except ValueError:
        raise _refuse("holds an integer with too many digits") from None
    if _SUSPECT.search(raw):
        _check_strings(value, "")
    return value


def parse_object(raw: bytes, known: frozenset[str]) -> dict[str, Any]:
    """Read a JSON object that has no other fields than the known ones.

    Raises:
        InvalidRequest: If it is not one; unknown fields are named.
    """
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise _refuse("must be a JSON object")
    unknown = value.keys() - known
    if unknown:
        names = ", ".join(sorted(known))
        details = [
            {"field": name[:200], "message": f"is not a known field; those are: {names}"}
            for name in sorted(unknown)[:20]
        ]
        shown = ", ".join(repr(detail["field"]) for detail in details)
        raise InvalidRequest(f"Unknown field {shown}.", details=details)  # type: ignore[arg-type]
    return value


def _check_depth(raw: bytes) -> None:
    depth = 0
    for match in _TOKEN.finditer(raw):
        token = match[0]
        if token in b"[{":
            depth += 1
            if depth > NESTING_LIMIT:
                raise _refuse(f"nests deeper than {NESTING_LIMIT} levels")
        elif token in b"]}":
            depth -= 1


def _check_strings(value: Any, path: str) -> None:
    if isinstance(value, str):
        _check_string(value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_strings(item, f"{path}.{index}" if path else str(index))
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_string(name, path or "body")
            _check_strings(item, f"{path}.{name}" if path else name)


def _check_string(text: str, path: str) -> None:
    if "\0" in text:
        raise InvalidRequest.field(path or "body", "holds the character U+0000; leave it out")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest.field(
            path or "body", "holds half a surrogate pair, which is no character"
        ) from None
