"""Records the versions of agents in code, while workers of other releases do the same."""

from collections.abc import Mapping, Sequence
from typing import Final

import psycopg

from moderately.domain.agents import AgentVersion
from moderately.store.postgres.connections import (
    Connections,
    execute,
    keeps_from_working,
    unavailable,
)
from moderately.store.rows import check_schemas, read_version, write_version

__all__ = ["register"]

_LOCK: Final = 7453010302182


async def register(
    connections: Connections, queries: Mapping[str, str], versions: Sequence[AgentVersion]
) -> None:
    """Record versions. One that is not on record yet becomes its agent's newest.

    Raises:
        Conflict: If a version is on record with other schemas.
        Unavailable: If the database does not answer.
    """
    try:
        async with connections.use() as connection, connection.transaction():
            await execute(connection, "SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            cursor = await execute(connection, queries["server_time"])
            [(now,)] = await cursor.fetchall()
            for number, version in enumerate(versions):
                key = (version.agent_id, version.version)
                cursor = await execute(connection, queries["get_agent_version"], key)
                row = await cursor.fetchone()
                check_schemas(read_version(row) if row else None, version)
                # The versions of an agent are told apart by their times.
                seen_at = now + number
                agent = (version.agent_id, version.version, seen_at, seen_at)
                query = "add_agent" if row else "upsert_agent"
                await execute(connection, queries[query], agent)
                written = write_version(version, seen_at)
                await execute(connection, queries["upsert_agent_version"], written)
    except psycopg.Error as error:
        if keeps_from_working(error):
            raise unavailable(error) from error
        raise
