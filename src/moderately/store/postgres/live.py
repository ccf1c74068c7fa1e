"""Events that are never stored, on their way from one process to another.

They travel as notifications, and only where somebody waits for them: a process says which
executions it watches when it begins to, and again every few seconds; the others forget it if it
does not. One that has just come asks them all to say it again. What is too much is dropped: whoever
watches reads the recorded events in any case. Releases that know nothing of this cannot read these
notifications, and pass over them.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from moderately.domain.log import LiveEvent

__all__ = ["Live"]

_log = logging.getLogger(__name__)

_RENEW_SECONDS: Final = 10.0
_FORGET_SECONDS: Final = 25.0
_MOST_WANTED: Final = 50_000
_MOST_UNTOLD: Final = 256 * 1024
_WORD: Final = 7_900

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class Live:
    """What this process tells the others of live events, and hears of theirs.

    Args:
        now: Tells the time in seconds, on any clock that only goes on.
        watched: Gives the executions whose live events are wanted here.
        on_live: Called with live events of other processes.
    """

    def __init__(
        self,
        now: Callable[[], float],
        watched: Callable[[], Iterable[str]],
        on_live: Callable[[Sequence[LiveEvent]], None],
    ) -> None:
        self._now = now
        self._watched = watched
        self._on_live = on_live
        # What is wanted elsewhere, and until when.
        self._wanted: dict[str, float] = {}
        self._new: list[str] = []
        self._untold: list[str] = []
        self._size = 0
        self._asks = False
        self._renew_at = 0.0
        self._number = 0

    def watch(self, execution_id: str) -> None:
        """Tell the others that somebody watches an execution here."""
        self._new.append(_encode(execution_id))

    def add(self, events: Sequence[LiveEvent]) -> bool:
        """Tell the others of events, so far as they want them.

        Returns:
            Whether there is anything to tell.
        """
        if not self._wanted:
            return False
        now, known = self._now(), len(self._untold)
        for event in events:
            if self._wanted.get(event.execution_id, now) <= now:
                continue
            text = _encode(event)
            if len(text) > _WORD or self._size + len(text) > _MOST_UNTOLD:
                _log.debug("a live event of %s was not told", event.execution_id)
                continue
            self._untold.append(text)
            self._size += len(text)
        return len(self._untold) > known

    def begin(self) -> None:
        """The others can be told now, and have not been since who knows when."""
        self._asks, self._renew_at = True, 0.0

    def clear(self) -> None:
        """The others cannot be told for now: what is not told is lost."""
        self._new, self._untold, self._size = [], [], 0

    def renew(self) -> bool:
        """Tell the others once more what is watched here, if it is time to.

        Returns:
            Whether there is anything to tell.
        """
        now = self._now()
        if now < self._renew_at:
            return False
        self._renew_at = now + _RENEW_SECONDS
        self._wanted = {name: until for name, until in self._wanted.items() if until > now}
        self._new = [_encode(name) for name in self._watched()]
        return bool(self._new) or self._asks

    def words(self, sender: str) -> list[str]:
        """All that is to be told, as notifications of less than 8,000 bytes each."""
        found = [("live", items) for items in _parts(self._untold)]
        found += [("watch", items) for items in _parts(self._new)]
        if self._asks:
            found.append(("ask", ""))
        self.clear()
        self._asks = False
        words = []
        for kind, items in found:
            # Of notifications that are the same, the server would deliver only one.
            self._number += 1
            head = _encode({"from": sender, "n": self._number})[:-1]
            words.append(f'{head},"{kind}":[{items}]}}')
        return words

    def hear(self, word: dict[str, Any]) -> None:
        """Take in what another process tells.

        Raises:
            ValueError: If it is of no kind that is known here, or TypeError.
        """
        if "live" in word:
            self._on_live(
                [
                    LiveEvent(str(name), str(kind), dict(data), int(at), int(after))
                    for name, kind, data, at, after in word["live"]
                ]
            )
        elif "watch" in word:
            until = self._now() + _FORGET_SECONDS
            for name in word["watch"]:
                if len(self._wanted) < _MOST_WANTED or name in self._wanted:
                    self._wanted[str(name)] = until
        elif "ask" in word:
            self._renew_at = 0.0


def _parts(items: Sequence[str]) -> Iterator[str]:
    """The items, as many together as there is room for in a word, and separated by commas."""
    part: list[str] = []
    size = 0
    for item in items:
        if part and size + len(item) + 1 > _WORD:
            yield ",".join(part)
            part, size = [], 0
        part.append(item)
        size += len(item) + 1
    if part:
        yield ",".join(part)
