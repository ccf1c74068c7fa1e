"""Replies: any JSON has one, and it leaves whole."""

import asyncio
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.http import json_reply
from moderately.wiring.http import WholeReplies

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4)
    ),
)


@given(VALUES)
def test_a_reply_reads_back_as_it_was(value: Any) -> None:
    assert json.loads(json_reply(value).body) == value


@pytest.mark.parametrize("value", ["\ud83d", {"\udc00": 1}, "\u2028\x7f é"])
def test_text_that_utf_8_does_not_carry_is_escaped(value: Any) -> None:
    assert json.loads(json_reply(value).body) == value


def test_what_nests_deep_has_a_reply() -> None:
    value: list[Any] = []
    for _ in range(500):
        value = [value]
    assert json_reply(value).body == b"[" * 501 + b"]" * 501


class Transport:
    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.calls.append(b"closed")

    def __getattr__(self, name: str) -> Any:
        return None


def written(*data: bytes, close: bool = False) -> list[bytes]:
    """What a transport gets to write, at once and in the loop's next turn."""
    transport = Transport()

    async def write() -> None:
        loop = asyncio.get_running_loop()
        whole = WholeReplies(cast("asyncio.Transport", transport), loop)
        for one in data:
            whole.write(one)
        if close:
            whole.close()
        transport.calls.append(b"|")
        await asyncio.sleep(0)

    asyncio.run(write())
    return transport.calls


def test_a_head_and_its_body_leave_together() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    assert written(head, b"body", b"more") == [head + b"body", b"more", b"|"]
    assert written(head, b"body", head, b"") == [head + b"body", head, b"|"]


def test_a_head_without_a_body_waits_no_longer_than_a_turn() -> None:
    head = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert written(head) == [b"|", head]
    assert written(head, close=True) == [head, b"closed", b"|"]
