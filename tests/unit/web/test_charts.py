"""Plots."""

from xml.etree import ElementTree as ET

from moderately.web.charts import Series, plot

MINUTE = 60_000_000
START = 1_700_000_000_000_000
POINTS = [(START + n * MINUTE, float(n)) for n in range(60)]


def test_a_plot_is_well_formed_and_tells_its_numbers_in_words() -> None:
    html = plot("Ends per <minute>", [Series("completed", POINTS, is_area=True)])
    svg = ET.fromstring(f"<x>{html}</x>").find(".//svg")  # noqa: S314 - it is our own
    assert svg is not None
    assert svg.get("aria-label") == "Ends per <minute>. completed: from 0 to 59, 59 at last."
    assert "style=" not in html
    assert html.count("<tr>") == 61


def test_points_lie_within_the_frame() -> None:
    html = plot("t", [Series("a", POINTS), Series("b", [(time, 3.0) for time, _ in POINTS])])
    for line in ET.fromstring(f"<x>{html}</x>").iter("polyline"):  # noqa: S314 - it is our own
        for point in line.get("points", "").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 640
            assert 0 <= y <= 180


def test_a_hole_breaks_the_line() -> None:
    points = [(START, 1.0), (START + MINUTE, None), (START + 2 * MINUTE, 2.0)]
    html = plot("t", [Series("a", points)])
    assert html.count("<circle") == 2


def test_a_plot_of_nothing_says_so() -> None:
    assert "Nothing in this time" in plot("t", [Series("a", [(START, None)])])
    assert "<svg" in plot("t", [Series("a", [(START, 0.0)])])
