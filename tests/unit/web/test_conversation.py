"""Conversations, and what they cost."""

from typing import Any

from moderately.domain.execution import Event
from moderately.web.conversation import Usage, conversation, usage_by_step


def message(seq: int, **data: Any) -> Event:
    return Event("exec_1", seq, "message", data, 1_700_000_000_000_000)


def test_messages_are_shown_in_order_with_their_tool_calls() -> None:
    calls = [{"id": "c1", "name": "search", "arguments": {"q": "<b>"}}]
    events = [
        message(2, role="user", content="Why?"),
        Event("exec_1", 3, "log", {}, 0),
        message(4, role="assistant", content="# Since", model="m", tool_calls=calls, step="0/1"),
        message(5, role="tool", content={"hits": 2}, tool_call_id="c1"),
    ]
    [asked, said, found], earlier = conversation(events)
    assert earlier == 0
    assert asked.content == '<p class="text">Why?</p>'
    assert "<h3>Since</h3>" in said.content
    assert (said.model, said.step, said.tool_calls[0].name) == ("m", "0/1", "search")
    assert "&lt;b&gt;" in said.tool_calls[0].arguments
    assert (found.role, found.tool_call_id) == ("tool", "c1")


def test_usage_is_added_up_by_step() -> None:
    events = [
        message(1, role="assistant", content="", step="0/1", input_tokens=5, output_tokens=1),
        message(2, role="assistant", content="", step="0/1", input_tokens=7, cost=0.5),
        message(3, role="assistant", content="", cost=0.25),
        message(4, role="user", content=""),
    ]
    found = usage_by_step(events)
    assert found["0/1"] == Usage(12, 1, 0.5)
    assert found[""] == Usage(None, None, 0.25)


def test_what_a_message_should_not_hold_does_no_harm() -> None:
    odd = message(1, role=3, content=None, tool_calls=["x", {"name": 1}], step=[], cost="much")
    [found], _ = conversation([odd])
    assert (found.role, found.content, found.tool_calls[0].name) == ("message", "", "tool")
    assert usage_by_step([odd]) == {"": Usage()}


def test_a_long_conversation_is_shown_from_its_end() -> None:
    events = [message(seq, role="user", content="x") for seq in range(1, 301)]
    found, earlier = conversation(events)
    assert (len(found), earlier, found[-1].seq) == (200, 100, 300)


def test_of_long_messages_fewer_are_shown() -> None:
    events = [message(seq, role="user", content="x" * 100_000) for seq in range(1, 301)]
    found, earlier = conversation(events, raw_url="/raw")
    assert (len(found), earlier, found[-1].seq) == (20, 280, 300)
    assert len(found[0].content) < 21_000
    assert 'href="/raw"' in found[0].content
