"""How templates show times, durations and numbers."""

from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup

from moderately.http.wire import timestamp

__all__ = ["FILTERS", "duration", "money", "share", "short_id", "size", "utc_field", "when"]

_SECOND: Final = 1_000_000
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_TAIL: Final = 8
_KIBI: Final = 1024


def when(microseconds: int | None) -> Markup:
    """A time as an element: UTC for who has no script, the viewer's own zone for who has."""
    if microseconds is None:
        return Markup("—")
    iso = timestamp(microseconds)
    shown = f"{iso[:10]} {iso[11:19]} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, iso, shown)


def utc_field(microseconds: int | None) -> str:
    """A time as a field for one holds it, in UTC and to the second."""
    return "" if microseconds is None else timestamp(microseconds)[:19]


def duration(microseconds: int | None) -> str:
    """A span of time, in two units at most.

    Example:
        >>> duration(61_500_000)
        '1m 1s'
    """
    if microseconds is None:
        return "—"
    seconds = max(microseconds, 0) / _SECOND
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR}h"


def money(dollars: float | None) -> str:
    """US dollars, with as many digits as small sums need."""
    if dollars is None:
        return "—"
    return f"${dollars:.2f}" if dollars >= 1 or dollars == 0 else f"${dollars:.4f}"


def short_id(identifier: str) -> str:
    """The end of an id, where ids of the same moment differ.

    Example:
        >>> short_id("exec_01kb4tz0m3v8q2r6x1c5d9f7g8")
        '…c5d9f7g8'
    """
    rest = identifier.rpartition("_")[2]
    return f"…{rest[-_TAIL:]}" if rest != identifier and len(rest) > _TAIL else identifier


def size(octets: int) -> str:
    """A size in bytes.

    Example:
        >>> size(1_500_000)
        '1.4 MiB'
    """
    number = float(octets)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KIBI:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KIBI
    return f"{number:.1f} TiB"


def share(part: float) -> str:
    """A part of one, as a share that SVG takes for a place.

    Example:
        >>> share(0.5)
        '50.000%'
    """
    return f"{part:.3%}"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "duration": duration,
    "money": money,
    "share": share,
    "short_id": short_id,
    "size": size,
    "utc_field": utc_field,
    "when": when,
}
