"""Opens the database that the settings name, whatever kind it is."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from moderately.domain.keys import KeyStore
from moderately.domain.reports import Reports
from moderately.domain.storing import Store
from moderately.settings import Settings
from moderately.store import sqlite
from moderately.wiring.clock import SystemClock
from moderately.wiring.place import StartError, database_path, is_postgres, say_why

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Stores", "open_stores", "postgres_module", "shown_url"]

_EXTRA: Final = "install what it needs: pip install 'moderately[server]'"


@dataclass(frozen=True, slots=True)
class Stores:
    """What lies in the database.

    Attributes:
        executions: The executions.
        keys: The keys.
        reports: Sums, to look at.
        place: Where it lies, to show: a file, or a URL without its password.
    """

    executions: Store
    keys: KeyStore
    reports: Reports
    place: str


def postgres_module() -> "ModuleType":
    """The PostgreSQL store, loaded only where it is used.

    Raises:
        StartError: If the driver is not installed.
    """
    try:
        from moderately.store import postgres  # noqa: PLC0415 - heavy, and only needed here
    except ImportError as error:
        raise StartError(f"--database: PostgreSQL's driver is missing; {_EXTRA}") from error
    return postgres


def shown_url(url: str) -> str:
    """A URL without its user, password and options.

    Raises:
        StartError: If it cannot be read.
    """
    try:
        known = postgres_module().read_url(url)
    except ValueError:
        # The driver's own words would show a part of the password.
        raise StartError(
            "--database cannot be read: postgresql://USER:PASSWORD@HOST:PORT/NAME, with what is"
            " special in the password percent-encoded"
        ) from None
    hosts = str(known.get("host") or "localhost").split(",")
    ports = str(known.get("port") or "").split(",")
    pairs = zip_longest(hosts, ports, fillvalue=ports[-1])
    shown = ",".join(f"{host}:{port}" if port else host for host, port in pairs)
    return f"postgresql://{shown}/{known.get('dbname') or ''}"


@asynccontextmanager
async def open_stores(
    settings: Settings,
    clock: SystemClock,
    *,
    is_owner: bool,
    at: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Stores]:
    """Open the database.

    Args:
        settings: Where it is.
        clock: Tells the time; set to the database's, where machines share that.
        is_owner: Whether to own a SQLite file: only its owner may use the executions.
        at: Called between any two things that a write does.

    Raises:
        StartError: If it cannot be opened.
    """
    if is_postgres(settings):
        async with _open_postgres(settings, clock, at) as stores:
            yield stores
        return
    path = database_path(settings)
    with _owned(path) if is_owner else contextlib.nullcontext():
        try:
            async with sqlite.open_stores(path, clock, at=at) as found:
                yield Stores(found.executions, found.keys, found.reports, str(path))
        except (sqlite3.Error, OSError, ValueError) as error:
            raise say_why(path, error) from error


@asynccontextmanager
async def _open_postgres(
    settings: Settings, clock: SystemClock, at: Callable[[str], None]
) -> AsyncIterator[Stores]:
    postgres = postgres_module()
    url = settings.database or ""
    place = shown_url(url)
    opening = postgres.open_stores(
        url, clock, session_url=settings.database_session, size=settings.database_pool, at=at
    )
    async with contextlib.AsyncExitStack() as stack:
        try:
            found = await stack.enter_async_context(opening)
            clock.follow(await found.executions.time())
        except (postgres.Unfit, postgres.Error) as error:
            message = str(error).strip().splitlines()[0]
            raise StartError(f"cannot open the database {place}: {message}") from error
        yield Stores(found.executions, found.keys, found.reports, place)


@contextlib.contextmanager
def _owned(path: Path) -> Iterator[None]:
    try:
        lock = sqlite.FolderLock(path.with_name(path.name + ".lock"))
    except sqlite.FolderLocked as error:
        holder = f" (process {error.holder})" if error.holder else ""
        raise StartError(
            f"another moderately service{holder} is using {path}. Stop it first, or give this one"
            " a folder of its own with --data."
        ) from error
    except OSError as error:
        raise say_why(path, error) from error
    try:
        yield
    finally:
        lock.release()
