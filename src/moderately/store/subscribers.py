"""Whoever is called after commits; see `Store.subscribe`."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, ParamSpec

from moderately.domain.log import LiveEvent
from moderately.domain.storing import (
    Change,
    CommitListener,
    Listener,
    LiveListener,
    Work,
    WorkListener,
)

__all__ = ["Subscriber", "Subscribers"]

P = ParamSpec("P")

_log = logging.getLogger(__name__)


class Subscriber(NamedTuple):
    """One of them."""

    listener: Listener
    watched: Collection[str]
    on_work: WorkListener | None
    on_commit: CommitListener | None
    on_live: LiveListener | None


class Subscribers:
    """All of them. What goes wrong in one is in the log, and the others are told nevertheless."""

    def __init__(self) -> None:
        self._all: list[Subscriber] = []

    def add(self, subscriber: Subscriber) -> None:
        """Tell one more."""
        self._all.append(subscriber)

    def say(self, changes: Sequence[Change]) -> None:
        """Tell of changes."""
        if changes:
            for one in self._all:
                _call(one.listener, changes)

    def say_work(self, work: Work) -> None:
        """Tell of work that others have made."""
        for one in self._all:
            if one.on_work is not None:
                _call(one.on_work, work)

    def say_commit(self) -> None:
        """Tell that the log may have more."""
        for one in self._all:
            if one.on_commit is not None:
                _call(one.on_commit)

    def say_live(self, events: Sequence[LiveEvent]) -> None:
        """Tell those who watch of events that are not stored."""
        for one in self._all:
            if one.on_live is not None:
                wanted = [event for event in events if event.execution_id in one.watched]
                if wanted:
                    _call(one.on_live, wanted)

    def watched(self, names: Iterable[str]) -> list[str]:
        """Those of some executions that anybody watches."""
        return [name for name in names if any(name in one.watched for one in self._all)]

    def all_watched(self) -> set[str]:
        """All executions that anybody watches."""
        return {name for one in self._all for name in one.watched}

    def watched_runs(self) -> set[str]:
        """Those that are watched by one who also looks for work."""
        return {name for one in self._all if one.on_work for name in one.watched}

    def watched_live(self) -> set[str]:
        """Those that are watched by one who also wants what is not stored."""
        return {name for one in self._all if one.on_live for name in one.watched}


def _call(listener: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    try:
        listener(*args, **kwargs)
    except Exception:  # noqa: BLE001 - it is in the log
        _log.exception("a listener has failed")
