"""Writes a unit of work: a few statements for all of its rows."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from moderately.store.rows import (
    changed_row,
    commit_row,
    event_row,
    execution_row,
    step_row,
)
from moderately.store.unit import Unit

__all__ = ["Flush", "Statement"]

_LARGEST: Final = 64


class Statement(NamedTuple):
    """A statement, its parameters, and how many rows it must write; any number when None."""

    sql: str
    parameters: Sequence[Any]
    rows: int | None


class Bulk:
    """A query with `{rows}`, for any number of rows.

    Args:
        sql: The query.
    """

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._texts: dict[tuple[int, int], str] = {}

    def statements(self, rows: Sequence[Sequence[Any]]) -> Iterator[Statement]:
        """The statements that write these rows.

        There are no more texts than powers of two, so that SQLite need not compile each anew.
        """
        start = 0
        while start < len(rows):
            size = min(_LARGEST, len(rows) - start)
            chunk = rows[start : start + size]
            start += size
            width = len(chunk[0])
            sql = self._texts.get((size, width))
            if sql is None:
                row = f"({', '.join('?' * width)})"
                sql = self._sql.replace("{rows}", ", ".join([row] * size))
                self._texts[size, width] = sql
            flat = chunk[0] if size == 1 else [value for row in chunk for value in row]
            yield Statement(sql, flat, size)


_BULKS: Final = (
    "insert_executions",
    "update_executions",
    "insert_metadata",
    "insert_idempotency_keys",
    "insert_events",
    "write_steps",
    "insert_blobs",
    "write_rates",
)


class Flush:
    """Makes the statements of a unit.

    Args:
        queries: The named queries.
    """

    def __init__(self, queries: dict[str, str]) -> None:
        self._queries = queries
        self._bulks = {name: Bulk(queries[name]) for name in _BULKS}

    def __call__(self, unit: Unit) -> list[Statement]:
        """All statements, in an order that foreign keys allow."""
        found: list[Statement] = []
        keys = [(*key, *value) for key, value in unit.keys.items()]
        self._add(found, "insert_executions", [execution_row(e) for e in unit.inserted.values()])
        self._add(
            found, "update_executions", [changed_row(*pair) for pair in unit.updated.values()]
        )
        self._add(found, "insert_metadata", unit.labels)
        self._add(found, "insert_idempotency_keys", keys)
        self._add(found, "insert_events", [event_row(event) for event in unit.events])
        if unit.events:
            found.append(Statement(self._queries["insert_commit"], commit_row(unit), 1))
        for dropped in unit.dropped:
            found.append(Statement(self._queries["delete_step"], dropped, None))
            found.append(Statement(self._queries["delete_blob"], dropped, None))
        if unit.steps:
            self._add_steps(found, unit)
        for source, target, before in unit.copies:
            copied = (target, source, before)
            found.append(Statement(self._queries["copy_steps"], copied, None))
            found.append(Statement(self._queries["copy_blobs"], (target, source, target), None))
        self._add(found, "write_rates", list(unit.arrivals.items()))
        return found

    def _add_steps(self, found: list[Statement], unit: Unit) -> None:
        rows, blobs = [], []
        for (execution_id, step_id), step in unit.steps.items():
            row, blob = step_row(execution_id, step)
            rows.append(row)
            if blob is not None:
                blobs.append((execution_id, step_id, blob))
        self._add(found, "write_steps", rows)
        self._add(found, "insert_blobs", blobs)

    def _add(self, found: list[Statement], name: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            found += self._bulks[name].statements(rows)
