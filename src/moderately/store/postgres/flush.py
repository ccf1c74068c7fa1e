"""Writes a unit of work: one statement for all of its rows.

The statement is a `WITH` of as many parts as there are tables to write. It is a transaction of its
own, and goes to the server and back once.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from moderately.store.rows import (
    changed_row,
    commit_row,
    event_row,
    execution_row,
    step_row,
)
from moderately.store.unit import Unit

__all__ = ["Flush", "Statement"]

Statement = tuple[str, tuple[Any, ...]]

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode

# The names and types that a query gives to the rows of its parameter.
_COLUMNS: Final = re.compile(r"AS (?:new|wanted) \(([^)]*)\)")


class Flush:
    """Makes the statements of a unit.

    Args:
        queries: The named queries.
    """

    def __init__(self, queries: dict[str, str]) -> None:
        self._queries = queries
        self._texts: dict[tuple[str, ...], str] = {}
        self._columns = {
            name: [column.split()[0] for column in match[1].split(",")]
            for name, sql in queries.items()
            if (match := _COLUMNS.search(sql))
        }

    def __call__(self, unit: Unit) -> list[Statement]:
        """The statements that write a unit: one, but for journals that are shared or cut."""
        statements: list[Statement] = []
        for dropped in unit.dropped:
            statements.append((self._queries["delete_step"], dropped))
            statements.append((self._queries["delete_blob"], dropped))
        parts = [
            (name, _document(self._columns[name], rows)) for name, rows in _tables(unit) if rows
        ]
        if parts:
            names = [name for name, _ in parts]
            parameters: list[Any] = [document for _, document in parts]
            guard = [len(unit.updated)] if unit.updated else []
            if unit.events:
                names.append("insert_commit" if guard else "insert_first_commit")
                parameters += [*commit_row(unit), *guard]
            statements.append((self._text(tuple(names)), (*parameters, *guard)))
        for source, target, before in unit.copies:
            statements.append((self._queries["copy_steps"], (target, source, before)))
            statements.append((self._queries["copy_blobs"], (target, source, target)))
        return statements

    def _text(self, names: tuple[str, ...]) -> str:
        text = self._texts.get(names)
        if text is None:
            parts = ",\n".join(self._queries[name] for name in names)
            end = "SELECT 1"
            if "update_executions" in names:
                end = "SELECT expect_rows((SELECT count(*) FROM updated), %s::bigint)"
            text = self._texts[names] = f"WITH {parts}\n{end}"
        return text


def _tables(unit: Unit) -> list[tuple[str, Sequence[Sequence[Any]]]]:
    """The rows to write, by the query that writes them."""
    steps = [(owner, step_row(owner, step)) for (owner, _), step in unit.steps.items()]
    return [
        ("insert_executions", [execution_row(one) for one in unit.inserted.values()]),
        ("update_executions", [changed_row(*pair) for pair in unit.updated.values()]),
        ("insert_metadata", unit.labels),
        ("insert_idempotency_keys", [(*key, *value) for key, value in unit.keys.items()]),
        ("insert_events", [event_row(event) for event in unit.events]),
        ("write_steps", [row for _, (row, _) in steps]),
        ("insert_blobs", [(owner, row[1], blob) for owner, (row, blob) in steps if blob]),
        ("write_rates", list(unit.arrivals.items())),
    ]


def _document(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    document = _encode(objects)
    if "\\u0000" in document or "\\ud" in document:
        # A name that an agent's code has given may hold what PostgreSQL's text cannot.
        document = _encode([{key: _clean(value) for key, value in one.items()} for one in objects])
    return document


def _clean(value: Any) -> Any:
    """A value without U+0000 and halves of surrogate pairs. Payloads hold these escaped."""
    if not isinstance(value, str):
        return value
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\ufffd")
