"""How pages show times, durations and numbers."""

import pytest

from moderately.web.filters import duration, money, short_id, size, utc_field, when


@pytest.mark.parametrize(
    ("microseconds", "shown"),
    [
        (None, "—"),
        (-5, "0ms"),
        (1_499, "1ms"),
        (59_900_000, "59.9s"),
        (60_000_000, "1m 0s"),
        (3_599_000_000, "59m 59s"),
        (3_600_000_000, "1h 0m"),
        (90_000_000_000, "1d 1h"),
    ],
)
def test_a_duration_has_two_units_at_most(microseconds: int | None, shown: str) -> None:
    assert duration(microseconds) == shown


def test_small_sums_keep_their_digits() -> None:
    assert [money(sum_) for sum_ in (None, 0.0, 0.00123, 12.5)] == [
        "—",
        "$0.00",
        "$0.0012",
        "$12.50",
    ]


def test_sizes_are_binary() -> None:
    assert [size(n) for n in (0, 1023, 1024, 5 << 30, 3 << 50)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 GiB",
        "3072.0 TiB",
    ]


def test_an_id_is_known_by_its_end() -> None:
    assert short_id("exec_01kb4tz0m3v8q2r6x1c5d9f7g8") == "…c5d9f7g8"
    assert short_id("exec_1") == "exec_1"
    assert short_id("a-name-without-a-prefix") == "a-name-without-a-prefix"


def test_a_time_is_utc_until_a_script_knows_better() -> None:
    at = 1_700_000_000_000_001
    assert when(at) == (
        '<time datetime="2023-11-14T22:13:20.000001Z" title="2023-11-14T22:13:20.000001Z">'
        "2023-11-14 22:13:20 UTC</time>"
    )
    assert when(None) == "—"
    assert utc_field(at) == "2023-11-14T22:13:20"
    assert utc_field(None) == ""
