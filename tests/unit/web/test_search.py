"""A search of executions lives in its address, whatever it holds."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.domain.errors import InvalidRequest
from moderately.http.fields import Query
from moderately.protocol.vocabulary import OrderBy, OrderDirection, Status
from moderately.web.search import Search, read_search

words = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=40)
stripped = words.map(str.strip).filter(bool)
searches = st.builds(
    Search,
    agent_id=st.none() | stripped,
    statuses=st.lists(st.sampled_from(Status), unique=True).map(tuple),
    created_after=st.none() | st.just("2026-01-31T12:00"),
    created_before=st.none() | st.just("2026-01-31T12:00:00+01:00"),
    labels=st.dictionaries(words, words, max_size=3).map(lambda found: tuple(found.items())),
    text=st.none() | stripped,
    order_by=st.sampled_from(OrderBy),
    order_direction=st.sampled_from(OrderDirection),
    page=st.integers(1, 10**9),
    page_size=st.integers(1, 200),
)


def read(url: str) -> Search:
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path) == ("", "", "/")
    return read_search(Query(parts.query.encode("ascii")))


@given(searches)
def test_the_address_says_the_whole_search(search: Search) -> None:
    assert read(search.url()) == search


@given(searches, st.sampled_from(Status))
def test_a_status_is_toggled_there_and_back(search: Search, status: Status) -> None:
    once = read(search.toggled(status))
    assert (status in once.statuses) != (status in search.statuses)
    assert set(read(once.toggled(status)).statuses) == set(search.statuses)
    assert once.page == 1


@given(searches, words, words)
def test_a_label_is_added_and_removed(search: Search, key: str, value: str) -> None:
    added = read(search.labelled(key, value))
    assert dict(added.labels)[key] == value
    assert key not in dict(read(added.unlabelled(key)).labels)


def test_a_header_orders_and_then_turns_the_order() -> None:
    first = read(Search(page=3).ordered("status"))
    assert (first.order_by, first.order_direction) == (OrderBy.STATUS, OrderDirection.DESC)
    second = read(first.ordered("status"))
    assert (second.order_by, second.order_direction) == (OrderBy.STATUS, OrderDirection.ASC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("exec_0", [{"id_prefix": "exec_0"}]),
        ("team=blue", [{"metadata": {"team": "blue"}}]),
        ("a=b=c", [{"metadata": {"a": "b=c"}}]),
        ("=b", [{"label_prefix": "=b"}]),
        ("blue", [{"label_prefix": "blue"}]),
        ("c5d9f7g8", [{"label_prefix": "c5d9f7g8"}, {"id_suffix": "c5d9f7g8"}]),
        ("…c5d9f7g8", [{"label_prefix": "…c5d9f7g8"}, {"id_suffix": "c5d9f7g8"}]),
    ],
)
def test_a_text_is_an_id_or_a_label(text: str, found: list[dict[str, object]]) -> None:
    queries = Search(text=text).queries()
    names = ("id_prefix", "id_suffix", "label_prefix", "metadata")
    given_ = [{name: getattr(q, name) for name in names if getattr(q, name)} for q in queries]
    assert given_ == found


def test_the_stream_hears_of_all_statuses() -> None:
    search = Search(agent_id="a", statuses=(Status.FAILED,), text="k=v", labels=(("l", "w"),))
    parts = urlsplit(search.stream())
    assert parts.path == "/ui/events"
    assert parse_qs(parts.query) == {"agent_id": ["a"], "metadata.k": ["v"], "metadata.l": ["w"]}


def test_a_time_without_an_offset_is_utc() -> None:
    [one] = Search(created_after="2026-01-31T12:00").queries()
    [other] = Search(created_after="2026-01-31T13:00:00+01:00").queries()
    assert one.created_after == other.created_after
    with pytest.raises(InvalidRequest, match="created_after"):
        Search(created_after="yesterday").queries()
