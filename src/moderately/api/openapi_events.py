"""The part of the API's description that tells of events."""

from typing import Any, Final

from moderately.api.openapi_parts import (
    NO_NUL,
    applied,
    integer,
    operation,
    path_id,
    query_of,
    reply_of,
    wait_of,
)
from moderately.domain.following import PLACE_PATTERN
from moderately.http import ApiOptions
from moderately.protocol import routes, sse
from moderately.protocol.events import EVENT_DATA, EVENTS_VERSION, LIVE_TYPES
from moderately.protocol.vocabulary import IDENTIFIER_LIMIT, Status

__all__ = ["describe_events", "events_operation", "team_events_operation"]

Json = dict[str, Any]

_STREAM: Final = (
    "With `Accept: text/event-stream`: a stream of server-sent events, each a JSON object of the"
    " page's items under `data:`, with its place under `id:`. A reader that lost the connection"
    " sends the last `id` as `Last-Event-ID`, and goes on where it was. A comment tells every"
    " %g s that the stream is alive."
)
_OF_ONE: Final = " An event `end` follows the last one: without it, the connection was lost."
_OF_ALL: Final = " An event `open` comes first, with the place where the stream begins."
_LIMIT: Final = integer("limit", 100, 1, 1000, "How many a page has at most.")


def _reply(description: str, page: str) -> Json:
    reply = reply_of("A page of events, or a stream of them.", page)
    reply["content"][sse.MEDIA_TYPE] = {"schema": {"type": "string", "description": description}}
    reply["headers"] = {
        **applied(),
        routes.EVENTS_VERSION: {
            "description": "The version of the event types; within one, types and fields are added,"
            " and never changed or removed.",
            "schema": {"type": "string", "const": str(EVENTS_VERSION)},
        },
    }
    return reply


def events_operation(options: ApiOptions, example_id: str) -> Json:
    """`GET /agent-executions/{id}/events`."""
    flag = {"type": "string", "enum": ["true", "false"], "default": "false"}
    return operation(
        "list_events",
        "List or stream an execution's events, from any of them on, as long as it is on record.",
        ("200", _reply(_STREAM % options.heartbeat + _OF_ONE, "EventPage")),
        "404",
        parameters=(
            path_id(example_id),
            integer("after", 0, 0, 10**15, "The number of the last event that you have."),
            _LIMIT,
            query_of("live", flag, "Whether a stream also tells what is never on record."),
            *wait_of(options),
        ),
    )


def team_events_operation(options: ApiOptions) -> Json:
    """`GET /events`."""
    text = {"type": "string", "maxLength": IDENTIFIER_LIMIT, "pattern": NO_NUL}
    statuses = {"type": "array", "items": {"type": "string", "enum": [s.value for s in Status]}}
    ids = {"type": "array", "maxItems": 100, "items": {"type": "string", "pattern": NO_NUL}}
    place = {"type": "string", "pattern": f"^start$|{PLACE_PATTERN}"}
    return operation(
        "list_team_events",
        "List or stream the events of all executions in the order of commits."
        " `metadata.<key>=<value>` filters by your own labels.",
        ("200", _reply(_STREAM % options.heartbeat + _OF_ALL, "TeamEventPage")),
        "410",
        parameters=(
            query_of(
                "after",
                place,
                "A `next_after` or `id`: go on from there; `start` for the first on record. Without"
                " it a stream begins now, and a page is empty and tells the newest place.",
            ),
            query_of("execution_id", ids, "Only these; may be repeated."),
            query_of("agent_id", text, "Only this agent's."),
            query_of(
                "status",
                statuses,
                "Only what leaves an execution in one of these; may be repeated. With the three"
                " that end one, a single stream waits for any number of executions.",
            ),
            _LIMIT,
            *wait_of(options),
        ),
    )


def describe_events(schemas: Json) -> None:
    """Say of the event objects among some schemas what their data is, by their type.

    Args:
        schemas: The schemas by name, those of the events' data among them.
    """
    cases = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": {"data": {"$ref": f"#/components/schemas/{data.__name__}"}}},
        }
        for name, data in EVENT_DATA.items()
    ]
    for noun in ("EventObject", "TeamEventObject"):
        schemas[noun]["allOf"] = cases
        schemas[noun]["properties"]["type"]["examples"] = sorted(EVENT_DATA)
    live = ", ".join(sorted(LIVE_TYPES))
    schemas["EventObject"]["properties"]["is_live"]["description"] = (
        f"True of what is never on record, as it may be with {live}."
    )
