"""What keeps other sites out."""

from urllib.parse import urljoin, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from moderately.web.security import local_target

HERE = "http://here.test:8787/ui/sign-in"


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
