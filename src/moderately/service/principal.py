"""Who is calling."""

from typing import NamedTuple

__all__ = ["Principal"]


class Principal(NamedTuple):
    """Who is calling.

    Attributes:
        team_id: Whose executions it sees.
        key_id: The key that it showed; empty where none is asked for.
    """

    team_id: str
    key_id: str
