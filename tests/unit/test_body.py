"""Request bodies: plain JSON is read as it is, anything else is refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.domain.errors import InvalidRequest
from moderately.http.body import parse_json, parse_object
from moderately.http.fields import CREATE_FIELDS, Query, list_query, new_execution

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


@given(VALUES, st.booleans())
def test_plain_json_reads_back_as_it_was(value: Any, is_ascii: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=is_ascii).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        parse_json(raw)
    except InvalidRequest as error:
        refusal = error
    else:
        return
    assert refusal.details


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 1000 + b"]" * 1000, "deeper"),
        (b'{"a":' * 100_000, "deeper"),
        (b"1" * 5000, "digits"),
        (b'{"a": {"b": ["\\u0000"]}}', "U+0000"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udc00": 1}', "surrogate"),
    ],
)
def test_what_is_not_plain_json_is_refused_by_name(raw: bytes, word: str) -> None:
    with pytest.raises(InvalidRequest, match="(?i)" + word.replace("+", r"\+")):
        parse_json(raw)


def test_a_nul_is_refused_with_its_path() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_json(b'{"input_data": {"q": ["x", "\\u0000"]}}')
    assert caught.value.details[0]["field"] == "input_data.q.1"


def test_brackets_within_strings_do_not_nest() -> None:
    assert parse_json(json.dumps({"a": "[{" * 500}).encode()) == {"a": "[{" * 500}


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_unknown_fields_are_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_object(b'{"agent_id": "x", "agnet": 1}', CREATE_FIELDS)
    assert caught.value.details[0]["field"] == "agnet"


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        new_execution({"agent_id": 1, "input_data": [], "priority": 1.5, "max_steps": True}, 0)
    fields = [detail["field"] for detail in caught.value.details]
    assert fields == ["agent_id", "input_data", "priority", "max_steps"]


@given(st.text(max_size=80))
def test_any_query_is_read_or_refused(text: str) -> None:
    try:
        list_query(Query(text.encode("ascii", "ignore")))
    except InvalidRequest as error:
        refusal = error
    else:
        return
    assert refusal.details


def test_a_time_keeps_its_microseconds() -> None:
    query = list_query(Query(b"created_after=2026-01-31T12:00:00.123457Z"))
    assert query.created_after is not None
    assert query.created_after % 1_000_000 == 123457
