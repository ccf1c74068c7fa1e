"""Keys on PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence

from moderately.domain.keys import Key
from moderately.domain.ports import Clock
from moderately.store.postgres.connections import Connections
from moderately.store.postgres.reads import Reads
from moderately.store.rows import read_key

__all__ = ["PostgresKeyStore"]


class PostgresKeyStore:
    """`moderately.domain.keys.KeyStore` on PostgreSQL.

    Args:
        connections: The connections.
        queries: The named queries.
        clock: Tells the time.
    """

    def __init__(self, connections: Connections, queries: Mapping[str, str], clock: Clock) -> None:
        self._reads = Reads(connections, queries)
        self._clock = clock

    async def add_key(self, key: Key, digest: str) -> None:
        """Record a key under the digest of its secret."""
        row = (key.id, key.name, key.team_id, key.prefix, key.created_at, digest)
        await self._reads.run("insert_key", *row)

    async def find_key(self, digest: str) -> Key | None:
        """The key with this digest, revoked or not."""
        rows = await self._reads.all("find_key", digest)
        return read_key(rows[0]) if rows else None

    async def keys(self) -> Sequence[Key]:
        """All keys, oldest first."""
        return [read_key(row) for row in await self._reads.all("list_keys")]

    async def good_keys(self, key_ids: Collection[str]) -> Collection[str]:
        """Those of some keys that are there and not revoked."""
        return [row[0] for row in await self._reads.all("good_keys", list(key_ids))]

    async def revoke_key(self, key_id: str) -> Key | None:
        """Revoke a key now, if it is not yet; None if there is no such key."""
        rows = await self._reads.run("revoke_key", self._clock.now(), key_id)
        return read_key(rows[0]) if rows else None

    async def touch_key(self, key_id: str) -> None:
        """Note that a key was used just now."""
        await self._reads.run("touch_key", self._clock.now(), key_id)
