"""Where the data lies, and what is wrong with that."""

import sqlite3
from pathlib import Path

from moderately.settings import Settings

__all__ = ["StartError", "database_path", "is_postgres", "say_why"]

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


class StartError(Exception):
    """The service cannot start. The message says why, and what to do."""


def is_postgres(settings: Settings) -> bool:
    """Whether the database is a PostgreSQL server's."""
    return (settings.database or "").startswith(_POSTGRES)


def database_path(settings: Settings) -> Path:
    """The database's file; its folder is made if it is missing.

    Raises:
        StartError: If the database is of a kind that is not supported, or the folder cannot be
            made.
    """
    database = settings.database
    if database is None:
        path = settings.data / "moderately.db"
    elif database.startswith(_SQLITE):
        path = Path(database.removeprefix(_SQLITE))
    elif "://" not in database:
        path = Path(database)
    else:
        scheme = database.partition("://")[0]
        raise StartError(
            f"--database: {scheme} is not supported; use sqlite:///PATH, or"
            " postgresql://USER@HOST/NAME"
        )
    path = path.expanduser().absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StartError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    return path


def say_why(path: Path, error: Exception) -> StartError:
    """Why a database cannot be opened."""
    if isinstance(error, OSError):
        return StartError(f"cannot open {path}: {error.strerror}")
    if isinstance(error, sqlite3.Error):
        return StartError(f"cannot open the database {path}: {error}")
    return StartError(f"{path}: {error}")
