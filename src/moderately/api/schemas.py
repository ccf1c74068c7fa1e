"""The schemas of the API's description: of the wire's types, and of what a create takes."""

from typing import Any, Final

from pydantic import TypeAdapter

from moderately.api.openapi_events import describe_events
from moderately.api.openapi_parts import NO_NUL
from moderately.http.fields import (
    MAX_PRIORITY,
    MAX_STEPS,
    MAX_TIMEOUT_SECONDS,
    METADATA_LIMIT,
    METADATA_VALUE_LIMIT,
)
from moderately.protocol import wire
from moderately.protocol.events import EVENT_DATA
from moderately.protocol.problems import Code, Problem
from moderately.protocol.vocabulary import IDENTIFIER_LIMIT, Status

__all__ = ["LABELS", "NO_NUL", "component_schemas", "nullable"]

Json = dict[str, Any]

_NAME: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": IDENTIFIER_LIMIT,
    "pattern": NO_NUL,
}

LABELS: Final[Json] = {
    "type": "object",
    "maxProperties": METADATA_LIMIT,
    "propertyNames": _NAME,
    "additionalProperties": {
        "type": "string",
        "maxLength": METADATA_VALUE_LIMIT,
        "pattern": NO_NUL,
    },
}
"""A caller's own labels."""

_TYPES: Final = (
    wire.ExecutionObject,
    wire.ExecutionPage,
    wire.StepObject,
    wire.EventObject,
    wire.EventPage,
    wire.TeamEventObject,
    wire.TeamEventPage,
    wire.StreamEndObject,
    wire.AgentObject,
    wire.AgentVersionObject,
    wire.PageInfo,
    Problem,
)


def component_schemas() -> Json:
    """The schemas by name."""
    schemas: Json = {}
    for noun in (*_TYPES, *dict.fromkeys(EVENT_DATA.values())):
        schema = TypeAdapter(noun).json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[noun.__name__] = schema
    execution = schemas["ExecutionObject"]["properties"]
    execution["status"] = {"type": "string", "enum": [status.value for status in Status]}
    for schema in schemas.values():
        for name, found in schema.get("properties", {}).items():
            if name.endswith("_at"):
                _set_format(found)
    schemas["Problem"]["properties"]["code"] = {"type": "string", "enum": [c.value for c in Code]}
    describe_events(schemas)
    schemas["NewExecution"] = _new_execution()
    return schemas


def _set_format(schema: Json) -> None:
    for option in schema.get("anyOf", [schema]):
        if option.get("type") == "string":
            option["format"] = "date-time"


def nullable(schema: Json, description: str) -> Json:
    """A schema that takes null too."""
    return {"anyOf": [schema, {"type": "null"}], "description": description}


def _new_execution() -> Json:
    return {
        "type": "object",
        "required": ["agent_id"],
        "additionalProperties": False,
        "properties": {
            "agent_id": {**_NAME, "description": "Which agent to run."},
            "input_data": nullable(
                {"type": "object"}, "Its input; must fit the agent's `input_schema`."
            ),
            "metadata": nullable(LABELS, "Your own labels, to filter by."),
            "priority": nullable(
                {"type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY},
                "Higher goes first; 0 by default.",
            ),
            "timeout_seconds": nullable(
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT_SECONDS},
                "How long it may run, in seconds.",
            ),
            "max_steps": nullable(
                {"type": "integer", "minimum": 1, "maximum": MAX_STEPS},
                "How many steps it may take.",
            ),
            "retry": nullable(_retry(), "When to try again; the agent's own policy by default."),
            "run_at": nullable({"type": "string", "format": "date-time"}, "Not before this time."),
            "delay_seconds": nullable(
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT_SECONDS},
                "Not before so many seconds from now; not with `run_at`.",
            ),
            "concurrency_key": nullable(
                {"type": "string", "maxLength": IDENTIFIER_LIMIT, "pattern": NO_NUL},
                "Executions with the same key share the agent's limit for a key.",
            ),
            "idempotency_key": nullable(
                {"type": "string", "pattern": f"^[\\x21-\\x7e]{{1,{IDENTIFIER_LIMIT}}}$"},
                "As the `Idempotency-Key` header.",
            ),
        },
    }


def _retry() -> Json:
    seconds = {"type": "number", "minimum": 0}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "attempts": {"type": "integer", "minimum": 1, "maximum": 1000},
            "backoff": seconds,
            "factor": {"type": "number", "minimum": 1},
            "max_backoff": seconds,
            "jitter": {"type": "number", "minimum": 0, "maximum": 1},
            "on": {"type": "array", "items": {"type": "string", "pattern": NO_NUL}},
        },
    }
