"""A Chromium to test with: whichever there is, else one that is installed."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["find_chromium", "provide_chromium"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_INSTALL_SECONDS: Final = 240
_APT_OPTIONS: Final = (
    "DPkg::Lock::Timeout=60",
    "Acquire::Retries=1",
    "Acquire::http::Timeout=20",
    "Acquire::https::Timeout=20",
)


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
        apt = ["apt-get", *(part for option in _APT_OPTIONS for part in ("-o", option))]
        install = [*apt, "install", "-y", "--no-install-recommends", "chromium"]
        # The lists of packages may be old, or not there at all.
        if not _run(install) or (not _run([*apt, "update"]) and not _run(install)):
            return ""
    return _run([sys.executable, "-m", "playwright", "install", "chromium"])


def _run(command: list[str]) -> str:
    """Run a command; its last line, where it failed."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # No pipe: what the command has started might hold it open for longer than the command lives.
    with (
        tempfile.TemporaryFile("w+", errors="replace") as output,
        subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            code = process.wait(_INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"{command[0]} took more than {_INSTALL_SECONDS} seconds"
        output.seek(0)
        lines = output.read().strip().splitlines() or ["failed"]
        return lines[-1] if code else ""
