"""The newest events of an execution, as many as a page can hold."""

from typing import Final

from moderately.domain.execution import Event, Execution
from moderately.http import Call
from moderately.http.replies import json_bytes

__all__ = ["newest_events"]

_MOST: Final = 5_000
_MOST_BYTES: Final = 8_000_000
_FIRST: Final = 200


async def newest_events(call: Call, execution: Execution) -> list[Event]:
    """Read an execution's newest events, in order: 5,000, or 8 MB of them where they are large.

    Args:
        call: The call that they are for.
        execution: The execution; no event that came after it was read is among them.
    """
    portions: list[list[Event]] = []
    first, count, size, limit = execution.event_seq, 0, 0, _FIRST
    while first > 0 and limit > 0:
        last, first = first, max(0, first - limit)
        found = await call.service.events.page(
            call.principal, execution.id, after=first, limit=last - first, wait=None
        )
        portions.append(found.items)
        count += len(found.items)
        size += sum(len(json_bytes(event.data)) for event in found.items)
        # As many more as there is room for, if they are as large as those so far.
        limit = min(_MOST - count, (_MOST_BYTES - size) * count // max(size, 1))
    return [event for portion in reversed(portions) for event in portion]
