"""What keeps other sites out."""

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moderately.http import ApiOptions, Call
from moderately.web.security import Guard, key_cookie, local_target, visitor_cookie

HERE = "http://here.test:8787/ui/sign-in"


def call_with(scheme: str, **headers: str) -> Call:
    """A request that came so, for what reads its headers only."""
    nobody: Any = None
    scope: dict[str, Any] = {"method": "GET", "scheme": scheme, "query_string": b""}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
    options = ApiOptions(
        body_limit=1, max_wait=1.0, anonymous_team=None, version="1", heartbeat=15.0
    )

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is read of it")

    return Call(scope, receive, nobody, options, "")


def test_by_tls_the_cookie_is_secure_and_bound_to_the_host() -> None:
    cookie = key_cookie(call_with("https"), "a key; with ü", is_remembered=True)
    assert cookie.startswith("__Host-moderately_key=a%20key%3B%20with%20%C3%BC; ")
    assert set(cookie.split("; ")[1:]) == {
        "Path=/",
        "HttpOnly",
        "SameSite=Strict",
        "Max-Age=2592000",
        "Secure",
    }


def test_what_a_proxy_says_of_tls_is_not_trusted() -> None:
    call = call_with("http", **{"x-forwarded-proto": "https"})
    assert "Secure" not in key_cookie(call, "key")


@pytest.mark.parametrize("scheme", ["http", "https"])
@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_cookie_reads_back_whatever_it_holds(scheme: str, visitor: str) -> None:
    sent = visitor_cookie(call_with(scheme), visitor).partition(";")[0]
    assert Guard.visitor(call_with(scheme, cookie=f"a=b; {sent}; c")) == visitor
    other = {"http": "https", "https": "http"}[scheme]
    assert Guard.visitor(call_with(other, cookie=sent)) == ""


def test_tokens_differ_by_browser_and_by_process() -> None:
    call = call_with("http", cookie="moderately_key=k")
    one, other = Guard(), Guard()
    assert one.token(call) == other.token(call)
    assert one.token(call) != one.token(call, "visitor")


@given(st.text() | st.text(alphabet="/\\.?#@:aui%0d\r\n\t "))
@example("//evil.test")
@example("/\\evil.test")
@example("/ui//evil.test")
@example("/?\r\nLocation: x")
@example("/ui/../\\evil.test")
def test_a_target_is_a_page_of_ours(text: str) -> None:
    found = local_target(text)
    assert found in ("/", text)
    parts = urlsplit(urljoin(HERE, found))
    assert (parts.scheme, parts.netloc) == ("http", "here.test:8787")
    assert found.isprintable()
    assert found.isascii()
