"""Reads `.sql` files in which each query has a name and a sentence."""

import re
from importlib.resources import files
from typing import Final

__all__ = ["load_queries"]

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^\s*--.*\n?", re.MULTILINE)


def load_queries(package: str, name: str = "queries.sql") -> dict[str, str]:
    """Read the named queries of a package.

    Args:
        package: The package that the file lies in.
        name: The file.

    Returns:
        Each query's text by its name, without comments.

    Raises:
        ValueError: If two queries have the same name.

    Example:
        >>> load_queries("moderately.store.sqlite")["count_agents"]
        'SELECT count(*) FROM agents;'
    """
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    queries: dict[str, str] = {}
    for query, body in zip(parts[::2], parts[1::2], strict=True):
        if query in queries:
            raise ValueError(f"{name} has two queries named {query!r}")
        queries[query] = _COMMENT.sub("", body).strip()
    return queries
