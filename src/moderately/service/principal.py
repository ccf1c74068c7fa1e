"""Who is calling."""

from typing import Final, NamedTuple

__all__ = ["Principal", "shown"]

_SHOWN_ID: Final = 80


class Principal(NamedTuple):
    """Who is calling.

    Attributes:
        team_id: Whose executions it sees.
        key_id: The key that it showed; empty where none is asked for.
    """

    team_id: str
    key_id: str


def shown(name: str) -> str:
    """A name that a caller sent, as it is quoted back."""
    return repr(name if len(name) <= _SHOWN_ID else name[:_SHOWN_ID] + "…")
