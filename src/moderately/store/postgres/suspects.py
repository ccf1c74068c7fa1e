"""Which of the workers that are silent are dead."""

import time
from collections.abc import Iterable
from typing import Final

from moderately.store.postgres.session import Session

__all__ = ["Suspects"]

_SUSPECT_SECONDS: Final = 0.15


class Suspects:
    """Tells the dead from those that are cut off.

    A lease that has ended is enough. A session that has ended means that the process is dead, or
    was cut off, and must be so for a moment: it may be connecting again. After this process has
    itself been cut off, it is not told from the others for a while.

    Args:
        session: This process's own.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._since: dict[str, float] = {}

    def dead(self, silent: Iterable[tuple[str, bool]]) -> list[str]:
        """Those of the silent workers that are dead.

        Args:
            silent: Each with whether it is its lease that has ended, and not its session only.
        """
        now, dead, suspects = time.monotonic(), [], {}
        is_calm = self._session.number is not None and now >= self._session.calm_at
        for worker_id, is_over in silent:
            since = suspects[worker_id] = self._since.get(worker_id, now)
            if is_over or (is_calm and now - since >= _SUSPECT_SECONDS):
                dead.append(worker_id)
        self._since = suspects if is_calm else {}
        return dead
