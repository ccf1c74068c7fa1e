"""Server-sent events are read as the standard says, however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.protocol.sse import (
    COMMENT,
    EventTooLargeError,
    Parser,
    ServerSentEvent,
    encode,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=8)
# What streams are made of, and what parsers stumble over.
FIELDS = b"data|:| |id|event|retry|12|x|data: a\n|id: 7\n\n".split(b"|")
ODD_BYTES = [b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"\xff", b"\xef\xbb\xbf", "é".encode()]
PIECES = st.sampled_from([*FIELDS, *ODD_BYTES])


def read(*chunks: bytes) -> list[ServerSentEvent]:
    parser = Parser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@given(st.lists(PIECES, max_size=30), st.data())
def test_any_cut_of_the_bytes_gives_the_same_events(
    pieces: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    one, other = Parser(), Parser()
    events = one.feed(whole)
    assert [event for chunk in chunks for event in other.feed(chunk)] == events
    assert (one.last_event_id, one.retry) == (other.last_event_id, other.retry)


@given(TEXT, LINE.filter(bool), LINE)
def test_what_is_written_is_read(data: str, event: str, event_id: str) -> None:
    lines = data.replace("\r\n", "\n").replace("\r", "\n")
    found = read(encode(data, event=event, id=event_id))
    assert found == [ServerSentEvent(lines, event, event_id)]


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_no_bytes_break_the_parser(chunks: list[bytes]) -> None:
    read(*chunks)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_end_in_each_of_three_ways(end: bytes) -> None:
    lines = [b"event: log", b"data: one", b"data: two", b"id: 3", b"", b""]
    assert read(end.join(lines)) == [ServerSentEvent("one\ntwo", "log", "3")]


def test_an_event_is_told_with_the_carriage_return_that_ends_it() -> None:
    assert read(b"data: now\r\r") == [ServerSentEvent("now")]
    assert read(b"data: now\r\n\r", b"\ndata: next\r\n\r", b"\n") == [
        ServerSentEvent("now"),
        ServerSentEvent("next"),
    ]


def test_a_mark_of_the_byte_order_is_passed_over_at_the_start_only() -> None:
    assert read(b"\xef\xbb", b"\xbfdata: a\n\n") == [ServerSentEvent("a")]
    assert read(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n") == []
    assert read(b"data: a\n\n\xef\xbb\xbfdata: b\n\n") == [ServerSentEvent("a")]


def test_only_one_space_is_taken_from_a_value() -> None:
    assert read(b"data:a\ndata: b\ndata:  c\ndata\n\n") == [ServerSentEvent("a\nb\n c\n")]


def test_empty_data_is_an_event_and_no_data_is_none() -> None:
    assert read(b"data\n\n") == [ServerSentEvent("")]
    assert read(b"event: log\n\ndata: a\n\n") == [ServerSentEvent("a")]


def test_comments_and_unknown_fields_are_passed_over() -> None:
    assert read(COMMENT, b": data: no\n\nwhat: ever\ndata: a\n\n") == [ServerSentEvent("a")]


def test_an_id_without_data_moves_the_place_on() -> None:
    parser = Parser("3")
    assert parser.feed(encode(id="4", comment=True)) == []
    assert parser.last_event_id == "4"
    assert parser.feed(b"data: a\n\n") == [ServerSentEvent("a", id="4")]


def test_an_id_counts_only_once_its_block_is_whole() -> None:
    parser = Parser("3")
    parser.feed(b"id: 4\ndata: a\n")
    assert parser.last_event_id == "3"


def test_an_id_with_a_nul_is_ignored() -> None:
    assert read(b"id: 3\ndata: a\n\nid: 4\0\ndata: b\n\n")[1].id == "3"


def test_an_empty_id_resets_the_place() -> None:
    assert read(b"id: 3\ndata: a\n\nid\ndata: b\n\n")[1].id == ""


@pytest.mark.parametrize(("text", "retry"), [(b"250", 250), (b"2.5", None), (b"-1", None)])
def test_retry_is_a_number_of_milliseconds(text: bytes, retry: int | None) -> None:
    parser = Parser()
    parser.feed(b"retry: " + text + b"\n")
    assert parser.retry == retry


def test_an_event_over_the_limit_is_a_clear_error() -> None:
    with pytest.raises(EventTooLargeError, match="over 100 bytes"):
        Parser(limit=100).feed(b"data: " + b"x" * 100)
    parser = Parser(limit=100)
    parser.feed(b"data: 12345\n" * 8)
    with pytest.raises(EventTooLargeError):
        parser.feed(b"data: 12345\n" * 8)


def test_many_events_and_comments_are_not_over_the_limit() -> None:
    parser = Parser(limit=100)
    for _ in range(50):
        assert len(parser.feed(b": a comment\ndata: 12345\n\n")) == 1


@pytest.mark.parametrize("wrong", [{"event": "a\nb"}, {"id": "a\rb"}, {"id": "a\0b"}])
def test_what_no_reader_would_get_is_not_written(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="one line"):
        encode("data", **wrong)


def test_the_first_frame_says_when_to_come_back() -> None:
    assert encode(retry=1000) == b"retry: 1000\n\n"
