"""Lists: builds their two queries, the total and the page, and makes a page of what they find.

SQL comes from the fixed fragments here only; what a caller sends travels as parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from moderately.domain.listing import Cursor, ExecutionList, ListQuery
from moderately.protocol.vocabulary import OrderBy, OrderDirection
from moderately.store.rows import EXECUTION_COLUMNS, read_execution

__all__ = ["Lists", "make_page"]

# The index that holds an order. SQLite would guess well most times; a page must be fast always.
_INDEXES: Final = {
    OrderBy.CREATED_AT: "executions_by_created",
    OrderBy.UPDATED_AT: "executions_by_updated",
    OrderBy.STARTED_AT: "executions_by_started",
    OrderBy.COMPLETED_AT: "executions_by_completed",
    OrderBy.STATUS: "executions_by_status",
    OrderBy.PRIORITY: "executions_by_priority",
}
_FEW: Final = 1000
_METADATA: Final = (
    "id IN (SELECT execution_id FROM execution_metadata"
    " WHERE team_id = ? AND key = ? AND value = ?)"
)
# The keys are found one after the other, since each has its own place in the index.
_LABEL: Final = (
    "id IN (WITH RECURSIVE keys (key, number) AS ("
    "SELECT min(key), 1 FROM execution_metadata WHERE team_id = ?"
    " UNION ALL SELECT (SELECT min(key) FROM execution_metadata WHERE team_id = ?"
    " AND key > keys.key), number + 1 FROM keys WHERE key IS NOT NULL AND number < ?)"
    " SELECT m.execution_id FROM keys CROSS JOIN execution_metadata AS m"
    " WHERE m.team_id = ? AND m.key = keys.key AND m.value >= ? AND m.value < ?)"
)
_MOST_KEYS: Final = 200
_LAST: Final = "\U0010ffff"
_LIGHT_COLUMNS: Final = EXECUTION_COLUMNS.replace("input_data, output_data", "NULL, NULL")


Sql = tuple[str, tuple[Any, ...]]


class Lists:
    """Builds the queries of lists.

    Args:
        queries: The named queries.
        hints: Whether to name the index of each query.
        mark: What stands for a parameter.
    """

    def __init__(self, queries: Mapping[str, str], *, hints: bool, mark: str) -> None:
        self._queries = queries
        self._hints = hints
        self._mark = mark

    def count(self, team_id: str, query: ListQuery) -> Sql:
        """Build the query for the total, with its parameters.

        Args:
            team_id: Whose executions.
            query: What is asked for.
        """
        where, parameters = _where(team_id, query)
        sql = self._fill("count_executions", where=where, index=_filter(query))
        return sql, tuple(parameters)

    def counts(self, team_id: str, query: ListQuery) -> Sql:
        """Build the query for the totals by status, with its parameters.

        Args:
            team_id: Whose executions.
            query: What is asked for, but for the statuses.
        """
        every = replace(query, statuses=())
        where, parameters = _where(team_id, every)
        # Without any other term, the statuses are best counted in their own index.
        is_plain = len(parameters) == 1
        index = "INDEXED BY executions_by_status" if is_plain else _filter(every)
        sql = self._fill("count_matching_by_status", where=where, index=index)
        return sql, tuple(parameters)

    def page(self, team_id: str, query: ListQuery, total: int) -> Sql:
        """Build the query for the page, with its parameters. It takes one row more than a page has.

        Args:
            team_id: Whose executions.
            query: What is asked for.
            total: How many match. Few are found by what they match and sorted then; many are found
                in their order.
        """
        where, parameters = _where(team_id, query)
        order, index = _order(query)
        if _is_narrow(query) or total <= _FEW:
            index = _filter(query)
        offset = (query.page - 1) * query.page_size
        if query.cursor is not None:
            comparison = ">" if query.order_direction is OrderDirection.ASC else "<"
            where += f" AND (created_at, id) {comparison} (?, ?)"
            parameters += [query.cursor.created_at, query.cursor.id]
            offset = 0
        sql = self._fill(
            "list_executions",
            columns=EXECUTION_COLUMNS if query.has_payloads else _LIGHT_COLUMNS,
            where=where,
            order=order,
            index=index,
        )
        return sql, (*parameters, query.page_size + 1, offset)

    def _fill(self, name: str, *, index: str, **fragments: str) -> str:
        sql = self._queries[name].format(index=index if self._hints else "", **fragments)
        return sql.replace("?", self._mark)


def make_page(rows: Sequence[Sequence[Any]], total: int, query: ListQuery) -> ExecutionList:
    """A page of its rows, of which there may be one more than a page has.

    Args:
        rows: The rows of `Lists.page`.
        total: How many match in all.
        query: What was asked for.
    """
    items = [read_execution(row) for row in rows[: query.page_size]]
    more = len(rows) > query.page_size and query.order_by is OrderBy.CREATED_AT
    cursor = Cursor(items[-1].created_at, items[-1].id).encode() if more else None
    return ExecutionList(items, total, cursor)


def _where(team_id: str, query: ListQuery) -> tuple[str, list[Any]]:
    terms = ["team_id = ?"]
    values: list[Any] = [team_id]
    if query.agent_id is not None:
        terms.append("agent_id = ?")
        values.append(query.agent_id)
    if query.statuses:
        terms.append(f"status IN ({', '.join('?' * len(query.statuses))})")
        values += [status.value for status in query.statuses]
    if query.created_after is not None:
        terms.append("created_at > ?")
        values.append(query.created_after)
    if query.created_before is not None:
        terms.append("created_at < ?")
        values.append(query.created_before)
    for key, value in query.metadata.items():
        terms.append(_METADATA)
        values += [team_id, key, value]
    if query.id_prefix is not None:
        terms.append("id >= ? AND id < ?")
        values += [query.id_prefix, query.id_prefix + _LAST]
    if query.id_suffix is not None:
        terms.append("substr(id, length(id) - length(?) + 1) = ?")
        values += [query.id_suffix, query.id_suffix]
    if query.label_prefix is not None:
        terms.append(_LABEL)
        bounds = [query.label_prefix, query.label_prefix + _LAST]
        values += [team_id, team_id, _MOST_KEYS, team_id, *bounds]
    return " AND ".join(terms), values


def _is_narrow(query: ListQuery) -> bool:
    """Whether the labels or the ids say where to look, rather than the indexes of the lists."""
    return bool(query.metadata) or query.id_prefix is not None or query.label_prefix is not None


def _filter(query: ListQuery) -> str:
    if query.id_prefix is not None:
        return "INDEXED BY sqlite_autoindex_executions_1"
    if _is_narrow(query):
        return ""
    if query.agent_id is not None:
        return "INDEXED BY executions_by_agent"
    if query.statuses and query.created_after is None and query.created_before is None:
        return "INDEXED BY executions_by_status"
    return "INDEXED BY executions_by_created"


def _order(query: ListQuery) -> tuple[str, str]:
    direction = query.order_direction.value.upper()
    column = query.order_by.value
    index = _INDEXES[query.order_by]
    if query.agent_id is not None and query.order_by is OrderBy.CREATED_AT:
        index = "executions_by_agent"
    nulls = ""
    if query.order_by in (OrderBy.STARTED_AT, OrderBy.COMPLETED_AT):
        # What has no such time yet counts as the earliest.
        nulls = " NULLS FIRST" if query.order_direction is OrderDirection.ASC else " NULLS LAST"
    return f"{column} {direction}{nulls}, id {direction}", f"INDEXED BY {index}"
