"""Reads `.sql` files in which each query has a name and a sentence."""

import re
from importlib.resources import files
from typing import Final

__all__ = ["load_queries"]

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^\s*--.*\n?", re.MULTILINE)


def load_queries(*packages: str) -> dict[str, str]:
    """Read the named queries of some packages.

    Args:
        packages: The packages whose `queries.sql` to read.

    Returns:
        Each query's text by its name, without comments.

    Raises:
        ValueError: If two queries have the same name.

    Example:
        >>> load_queries("moderately.store")["count_agents"]
        'SELECT count(*) FROM agents;'
    """
    queries: dict[str, str] = {}
    for package in packages:
        text = files(package).joinpath("queries.sql").read_text(encoding="utf-8")
        _, *parts = _NAME.split(text)
        for query, body in zip(parts[::2], parts[1::2], strict=True):
            if query in queries:
                raise ValueError(f"there are two queries named {query!r}")
            queries[query] = _COMMENT.sub("", body).strip()
    return queries
