"""Limits on how often and how many at once, as arithmetic."""

from dataclasses import dataclass

__all__ = ["Rate"]

_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many starts in a period: the generic cell rate algorithm (ITU-T I.371, annex A).

    Attributes:
        count: How many starts; as many may come at once after a quiet period.
        period: In how many microseconds.

    Example:
        >>> Rate.parse("10/m")
        Rate(count=10, period=60000000)
    """

    count: int
    period: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read `count/unit`, the unit being s, m, h or d.

        Raises:
            ValueError: If it is none.
        """
        count, _, unit = text.partition("/")
        if not (count.isascii() and count.isdigit() and int(count) > 0 and unit in _PERIODS):
            raise ValueError(
                f"a rate is a count and a unit (s, m, h or d), as '10/m'; not {text!r}"
            )
        return cls(int(count), _PERIODS[unit] * 1_000_000)

    def __str__(self) -> str:
        """As `parse` reads it."""
        unit = next(name for name, s in _PERIODS.items() if s * 1_000_000 == self.period)
        return f"{self.count}/{unit}"

    def allowance(self, arrival: int, now: int) -> int:
        """How many starts are allowed now.

        Args:
            arrival: The theoretical arrival time that `spend` gave last; 0 at first.
            now: The time, in microseconds.
        """
        return max(0, (now + self.period - max(arrival, now)) * self.count // self.period)

    def spend(self, arrival: int, now: int, starts: int) -> int:
        """The theoretical arrival time after some starts."""
        return max(arrival, now) + starts * self.period // self.count

    def next_at(self, arrival: int, now: int) -> int:
        """When the next start is allowed, in microseconds."""
        return max(now, arrival - self.period + -(-self.period // self.count))
