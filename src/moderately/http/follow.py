"""The streams of events: an execution's, and the whole team's (server-sent events)."""

from typing import Final

from moderately.domain.errors import InvalidRequest
from moderately.domain.execution import Event
from moderately.domain.following import EventFilter, Place
from moderately.domain.log import LiveEvent
from moderately.http.calls import Call
from moderately.http.fields import Query, optional_text, statuses
from moderately.http.replies import Reply, json_bytes
from moderately.http.streams import Stream
from moderately.http.wire import event_object, live_object, team_event_object
from moderately.protocol import routes, sse
from moderately.protocol.events import END_FRAME, EVENTS_VERSION, LIVE_FRAME, OPEN_FRAME
from moderately.protocol.vocabulary import TERMINAL_STATUSES
from moderately.service import Following, Told

__all__ = [
    "LAST_EVENT",
    "event_filter",
    "execution_stream",
    "read_place",
    "team_stream",
    "wants_stream",
]

LAST_EVENT: Final = 10**15
"""The largest number that an event can have."""

_DIGITS: Final = len(str(LAST_EVENT))
_IDS: Final = 100
_RETRY: Final = sse.encode(retry=1000)
_ENDS: Final = {f"execution.{status.value}": status for status in TERMINAL_STATUSES}
_HEADERS: Final = {
    routes.EVENTS_VERSION: str(EVENTS_VERSION),
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


def wants_stream(call: Call) -> bool:
    """Whether the caller asks for server-sent events."""
    return sse.MEDIA_TYPE in (call.header("accept") or "").lower()


async def execution_stream(call: Call) -> Reply:
    """Stream an execution's events.

    Args:
        call: The request; `after`, `live` and `Last-Event-ID` say from where, and what.

    Raises:
        InvalidRequest: If one of them is wrong.
        ExecutionNotFound: If there is none in the team.
    """
    after = call.query.integer("after", 0, 0, LAST_EVENT)
    with_live = call.query.flag("live")
    call.query.done()
    last = call.header(routes.LAST_EVENT_ID)
    if last:
        is_number = last.isascii() and last.isdigit() and len(last) <= _DIGITS
        if not is_number or int(last) > LAST_EVENT:
            raise InvalidRequest.field(routes.LAST_EVENT_ID, "must be the number of an event")
        after = int(last)
    following = await call.service.events.follow(
        call.principal, call.identifier, after=after, with_live=with_live
    )

    def ending(told: Told | None) -> bytes:
        return _end(following, told)

    stream = Stream(
        following,
        _render,
        opening=_RETRY,
        beat=lambda: sse.COMMENT,
        heartbeat=call.options.heartbeat,
        ending=ending,
    )
    return _reply(stream)


def _end(following: Following, told: Told | None) -> bytes:
    """The frame that ends an execution's stream, behind the event that ends the execution."""
    execution = following.execution
    if told is None:
        if not following.is_over:
            return b""
        status, seq = execution.status, execution.event_seq
    elif isinstance(told.event, Event) and told.event.type in _ENDS:
        status, seq = _ENDS[told.event.type], told.event.seq
    else:
        return b""
    said = {"execution_id": execution.id, "status": status.value, "last_seq": seq}
    return sse.encode(json_bytes(said), event=END_FRAME)


def _render(told: Told) -> bytes:
    event = told.event
    if isinstance(event, LiveEvent):
        return sse.encode(json_bytes(live_object(event, told.after)), event=LIVE_FRAME)
    return sse.encode(json_bytes(event_object(event)), id=str(event.seq))


def _reply(stream: Stream) -> Reply:
    return Reply(
        200, media_type=f"{sse.MEDIA_TYPE}; charset=utf-8", headers=dict(_HEADERS), stream=stream
    )


async def team_stream(call: Call) -> Reply:
    """Stream the events of all of a team's executions, in the order of commits.

    Args:
        call: The request: what it filters by, and from where it goes on.

    Raises:
        InvalidRequest: If a parameter is wrong.
        CursorReset: If the database does not know the place.
    """
    wanted = event_filter(call.query)
    place = read_place(call)
    call.query.done()
    following = await call.service.events.follow_team(call.principal, wanted, place)

    def here() -> str:
        return following.place.encode()

    opening = _RETRY + sse.encode(json_bytes({"cursor": here()}), event=OPEN_FRAME, id=here())
    stream = Stream(
        following,
        _render_for_team,
        opening=opening,
        beat=lambda: sse.encode(id=here(), comment=True),
        heartbeat=call.options.heartbeat,
    )
    return _reply(stream)


def _render_for_team(told: Told) -> bytes:
    place = None if told.place is None else told.place.encode()
    return sse.encode(json_bytes(team_event_object(told)), id=place)


def event_filter(query: Query) -> EventFilter:
    """What a reader of the team's events wants to hear of.

    Raises:
        InvalidRequest: If a parameter is wrong.
    """
    ids = query.many("execution_id")
    if len(ids) > _IDS:
        raise InvalidRequest.field("execution_id", f"comes {len(ids)} times; {_IDS} is the most")
    return EventFilter(
        execution_ids=frozenset(ids),
        agent_id=optional_text(query.one("agent_id"), "agent_id"),
        statuses=frozenset(statuses(query)),
        metadata=query.prefixed("metadata."),
    )


def read_place(call: Call) -> Place | None:
    """From where a reader of the team's events goes on; None for from now on.

    Raises:
        InvalidRequest: If that is no place.
    """
    name, text = "after", call.query.one("after")
    if last := call.header(routes.LAST_EVENT_ID):
        name, text = routes.LAST_EVENT_ID, last
    if text is None:
        return None
    return Place() if text == "start" else Place.decode(text, name)
