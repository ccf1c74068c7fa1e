"""Small plots as SVG, with their numbers as a table for who does not see them. Pure.

No style is inline and no script is needed: `charts.css` has their looks.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from moderately.http.wire import timestamp
from moderately.web.filters import when

__all__ = ["Series", "plot"]

_WIDTH: Final = 640
_HEIGHT: Final = 180
_LEFT: Final = 52
_RIGHT: Final = 12
_TOP: Final = 10
_BOTTOM: Final = 24
_LINES: Final = 4
_MARKS: Final = 6
_HOUR: Final = 3_600_000_000
_DAY: Final = 24 * _HOUR
_DOT: Final = 2


class Series(NamedTuple):
    """What a plot shows.

    Attributes:
        name: What it is, in its legend.
        points: Times in microseconds, rising, each with its value; None where there is none.
        is_area: Whether the room below its line is filled.
    """

    name: str
    points: Sequence[tuple[int, float | None]]
    is_area: bool = False


class _Frame(NamedTuple):
    first: int
    last: int
    top: float

    def x(self, time: int) -> float:
        share = (time - self.first) / max(1, self.last - self.first)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        return round(_HEIGHT - _BOTTOM - value / self.top * (_HEIGHT - _TOP - _BOTTOM), 1)


def plot(
    title: str,
    series: Sequence[Series],
    *,
    shown: Callable[[float], str] = lambda value: f"{value:g}",
    name: str = "plot",
) -> Markup:
    """Draw series over time.

    Args:
        title: What it shows.
        series: One to four of them, over the same times.
        shown: How a value is written.
        name: Unlike all other plots' of the page, for its element ids.
    """
    times = [time for one in series for time, _ in one.points]
    values = [value for one in series for _, value in one.points if value is not None]
    head = Markup("<figcaption>{}{}</figcaption>").format(title, _legend(series))
    if not values:
        empty = Markup('<p class="faint">Nothing in this time.</p>')
        return Markup('<figure class="plot">{}{}</figure>').format(head, empty)
    frame = _Frame(min(times), max(times), _round_top(max(values)))
    drawn = [
        *_grid(frame, shown),
        *itertools.chain.from_iterable(
            _line(index, one, frame) for index, one in enumerate(series, 1)
        ),
    ]
    label = f"{title}. {_summary(series, shown)}"
    svg = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, label, Markup("").join(drawn)
    )
    table = _table(title, series, shown)
    return Markup('<figure class="plot" id="{}">{}{}{}</figure>').format(name, head, svg, table)


def _round_top(value: float) -> float:
    """A round number, not below the largest value."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    factor = next(one for one in (1, 2, 2.5, 5, 10, 20) if one * unit >= value)
    return float(factor * unit)


def _grid(frame: _Frame, shown: Callable[[float], str]) -> Iterable[Markup]:
    for index in range(_LINES + 1):
        value = frame.top * index / _LINES
        y = frame.y(value)
        yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            _LEFT, _WIDTH - _RIGHT, y, y
        )
        yield Markup('<text class="axis" x="{}" y="{}" text-anchor="end">{}</text>').format(
            _LEFT - 6, y + 4, shown(value)
        )
    for index in range(_MARKS if frame.last > frame.first else 1):
        time = frame.first + (frame.last - frame.first) * index // (_MARKS - 1)
        anchor = {0: "start", _MARKS - 1: "end"}.get(index, "middle")
        # The script of `times.js` knows times in HTML only: here they stay in UTC.
        yield Markup('<text class="axis" x="{}" y="{}" text-anchor="{}">{}</text>').format(
            frame.x(time), _HEIGHT - 6, anchor, _clock(time, frame)
        )


def _clock(time: int, frame: _Frame) -> str:
    iso = timestamp(time)
    if frame.last - frame.first > 2 * _DAY:
        return iso[5:10]
    return f"{iso[11:16]} UTC" if time == frame.last else iso[11:16]


def _line(index: int, one: Series, frame: _Frame) -> Iterable[Markup]:
    """A line for each stretch without a hole."""
    for has_value, group in itertools.groupby(one.points, key=lambda point: point[1] is not None):
        if not has_value:
            continue
        points = [(frame.x(time), frame.y(value or 0.0)) for time, value in group]
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        if one.is_area:
            base = frame.y(0.0)
            closed = f"{points[0][0]:g},{base:g} {path} {points[-1][0]:g},{base:g}"
            yield Markup('<polygon class="area series-{}" points="{}"/>').format(index, closed)
        if len(points) == 1:
            yield Markup('<circle class="dot series-{}" cx="{}" cy="{}" r="{}"/>').format(
                index, *points[0], _DOT
            )
        else:
            yield Markup('<polyline class="line series-{}" points="{}"/>').format(index, path)


def _legend(series: Sequence[Series]) -> Markup:
    if len(series) == 1:
        return Markup("")
    names = (
        Markup('<li class="series-{}">{}</li>').format(index, one.name)
        for index, one in enumerate(series, 1)
    )
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(names))


def _summary(series: Sequence[Series], shown: Callable[[float], str]) -> str:
    found = []
    for one in series:
        values = [value for _, value in one.points if value is not None]
        if values:
            found.append(
                f"{one.name}: from {shown(min(values))} to {shown(max(values))},"
                f" {shown(values[-1])} at last."
            )
    return " ".join(found)


def _table(title: str, series: Sequence[Series], shown: Callable[[float], str]) -> Markup:
    heads = Markup("").join(Markup('<th scope="col">{}</th>').format(one.name) for one in series)
    by_time: dict[int, list[str]] = {}
    for index, one in enumerate(series):
        for time, value in one.points:
            if value is not None:
                by_time.setdefault(time, ["—"] * len(series))[index] = shown(value)
    rows = Markup("").join(
        Markup("<tr><td>{}</td>{}</tr>").format(
            when(time), Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells)
        )
        for time, cells in sorted(by_time.items())
    )
    return Markup(
        "<details><summary>As a table</summary>"
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table>'
        '<thead><tr><th scope="col">Time</th>{}</tr></thead><tbody>{}</tbody></table></div>'
        "</details>"
    ).format(title, heads, rows)
