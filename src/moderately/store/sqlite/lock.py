"""The data folder's lock: one service at a time, as the operating system sees it."""

import fcntl
import os
from pathlib import Path

__all__ = ["FolderLock", "FolderLocked"]


class FolderLocked(Exception):
    """Another process holds the lock.

    Attributes:
        holder: Its process id, where it is known.
    """

    def __init__(self, holder: int | None) -> None:
        super().__init__(f"locked by process {holder}" if holder else "locked by another process")
        self.holder = holder


class FolderLock:
    """A lock that ends with the process that holds it, however that dies.

    Args:
        path: The lock file; made if it is missing, and left in place.

    Raises:
        FolderLocked: If another process holds it.
        OSError: If the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._descriptor, 20).strip()
            os.close(self._descriptor)
            raise FolderLocked(int(holder) if holder.isdigit() else None) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go of the lock."""
        os.close(self._descriptor)
