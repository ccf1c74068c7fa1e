"""Followers whose key is revoked: they are let go, as who comes anew is refused."""

import asyncio
import logging
from functools import partial
from typing import Final

from moderately.domain.errors import Unauthenticated, Unavailable
from moderately.service.follower import Follower
from moderately.service.keys import KeyRing

__all__ = ["KeyWatch"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0


class KeyWatch:
    """Looks every second whether the keys of those who follow are still good.

    Args:
        keys: Knows the keys. Any process may revoke one, so that nobody tells of it.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._loop = asyncio.get_running_loop()
        self._followers: dict[str, set[Follower]] = {}
        self._looking: asyncio.Task[None] | None = None

    def join(self, key_id: str, follower: Follower) -> None:
        """Let a follower go once its key is revoked.

        Args:
            key_id: The key that it showed; empty where none is asked for.
            follower: The follower.
        """
        if not key_id:
            return
        self._followers.setdefault(key_id, set()).add(follower)
        follower.on_close = partial(self._leave, key_id)
        if self._looking is None:
            self._looking = self._loop.create_task(self._look())

    def _leave(self, key_id: str, follower: Follower) -> None:
        """One follower less. Nobody looks while nobody follows."""
        followers = self._followers.get(key_id, set())
        followers.discard(follower)
        if not followers:
            self._followers.pop(key_id, None)
        if not self._followers and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                lapsed = await self._keys.lapsed(list(self._followers))
            except Unavailable:
                continue
            except Exception:  # noqa: BLE001 - it is in the log, and the next look may succeed
                _log.exception("cannot look whether keys are revoked")
                continue
            for key_id in lapsed:
                for follower in self._followers.get(key_id, ()):
                    follower.lose(Unauthenticated("The API key has been revoked."))
