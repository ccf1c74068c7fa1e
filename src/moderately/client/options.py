"""How calls are made: what a client is given, and what one call may change."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

__all__ = ["NOT_GIVEN", "NotGiven", "Options"]

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?|")


class NotGiven:
    """Stands for an argument that was left out, where None has a meaning."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = NotGiven()


@dataclass(frozen=True, slots=True)
class Options:
    """How calls are made.

    Attributes:
        timeout: How long one request may take, in seconds; None for as long as it likes.
        max_retries: How often a request is sent again.
        headers: Headers of every request, by name in lower case.

    Raises:
        ValueError: If one of them cannot be.
    """

    timeout: float | None = 60.0
    max_retries: int = 2
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        # Names differ by case only, and the later one counts.
        lower = {name.lower(): value for name, value in self.headers.items()}
        object.__setattr__(self, "headers", lower)
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"timeout is a number of seconds, more than 0; not {self.timeout!r}")
        if self.max_retries < 0:
            raise ValueError(f"max_retries is 0 or more; not {self.max_retries!r}")
        for name, value in self.headers.items():
            # A header may hold a secret: the message does not show it.
            if not _NAME.fullmatch(name):
                raise ValueError("a header's name has letters, digits and dashes only")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"the header {name} has a value that is not visible ASCII")

    def changed(
        self,
        timeout: float | NotGiven | None,
        max_retries: int | NotGiven,
        headers: Mapping[str, str] | NotGiven,
    ) -> "Options":
        """The same with what is given in place of what was. Headers are added."""
        new = self
        if not isinstance(timeout, NotGiven):
            new = replace(new, timeout=timeout)
        if not isinstance(max_retries, NotGiven):
            new = replace(new, max_retries=max_retries)
        if not isinstance(headers, NotGiven):
            new = replace(new, headers={**new.headers, **headers})
        return new
