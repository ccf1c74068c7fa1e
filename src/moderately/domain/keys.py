"""Keys: who may speak for a team, and the port of what holds them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Key", "KeyStore"]


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


class KeyStore(Protocol):
    """Holds the keys. Apart from `Store`, since the operator reaches it while a service runs."""

    async def add_key(self, key: Key, digest: str) -> None:
        """Record a key under the digest of its secret."""
        ...

    async def find_key(self, digest: str) -> Key | None:
        """The key with this digest, revoked or not."""
        ...

    async def keys(self) -> Sequence[Key]:
        """All keys, oldest first."""
        ...

    async def good_keys(self, key_ids: Collection[str]) -> Collection[str]:
        """Those of some keys that are there and not revoked."""
        ...

    async def revoke_key(self, key_id: str) -> Key | None:
        """Revoke a key now, if it is not yet; None if there is no such key."""
        ...

    async def touch_key(self, key_id: str) -> None:
        """Note that a key was used just now."""
        ...
