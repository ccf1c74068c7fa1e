"""Ids sort by time; cursors survive the way through a URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.domain.errors import InvalidRequest
from moderately.domain.ids import ENTROPY_BYTES, new_id
from moderately.domain.listing import Cursor

TIMES = st.integers(0, 2**56 - 1)
ENTROPY = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


@given(TIMES, TIMES, ENTROPY, ENTROPY)
def test_ids_sort_by_the_time_of_creation(a: int, b: int, x: bytes, y: bytes) -> None:
    first, second = new_id("exec", a, x), new_id("exec", b, y)
    assert (first < second) == (a < b) or a == b


@given(TIMES, ENTROPY)
def test_an_id_has_a_prefix_and_26_digits(now: int, entropy: bytes) -> None:
    prefix, _, digits = new_id("exec", now, entropy).partition("_")
    assert (prefix, len(digits)) == ("exec", 26)


@given(st.integers(0, 10**18 - 1), ENTROPY)
def test_a_cursor_reads_back_as_it_was(now: int, entropy: bytes) -> None:
    cursor = Cursor(now, new_id("exec", now, entropy))
    assert Cursor.decode(cursor.encode()) == cursor


@given(st.text(max_size=60))
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    try:
        cursor = Cursor.decode(text)
    except InvalidRequest:
        return
    assert cursor.encode() == text


def test_an_empty_cursor_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        Cursor.decode("")
