"""The service's settings: each once, with its variable, its default and a sentence."""

import ipaddress
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from moderately.protocol.vocabulary import BODY_LIMIT_BYTES, HEARTBEAT_SECONDS, MAX_WAIT_SECONDS

__all__ = ["SETTINGS", "Setting", "Settings", "SettingsError", "default_data", "load_settings"]


class SettingsError(Exception):
    """A setting is wrong. The message names it, its variable, and what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of `moderately serve`. `SETTINGS` says what each is."""

    agents: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8787
    data: Path = field(default_factory=lambda: default_data(os.environ))
    database: str | None = field(default=None, repr=False)
    database_session: str | None = field(default=None, repr=False)
    database_pool: int = 8
    workers: int = 1
    poll: float = 2.0
    auth: bool = True
    bootstrap_api_key: str | None = field(default=None, repr=False)
    grace: float = 10.0
    max_concurrency: int = 1000
    threads: int = 32
    park_after: float = 1.0
    cancel_grace: float = 5.0
    lease: float = 15.0
    retention: float | None = None
    max_wait: float = MAX_WAIT_SECONDS
    heartbeat: float = HEARTBEAT_SECONDS
    body_limit: int = BODY_LIMIT_BYTES
    log_level: str = "info"
    chaos_log: Path | None = None
    chaos_crash: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: Its field in `Settings`.
        variable: Its environment variable.
        option: Its option on the command line; None where it has none.
        takes: What it takes, in words.
        sentence: What it is for.
        read: Reads its text; raises ValueError where it will not do.
    """

    name: str
    variable: str
    option: str | None
    takes: str
    sentence: str
    read: Callable[[str], Any]


def default_data(environ: Mapping[str, str]) -> Path:
    """Where the data lies by default."""
    data = environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local/share") / "moderately"


def _between(low: float, high: float, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = kind(text)
        if not (low <= value <= high) or math.isnan(value):
            raise ValueError(text)
        return value

    return read


def _text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _postgres(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError(text)
    return text


def _flag_off(text: str) -> bool:
    """`auth`, from a variable that says no to it."""
    words = {"1": False, "true": False, "yes": False, "0": True, "false": True, "no": True}
    try:
        return words[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _level(text: str) -> str:
    if text not in ("debug", "info", "warning", "error"):
        raise ValueError(text)
    return text


def _crash(text: str) -> str:
    if not re.fullmatch(r"(gathered|statement|committed):\d{1,9}", text):
        raise ValueError(text)
    return text


# Never shown: each is, or may hold, a secret.
_SECRETS: Final = frozenset({"bootstrap_api_key", "database", "database_session"})

SETTINGS: Final = (
    Setting(
        "agents",
        "MODERATELY_AGENTS",
        None,
        "files or modules, separated by commas",
        "What to serve agents from, where the command names nothing.",
        lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
    ),
    Setting(
        "host",
        "MODERATELY_HOST",
        "--host",
        "an address",
        "The address to listen on.",
        _text,
    ),
    Setting(
        "port",
        "MODERATELY_PORT",
        "--port",
        "a number from 0 to 65535",
        "The port to listen on; 0 for any free one.",
        _between(0, 65535, int),
    ),
    Setting(
        "data",
        "MODERATELY_DATA",
        "--data",
        "a folder",
        "Where the data lies; made if it is missing.",
        lambda text: Path(_text(text)).expanduser(),
    ),
    Setting(
        "database",
        "MODERATELY_DATABASE",
        "--database",
        "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME",
        "The database; a SQLite file in the data folder by default.",
        _text,
    ),
    Setting(
        "database_session",
        "MODERATELY_DATABASE_SESSION",
        "--database-session",
        "postgresql://USER:PASSWORD@HOST:PORT/NAME",
        "The same database past a pooler that shares sessions; --database itself by default.",
        _postgres,
    ),
    Setting(
        "database_pool",
        "MODERATELY_DATABASE_POOL",
        "--database-pool",
        "a number from 3 to 200",
        "How many connections to PostgreSQL this process may use, beside one for its session.",
        _between(3, 200, int),
    ),
    Setting(
        "workers",
        "MODERATELY_WORKERS",
        "--workers",
        "0 or 1",
        "Whether the service runs executions itself; with 0, moderately worker does elsewhere.",
        _between(0, 1, int),
    ),
    Setting(
        "poll",
        "MODERATELY_POLL",
        "--poll",
        "seconds from 0.1 to 60",
        "How late word of another process's change may come, where a notification is missed.",
        _between(0.1, 60, float),
    ),
    Setting(
        "auth",
        "MODERATELY_NO_AUTH",
        "--no-auth",
        "true or false",
        "Ask for no key; on a loopback address only.",
        _flag_off,
    ),
    Setting(
        "bootstrap_api_key",
        "MODERATELY_BOOTSTRAP_API_KEY",
        None,
        "16 or more ASCII characters",
        "The first key, instead of a random one: for containers.",
        _text,
    ),
    Setting(
        "grace",
        "MODERATELY_GRACE",
        "--grace",
        "seconds from 0 to 86400",
        "What running executions get to end in when the service stops.",
        _between(0, 86400, float),
    ),
    Setting(
        "max_concurrency",
        "MODERATELY_MAX_CONCURRENCY",
        "--max-concurrency",
        "a number from 1 to 100000",
        "How many executions run at once.",
        _between(1, 100_000, int),
    ),
    Setting(
        "threads",
        "MODERATELY_THREADS",
        "--threads",
        "a number from 1 to 1000",
        "How many of them may be plain (not async) functions.",
        _between(1, 1000, int),
    ),
    Setting(
        "park_after",
        "MODERATELY_PARK_AFTER",
        "--park-after",
        "seconds from 0.01 to 3600",
        "How long an execution must only wait before it gives up its memory and its slot.",
        _between(0.01, 3600, float),
    ),
    Setting(
        "cancel_grace",
        "MODERATELY_CANCEL_GRACE",
        "--cancel-grace",
        "seconds from 0 to 3600",
        "What cancelled code gets for its clean-up before it is reported as lingering.",
        _between(0, 3600, float),
    ),
    Setting(
        "lease",
        "MODERATELY_LEASE",
        "--lease",
        "seconds from 1 to 3600",
        "How long a worker may be silent before others may take what it runs.",
        _between(1, 3600, float),
    ),
    Setting(
        "retention",
        "MODERATELY_RETENTION",
        "--retention",
        "days from 0.0001 to 36500",
        "After how many days an execution that has ended is removed; never by default.",
        _between(0.0001, 36500, float),
    ),
    Setting(
        "max_wait",
        "MODERATELY_MAX_WAIT",
        "--max-wait",
        "seconds from 0 to 3600",
        "The longest that a reply is held for a caller who waits.",
        _between(0, 3600, float),
    ),
    Setting(
        "heartbeat",
        "MODERATELY_HEARTBEAT",
        "--heartbeat",
        "seconds from 0.1 to 3600",
        "After how much silence a stream of events says that it is alive.",
        _between(0.1, 3600, float),
    ),
    Setting(
        "body_limit",
        "MODERATELY_BODY_LIMIT",
        "--body-limit",
        "bytes from 1024 to 1073741824",
        "The largest request body.",
        _between(1024, 1 << 30, int),
    ),
    Setting(
        "log_level",
        "MODERATELY_LOG_LEVEL",
        "--log-level",
        "debug, info, warning or error",
        "How much to log.",
        _level,
    ),
    Setting(
        "chaos_log",
        "MODERATELY_CHAOS_LOG",
        None,
        "a file",
        "Where to note what steps really do: for moderately chaos to judge by.",
        lambda text: Path(_text(text)),
    ),
    Setting(
        "chaos_crash",
        "MODERATELY_CHAOS_CRASH",
        None,
        "gathered, statement or committed, a colon and a number",
        "Where between two statements to die, and after how often: for moderately chaos.",
        _crash,
    ),
)


def load_settings(
    given: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Put the settings together: what is given, then the environment, then the defaults.

    Args:
        given: Values by name, as text or as they are; None counts as not given.
        environ: The environment; the process's own by default.

    Raises:
        SettingsError: If a value will not do.

    Example:
        >>> load_settings({"port": 0}, {"MODERATELY_GRACE": "2.5"}).grace
        2.5
    """
    env = os.environ if environ is None else environ
    values: dict[str, Any] = {"data": default_data(env)}
    for setting in SETTINGS:
        value = (given or {}).get(setting.name)
        where = setting.option or setting.name
        if value is None or value == ():
            value = env.get(setting.variable) or None
            where = setting.variable
        if value is None:
            continue
        values[setting.name] = _read(setting, value, where)
    settings = Settings(**values)
    if not settings.auth and not _is_loopback(settings.host):
        raise SettingsError(
            "--no-auth (MODERATELY_NO_AUTH) is for loopback addresses only: anybody who reaches"
            f" {settings.host} could run agents. Use --host 127.0.0.1, or keep the keys."
        )
    return settings


def _read(setting: Setting, value: Any, where: str) -> Any:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return value
    try:
        return setting.read(str(value))
    except (ValueError, OverflowError, RuntimeError):
        # RuntimeError: a path begins with ~ and the name of nobody.
        shown = "it" if setting.name in _SECRETS else repr(value)
        raise SettingsError(f"{where} takes {setting.takes}; {shown} is none.") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
