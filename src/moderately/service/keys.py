"""Keys: random, shown once, stored as a digest, each for one team."""

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from moderately.domain.errors import InvalidRequest, Unauthenticated
from moderately.domain.ids import ENTROPY_BYTES, new_id
from moderately.domain.keys import Key, KeyStore
from moderately.domain.ports import Clock
from moderately.protocol.vocabulary import IDENTIFIER_LIMIT
from moderately.service.fresh import Fresh

__all__ = ["KeyRing", "NewKey"]

_PREFIX: Final = "mk_"
_SHOWN: Final = 8
_SHORTEST: Final = 16
_FRESH_SECONDS: Final = 1.0
_TOUCH_MICROSECONDS: Final = 60_000_000
_CACHE_LIMIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with its secret, which is never seen again."""

    key: Key
    secret: str

    def __repr__(self) -> str:
        return f"NewKey(key={self.key!r})"


class KeyRing:
    """Makes keys and knows them again.

    Args:
        store: Holds them.
        clock: Tells the time.
        monotonic: Tells the time in seconds, for the cache.
    """

    def __init__(self, store: KeyStore, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._good = Fresh(self._read_good, _FRESH_SECONDS, monotonic, _CACHE_LIMIT)

    async def create(self, *, team_id: str, name: str, secret: str | None = None) -> NewKey:
        """Make a key.

        Args:
            team_id: The team that it speaks for.
            name: What it is for.
            secret: Its secret; a random one by default.

        Raises:
            InvalidRequest: If the team, the name or the secret will not do.
        """
        for field, value in (("team", team_id), ("name", name)):
            if not 0 < len(value) <= IDENTIFIER_LIMIT or not value.isprintable():
                raise InvalidRequest.field(
                    field, f"has 1 to {IDENTIFIER_LIMIT} printable characters"
                )
        if secret is None:
            secret = _PREFIX + secrets.token_urlsafe(32)
        if len(secret) < _SHORTEST or not secret.isascii() or not secret.isprintable():
            raise InvalidRequest.field("key", f"has {_SHORTEST} or more ASCII characters")
        now = self._clock.now()
        key = Key(
            id=new_id("key", now, secrets.token_bytes(ENTROPY_BYTES)),
            name=name,
            team_id=team_id,
            prefix=secret[:_SHOWN],
            created_at=now,
        )
        await self._store.add_key(key, _digest(secret))
        return NewKey(key, secret)

    async def list(self) -> Sequence[Key]:
        """All keys, oldest first."""
        return await self._store.keys()

    async def revoke(self, key_id: str) -> Key | None:
        """Revoke a key. A service that runs refuses it within a second.

        Returns:
            The key; None if there is no such one.
        """
        return await self._store.revoke_key(key_id)

    async def find(self, secret: str) -> Key | None:
        """The key with this secret, revoked or not."""
        return await self._store.find_key(_digest(secret))

    async def authenticate(self, secret: str) -> Key:
        """Know a key again; what was looked up less than a second ago is not looked up again.

        Raises:
            Unauthenticated: If it is unknown or revoked.
        """
        return await self._good.get(_digest(secret))

    async def lapsed(self, key_ids: Collection[str]) -> Collection[str]:
        """Those of some keys that are good no longer. No one of them passes as just looked up.

        Raises:
            Unavailable: If the store does not answer.
        """
        found = set(key_ids).difference(await self._store.good_keys(key_ids))
        if found:
            self._good.clear()
        return found

    async def _read_good(self, digest: str) -> Key:
        key = await self._store.find_key(digest)
        if key is None or key.revoked_at is not None:
            reason = "revoked" if key is not None else "unknown"
            raise Unauthenticated(f"The API key is {reason}. Send a valid one as a Bearer token.")
        if self._clock.now() - (key.last_used_at or 0) > _TOUCH_MICROSECONDS:
            await self._store.touch_key(key.id)
        return key


def _digest(secret: str) -> str:
    # The secrets are long and random: a plain digest is as good as a slow one, and fast.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
