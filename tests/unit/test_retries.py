"""Whether to try again, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.client.errors import APIConnectionError
from moderately.client.replies import RawReply
from moderately.client.requests import Request, keyed_request, post_request
from moderately.client.retries import retry_delay, should_retry

READ = Request("GET", "/x")
CREATE = keyed_request("/x", {}, None)
CHANGE = post_request("/x", {})
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_retry_waits_a_bounded_time(tries: int, chance: float) -> None:
    assert 0 <= retry_delay(tries, None, chance) <= 8


@given(st.integers(1, 50), st.floats(0, 1e6), st.floats(0, 1))
def test_what_the_service_says_is_done(tries: int, told: float, chance: float) -> None:
    assert retry_delay(tries, told, chance) == told


@given(st.integers(100, 599), st.integers(1, 9), st.sampled_from([READ, CREATE]))
def test_what_may_pass_is_sent_again(status: int, tries: int, request: Request) -> None:
    again = should_retry(request, RawReply(status, {}, b""), tries, 2)
    assert again == (tries <= 2 and status in TRANSIENT)


@given(st.integers(100, 599))
def test_what_may_not_be_done_twice_is_sent_again_after_a_429_only(status: int) -> None:
    assert should_retry(CHANGE, RawReply(status, {}, b""), 1, 2) == (status == 429)


@pytest.mark.parametrize("was_sent", [True, False])
@pytest.mark.parametrize("request_", [READ, CREATE, CHANGE])
def test_a_lost_connection(request_: Request, was_sent: bool) -> None:
    lost = APIConnectionError("lost", was_sent=was_sent)
    assert should_retry(request_, lost, 1, 2) == (request_ is not CHANGE or not was_sent)


def test_a_conflict_is_sent_again_for_a_create_that_is_told_when() -> None:
    told = RawReply(409, {"retry-after": "1"}, b"")
    assert should_retry(CREATE, told, 1, 2)
    assert not should_retry(CREATE, RawReply(409, {}, b""), 1, 2)
    assert not should_retry(READ, told, 1, 2)
