"""The credentials file: where a local service leaves a key for the client to find.

The file is JSON, `{"current": URL, "services": {URL: {"api_key", "team_id", "data"}}}`, with
mode 0600. `MODERATELY_CREDENTIALS_FILE` names another place for it.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Credentials", "credentials_path", "find_credentials", "save_credentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A service's address and a key for it.

    Attributes:
        base_url: Where the service answers.
        api_key: The key; kept out of `repr`.
        team_id: The team that the key belongs to.
        data: The service's data folder or database, by which a moved service is known again.
    """

    base_url: str
    api_key: str
    team_id: str
    data: str = ""

    def __repr__(self) -> str:
        return f"Credentials(base_url={self.base_url!r}, team_id={self.team_id!r})"


def credentials_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where the credentials file lies.

    Args:
        environ: The environment to read; the process's own by default.
    """
    env = os.environ if environ is None else environ
    if named := env.get("MODERATELY_CREDENTIALS_FILE"):
        return Path(named)
    config = env.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "moderately/credentials.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _services(content: dict[str, Any]) -> dict[str, dict[str, str]]:
    services = content.get("services")
    return dict(services) if isinstance(services, dict) else {}


def find_credentials(
    base_url: str | None = None, *, data: str | None = None, path: Path | None = None
) -> Credentials | None:
    """Look a service up in the credentials file.

    Args:
        base_url: The service's address; the one that was started last by default.
        data: Look for the service with this data folder instead.
        path: The file; `credentials_path()` by default.

    Returns:
        The credentials, or None where the file or the entry is missing or unreadable.
    """
    content = _read(path or credentials_path())
    services = _services(content)
    if data is not None:
        url = next((u for u, entry in services.items() if entry.get("data") == data), None)
    else:
        url = base_url.rstrip("/") if base_url else content.get("current")
    entry = services.get(url) if isinstance(url, str) else None
    if not isinstance(url, str) or not isinstance(entry, dict) or "api_key" not in entry:
        return None
    return Credentials(url, entry["api_key"], entry.get("team_id", ""), entry.get("data", ""))


def save_credentials(credentials: Credentials, *, path: Path | None = None) -> Path:
    """Write a service's credentials, readable by their owner only, and make it the current one.

    An older entry for the same data folder is replaced: the service has moved.

    Args:
        credentials: What to keep.
        path: The file; `credentials_path()` by default.

    Returns:
        The file that was written.

    Raises:
        OSError: If the file cannot be written.
    """
    import tempfile  # noqa: PLC0415 - slow to import, and a client only reads

    target = path or credentials_path()
    services = {
        url: entry
        for url, entry in _services(_read(target)).items()
        if not credentials.data or entry.get("data") != credentials.data
    }
    url = credentials.base_url.rstrip("/")
    services[url] = {
        "api_key": credentials.api_key,
        "team_id": credentials.team_id,
        "data": credentials.data,
    }
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A temporary file of mode 0600, renamed over the old one: never half-written, never readable.
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".credentials-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"current": url, "services": services}, file, indent=2)
        Path(temporary).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    return target
