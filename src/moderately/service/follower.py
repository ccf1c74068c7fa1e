"""Those who follow events: what is the same of them, whatever they follow."""

from typing import TYPE_CHECKING

from moderately.domain.errors import DomainError
from moderately.service.told import Portion, Push, Told

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

__all__ = ["Follower"]


class Follower:
    """Somebody who follows.

    Attributes:
        on_close: Called with it when it follows no longer.
    """

    def __init__(self) -> None:
        self.on_close: Callable[[Follower], None] = _nobody_minds
        self._portion = Portion()
        self._last: Sequence[Told] = ()
        self._push: Push | None = None
        self._rest: asyncio.Future[None] | None = None
        self._lost: DomainError | None = None

    def wake(self) -> None:
        """End its rest."""
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    def lose(self, reason: DomainError) -> None:
        """Let it go: it is to come again, and is told the reason then.

        Args:
            reason: What it meets when it asks for more.
        """
        self._lost = reason
        self.wake()

    def _check(self) -> None:
        if self._lost is not None:
            raise self._lost


def _nobody_minds(_: Follower) -> None:
    """Nobody has to know that it is gone."""
