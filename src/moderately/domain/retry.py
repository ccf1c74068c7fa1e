"""When to try again, and after how long."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Retry"]

_MOST_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry policy: exponential backoff with jitter.

    The wait before attempt n + 1 is `min(max_backoff, backoff * factor ** (n - 1))`, more or less
    `jitter` of it.

    Attributes:
        attempts: How many attempts in all, the first included.
        backoff: The first wait, in seconds.
        factor: What each further wait is multiplied by.
        max_backoff: The longest wait, in seconds.
        jitter: How much of a wait is left to chance, from 0 to 1.
        on: The exceptions that are worth another attempt, as classes or as their names; a base
            class stands for all of its own. Every exception when empty.

    Raises:
        ValueError: If a value is out of its range.

    Example:
        >>> Retry(attempts=5, on=("ConnectionError", "TimeoutError")).delay(3, 0.5)
        4.0
    """

    attempts: int = 3
    backoff: float = 1.0
    factor: float = 2.0
    max_backoff: float = 60.0
    jitter: float = 0.1
    on: tuple[type[BaseException] | str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values."""
        if not 1 <= self.attempts <= _MOST_ATTEMPTS:
            raise ValueError(f"attempts is from 1 to {_MOST_ATTEMPTS}; not {self.attempts!r}")
        if not (self.backoff >= 0 and self.max_backoff >= 0 and self.factor >= 1):
            raise ValueError("backoff and max_backoff are 0 or more, and factor 1 or more")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is from 0 to 1; not {self.jitter!r}")

    def names(self) -> list[str]:
        """The names of the exceptions that are worth another attempt."""
        return [name if isinstance(name, str) else name.__name__ for name in self.on]

    def covers(self, kinds: Iterable[str]) -> bool:
        """Whether an exception is worth another attempt.

        Args:
            kinds: The names of its class and of all base classes.
        """
        return not self.on or not set(self.names()).isdisjoint(kinds)

    def delay(self, failures: int, chance: float) -> float:
        """How long to wait, in seconds.

        Args:
            failures: How many attempts have failed, 1 or more.
            chance: A random number from 0 to 1.
        """
        # Beyond some hundred doublings a float overflows; the longest wait is reached long before.
        wait = min(self.max_backoff, self.backoff * self.factor ** min(failures - 1, 200))
        return wait * (1 + self.jitter * (2 * chance - 1))

    def to_json(self) -> dict[str, Any]:
        """The policy as JSON."""
        return {
            "attempts": self.attempts,
            "backoff": self.backoff,
            "factor": self.factor,
            "max_backoff": self.max_backoff,
            "jitter": self.jitter,
            "on": self.names(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Retry":
        """The policy that `to_json` wrote, or a part of it."""
        return cls(**{**value, "on": tuple(value.get("on", ()))})
