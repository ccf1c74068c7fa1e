"""Keys on SQLite. Needs no ownership of the data folder: the operator's commands use it too."""

import json
import sqlite3
from collections.abc import Collection, Sequence

from moderately.domain.keys import Key
from moderately.domain.ports import Clock
from moderately.store.rows import read_key
from moderately.store.sqlite.readers import Readers
from moderately.store.sqlite.writer import Writer

__all__ = ["SQLiteKeyStore"]


class SQLiteKeyStore:
    """`moderately.domain.keys.KeyStore` on SQLite."""

    def __init__(
        self, writer: Writer, readers: Readers, queries: dict[str, str], clock: Clock
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._queries = queries
        self._clock = clock

    async def add_key(self, key: Key, digest: str) -> None:
        """Record a key under the digest of its secret."""
        row = (key.id, key.name, key.team_id, key.prefix, key.created_at, digest)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(self._queries["insert_key"], row)

        await self._writer.submit_sql(write)

    async def find_key(self, digest: str) -> Key | None:
        """The key with this digest, revoked or not."""
        row = self._readers.one(self._queries["find_key"], (digest,))
        return read_key(row) if row else None

    async def keys(self) -> Sequence[Key]:
        """All keys, oldest first."""
        return [read_key(row) for row in self._readers.all(self._queries["list_keys"])]

    async def good_keys(self, key_ids: Collection[str]) -> Collection[str]:
        """Those of some keys that are there and not revoked."""
        asked = json.dumps(list(key_ids))
        return [row[0] for row in self._readers.all(self._queries["good_keys"], (asked,))]

    async def revoke_key(self, key_id: str) -> Key | None:
        """Revoke a key now, if it is not yet; None if there is no such key."""

        def write(connection: sqlite3.Connection) -> Key | None:
            row = connection.execute(
                self._queries["revoke_key"], (self._clock.now(), key_id)
            ).fetchone()
            return read_key(row) if row else None

        return await self._writer.submit_sql(write)

    async def touch_key(self, key_id: str) -> None:
        """Note that a key was used just now."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(self._queries["touch_key"], (self._clock.now(), key_id))

        await self._writer.submit_sql(write, lazy=True)
