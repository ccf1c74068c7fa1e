"""What an execution's events tell of its conversations with models, and what they cost. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from moderately.domain.execution import Event
from moderately.web.render import TextMode, render_value

__all__ = ["Message", "ToolCall", "Usage", "conversation", "usage_by_step", "usage_of"]

_MOST_CHARACTERS: Final = 20_000
_MOST_MESSAGES: Final = 200
_MOST_IN_ALL: Final = 400_000


class ToolCall(NamedTuple):
    """A call of a tool that a model asks for: its name, id and arguments."""

    name: str
    id: str
    arguments: Markup


class Usage(NamedTuple):
    """What requests to models took: tokens in and out, and US dollars; None where none told."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None

    def plus(self, other: "Usage") -> "Usage":
        """Both together."""
        return Usage._make(
            one if more is None else (one or 0) + more
            for one, more in zip(self, other, strict=True)
        )


class Message(NamedTuple):
    """A message of a conversation.

    Attributes:
        seq: The number of its event.
        role: Who says it.
        model: Which model; empty if none is named.
        step: The step that it belongs to; empty if to none.
        content: What it says.
        tool_calls: The tools that it asks for.
        tool_call_id: The call that it answers; empty if none.
        usage: What it took.
        created_at: When it was recorded, in microseconds.
    """

    seq: int
    role: str
    model: str
    step: str
    content: Markup
    tool_calls: tuple[ToolCall, ...]
    tool_call_id: str
    usage: Usage
    created_at: int


def conversation(
    events: Iterable[Event], *, raw_url: str | None = None, mode: TextMode = TextMode.AUTO
) -> tuple[list[Message], int]:
    """The messages among events, in order: the newest, and how many earlier ones there are.

    Args:
        events: The events.
        raw_url: Where all events are as JSON.
        mode: How texts are shown.
    """
    found = [event for event in events if event.type == "message"]
    shown, left = [], _MOST_IN_ALL
    for event in reversed(found[-_MOST_MESSAGES:]):
        if left <= 0:
            break
        shown.append(event)
        left -= min(len(str(event.data)), _MOST_CHARACTERS)
    shown.reverse()
    return [_message(event, raw_url, mode) for event in shown], len(found) - len(shown)


def usage_by_step(events: Iterable[Event]) -> dict[str, Usage]:
    """What each step's messages took, by the step's id."""
    found: dict[str, Usage] = {}
    for event in events:
        if event.type == "message":
            step = _text(event.data.get("step"))
            found[step] = found.get(step, Usage()).plus(usage_of(event.data))
    return found


def usage_of(data: Mapping[str, Any]) -> Usage:
    """What a message took, or all of an execution's: what it tells of itself."""
    tokens_in, tokens_out = data.get("input_tokens"), data.get("output_tokens")
    cost = data.get("cost")
    return Usage(
        tokens_in if isinstance(tokens_in, int) else None,
        tokens_out if isinstance(tokens_out, int) else None,
        float(cost) if isinstance(cost, int | float) else None,
    )


def _message(event: Event, raw_url: str | None, mode: TextMode) -> Message:
    data = event.data
    calls = data.get("tool_calls")
    return Message(
        seq=event.seq,
        role=_text(data.get("role")) or "message",
        model=_text(data.get("model")),
        step=_text(data.get("step")),
        content=_content(data.get("content"), raw_url, mode),
        tool_calls=tuple(
            _tool_call(call)
            for call in (calls if isinstance(calls, list) else [])
            if isinstance(call, dict)
        ),
        tool_call_id=_text(data.get("tool_call_id")),
        usage=usage_of(data),
        created_at=event.created_at,
    )


def _content(content: Any, raw_url: str | None, mode: TextMode) -> Markup:
    if content is None or content == "":
        return Markup("")
    return render_value(content, raw_url=raw_url, mode=mode, characters=_MOST_CHARACTERS)


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    arguments = render_value(call.get("arguments"), characters=_MOST_CHARACTERS)
    return ToolCall(_text(call.get("name")) or "tool", _text(call.get("id")), arguments)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
