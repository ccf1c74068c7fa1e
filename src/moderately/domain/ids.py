"""Ids that sort by creation: a prefix, the time in microseconds, and randomness."""

from typing import Final

__all__ = ["ENTROPY_BYTES", "new_id"]

ENTROPY_BYTES: Final = 9
"""How much randomness an id takes. Bytes."""

# Crockford's base 32, lower case: the digits sort as the numbers do, and none looks like another.
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = [high + low for high in _DIGITS for low in _DIGITS]
_TIME_BITS: Final = 8 * 7
_LENGTH: Final = 26


def new_id(prefix: str, now: int, entropy: bytes) -> str:
    """Make an id: 56 bits of time and 72 of randomness, as 26 digits of base 32.

    Two ids with different times sort by them, as text.

    Args:
        prefix: What it is an id of (`exec`).
        now: The time, in microseconds since the epoch; good until the year 4253.
        entropy: `ENTROPY_BYTES` random bytes.

    Returns:
        The id.

    Example:
        >>> new_id("exec", 1_700_000_000_000_000, bytes(9))
        'exec_0618j1g7j00000000000000000'
    """
    number = (now & ((1 << _TIME_BITS) - 1)) << (8 * ENTROPY_BYTES) | int.from_bytes(entropy, "big")
    pairs = [_PAIRS[(number >> shift) & 1023] for shift in range((_LENGTH - 2) * 5, -1, -10)]
    return f"{prefix}_{''.join(pairs)}"
