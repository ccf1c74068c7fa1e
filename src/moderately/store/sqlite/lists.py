"""Builds the two queries of a list: the total and the page.

SQL comes from the fixed fragments here only; what a caller sends travels as parameters.
"""

from typing import Any, Final

from moderately.domain.listing import ListQuery
from moderately.protocol.vocabulary import OrderBy, OrderDirection
from moderately.store.sqlite.rows import EXECUTION_COLUMNS

__all__ = ["build_count", "build_page"]

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


Sql = tuple[str, tuple[Any, ...]]


def build_count(queries: dict[str, str], team_id: str, query: ListQuery) -> Sql:
    """Build the query for the total, with its parameters.

    Args:
        queries: The named queries.
        team_id: Whose executions.
        query: What is asked for.
    """
    where, parameters = _where(team_id, query)
    return queries["count_executions"].format(where=where, index=_filter(query)), tuple(parameters)


def build_page(queries: dict[str, str], team_id: str, query: ListQuery, total: int) -> Sql:
    """Build the query for the page, with its parameters. It takes one row more, to see if there is.

    Args:
        queries: The named queries.
        team_id: Whose executions.
        query: What is asked for.
        total: How many match. Few are found by what they match and sorted then; many are found in
            their order.
    """
    where, parameters = _where(team_id, query)
    order, index = _order(query)
    if query.metadata or total <= _FEW:
        index = _filter(query)
    offset = (query.page - 1) * query.page_size
    if query.cursor is not None:
        comparison = ">" if query.order_direction is OrderDirection.ASC else "<"
        where += f" AND (created_at, id) {comparison} (?, ?)"
        parameters += [query.cursor.created_at, query.cursor.id]
        offset = 0
    page = queries["list_executions"].format(
        columns=EXECUTION_COLUMNS, where=where, order=order, index=index
    )
    return page, (*parameters, query.page_size + 1, offset)


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
    return " AND ".join(terms), values


def _filter(query: ListQuery) -> str:
    if query.metadata:
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
    return f"{column} {direction}, id {direction}", f"INDEXED BY {index}"
