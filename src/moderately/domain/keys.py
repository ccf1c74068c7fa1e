"""Keys: who may speak for a team."""

from dataclasses import dataclass

__all__ = ["Key"]


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, without its secret: that is shown once and stored as a hash only.

    Attributes:
        id: Its id (`key_…`), by which it is revoked.
        name: What it is for.
        team_id: The team that it speaks for.
        prefix: The first characters of the secret, to tell keys apart by.
        created_at: When it was made, in microseconds.
        revoked_at: When it was revoked, in microseconds; None while it is good.
        last_used_at: When it was used last, in microseconds and to the minute; None if never.
    """

    id: str
    name: str
    team_id: str
    prefix: str
    created_at: int
    revoked_at: int | None = None
    last_used_at: int | None = None
