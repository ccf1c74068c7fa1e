"""A Chromium to test with: whichever there is, else one that is installed."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["find_chromium", "provide_chromium"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_INSTALL_SECONDS: Final = 300
_LOCK_SECONDS: Final = 60


def find_chromium(bundled: Path) -> Path | None:
    """Where a Chromium is.

    Args:
        bundled: Where Playwright keeps its own, if it has one.
    """
    given = os.environ.get("MODERATELY_TEST_CHROMIUM")
    if given:
        return Path(given) if shutil.which(given) else None
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is not None:
        return Path(found)
    return bundled if bundled.exists() else None


def provide_chromium(bundled: Path, once: Path) -> tuple[Path | None, str]:
    """Find a Chromium, or install one.

    Args:
        bundled: Where Playwright keeps its own, if it has one.
        once: A file that the processes of a test run share: the first one installs, the others
            wait for it, and nobody tries again what has failed.

    Returns:
        Where it is; None and why not, where there is none and none can be installed.
    """
    with once.open("a+") as file:
        # Whoever holds it is bounded itself.
        fcntl.flock(file, fcntl.LOCK_EX)
        found = find_chromium(bundled)
        if found is not None:
            return found, ""
        file.seek(0)
        wrong = file.read()
        if not wrong and not os.environ.get("MODERATELY_TEST_CHROMIUM"):
            wrong = _install()
            file.write(wrong)
            file.flush()
        return find_chromium(bundled), wrong or "MODERATELY_TEST_CHROMIUM names no program"


def _install() -> str:
    """Install one as the system lets this user; what went wrong, if anything did."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        apt = ["apt-get", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}", "-o", "Acquire::Retries=1"]
        install = [*apt, "install", "-y", "--no-install-recommends", "chromium"]
        # The lists of packages may be old, or not there at all.
        if not _run(install) or (not _run([*apt, "update"]) and not _run(install)):
            return ""
    return _run([sys.executable, "-m", "playwright", "install", "chromium"])


def _run(command: list[str]) -> str:
    """Run a command; its last line, where it failed."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} took more than {_INSTALL_SECONDS} seconds"
    return "" if done.returncode == 0 else (done.stdout.strip().splitlines() or ["failed"])[-1]
