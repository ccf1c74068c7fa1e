"""Randomness for ids."""

import os
from typing import Final

__all__ = ["Entropy"]

_PAGE_BYTES: Final = 4096


class Entropy:
    """The system's random bytes, fetched by the page: a call for each id costs a tenth of a create.

    Not for use across a fork.
    """

    def __init__(self) -> None:
        self._page = b""
        self._used = 0

    def take(self, size: int) -> bytes:
        """So many random bytes, each given out once."""
        if self._used + size > len(self._page):
            self._page, self._used = os.urandom(max(size, _PAGE_BYTES)), 0
        self._used += size
        return self._page[self._used - size : self._used]
