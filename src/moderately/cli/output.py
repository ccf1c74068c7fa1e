"""What people and programs get to see."""

import json
import sys
from datetime import UTC, datetime
from functools import cache
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 400

__all__ = ["complain", "console", "note", "plain", "print_json", "print_table", "since"]


@cache
def console(*, stderr: bool = False) -> Console:
    """The terminal, or whatever stands in for it, which has all the width that a table wants."""
    found = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not found.is_terminal:
        found.width = _WIDE
    return found


def plain(value: object) -> str:
    """Text that cannot act on a terminal: control characters are shown as escapes."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else f"\\x{ord(character):02x}"
        for character in str(value)
    )


def note(text: str) -> None:
    """Tell people something beside the result."""
    console(stderr=True).print(Text(plain(text)))


def complain(message: str) -> None:
    """Tell people what went wrong."""
    console(stderr=True).print(Text.assemble(("error: ", "bold red"), plain(message)))


def print_json(value: Any) -> None:
    """Print one JSON document for programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=not _is_utf8()) + "\n")
    sys.stdout.flush()


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def print_table(columns: list[str], rows: list[list[object]]) -> None:
    """Print a table for people."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(plain("" if cell is None else cell)) for cell in row))
    console().print(table)


def since(moment: str | None, until: str | None = None) -> str:
    """How long it is from one moment to another, or until now."""
    if moment is None:
        return ""
    start = datetime.fromisoformat(moment)
    end = datetime.fromisoformat(until) if until else datetime.now(UTC)
    seconds = max(0.0, (end - start).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.1f}s"
