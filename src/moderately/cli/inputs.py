"""Reads what the user gives: inputs as JSON, labels as pairs."""

import json
import sys
from pathlib import Path
from typing import Any

from moderately.cli.exits import Exit, Stop

__all__ = ["read_input", "read_labels"]


def read_input(given: str | None) -> dict[str, Any] | None:
    """An input: JSON as it is, `@file`, or `-` for standard input.

    Raises:
        Stop: If it cannot be read, or is not a JSON object.
    """
    if given is None:
        return None
    text, where = given, "--input"
    if given == "-":
        text, where = sys.stdin.read(), "standard input"
    elif given.startswith("@"):
        where = given[1:]
        try:
            text = Path(where).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise Stop(f"cannot read {where}: {reason}", Exit.USAGE) from None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError):
            reason = f"{error.msg.lower()} at line {error.lineno} column {error.colno}"
        else:
            reason = str(error)
        raise Stop(f"{where} is not JSON: {reason}", Exit.USAGE) from None
    if not isinstance(value, dict):
        raise Stop(f'{where} must be a JSON object, such as \'{{"question": "Why?"}}\'', Exit.USAGE)
    return value


def read_labels(given: list[str], option: str = "--metadata") -> dict[str, str]:
    """Labels from `key=value` pairs.

    Args:
        given: The pairs.
        option: What they were given with.

    Raises:
        Stop: If one is no pair.
    """
    labels = {}
    for pair in given:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise Stop(f"{option} takes key=value; {pair!r} is none", Exit.USAGE)
        labels[key] = value
    return labels
