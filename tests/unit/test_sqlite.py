"""What is particular to SQLite: the schema, its constraints, and the owner's lock."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from moderately.domain.lifecycle import TRANSITIONS
from moderately.protocol.vocabulary import Status
from moderately.store.queries import load_queries
from moderately.store.sqlite import FolderLock, FolderLocked
from moderately.store.sqlite.database import connect, migrate, migrations


def test_migrations_run_once_and_in_order(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.db")
    assert migrate(connection) == len(migrations())
    assert migrate(connection) == 0
    assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations()),)
    connection.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.db")
    connection.execute("PRAGMA user_version = 999")
    with pytest.raises(ValueError, match="newer release"):
        migrate(connection)
    connection.close()


def test_every_query_fits_the_schema(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.db")
    migrate(connection)
    fragments = {
        "columns": "id",
        "where": "team_id = ?",
        "order": "id",
        "index": "",
        "completed": "INDEXED BY executions_by_completed",
        "updated": "INDEXED BY executions_by_updated",
        "versions": "?",
        "keys": "?",
        "steps": "s.id FROM steps AS s",
    }
    widths = {"update_executions": 27}
    for name, sql in load_queries("moderately.store", "moderately.store.sqlite").items():
        columns = re.search(r"\(([^)]*)\) VALUES \{rows\}", sql)
        width = widths.get(name) or (len(columns[1].split(",")) if columns else 0)
        row = f"({', '.join('?' * width)})"
        text = sql.replace("{rows}", row).format(**fragments)
        parameters = [None] * text.count("?")
        plan = connection.execute(f"EXPLAIN {text}", parameters).fetchall()
        assert plan, name
    connection.close()


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("after", list(Status))
def test_the_database_takes_no_transition_that_the_table_lacks(
    tmp_path: Path, before: Status, after: Status
) -> None:
    allowed = {(start, end) for (start, _), end in TRANSITIONS.items()}
    connection = connect(tmp_path / "a.db")
    migrate(connection)
    ends = {
        "completed": "output_data = '1', completed_at = 2, paused_at = NULL",
        "failed": "error = '{}', failed_at = 2, paused_at = NULL",
        "cancelled": "cancelled_at = 2, paused_at = NULL",
        "paused": "paused_at = 2",
    }

    def extra(status: Status) -> str:
        return f", {ends[status.value]}" if status.value in ends else unpaused

    unpaused = ", paused_at = NULL"

    connection.execute(
        "INSERT INTO executions (id, team_id, agent_id, agent_version, status, created_at,"
        " updated_at, metadata, priority, event_seq, fence, started_at)"
        " VALUES ('x', 't', 'a', '1', 'pending', 1, 1, '{}', 0, 1, 1, 1)"
    )
    path = {
        Status.PENDING: [],
        Status.RUNNING: [Status.RUNNING],
        Status.PAUSED: [Status.RUNNING, Status.PAUSED],
    }.get(before, [Status.RUNNING, before])
    for status in path:
        connection.execute(f"UPDATE executions SET status = '{status.value}'{extra(status)}")
    update = f"UPDATE executions SET status = '{after.value}'{extra(after)}"
    if (before, after) in allowed:
        connection.execute(update)
    else:
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(update)
    connection.close()


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "import sys; from pathlib import Path; from moderately.store.sqlite import FolderLock;"
        "lock = FolderLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FolderLocked) as caught:
            FolderLock(path)
        assert caught.value.holder == holder.pid
        holder.kill()
    FolderLock(path).release()
