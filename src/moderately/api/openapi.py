"""The API's description: OpenAPI 3.1, made of the wire's types and the table below."""

from typing import Any, Final

from moderately.api.openapi_durable import FORK, MOVE, RESUME
from moderately.api.openapi_events import events_operation, team_events_operation
from moderately.api.openapi_parts import (
    HEADERS,
    PAGE,
    PAGE_SIZE,
    applied,
    items_of,
    operation,
    path_id,
    query_of,
    ref,
    reply_of,
    wait_of,
)
from moderately.api.schemas import NO_NUL, component_schemas, nullable
from moderately.domain.listing import CURSOR_PATTERN
from moderately.http import ApiOptions
from moderately.protocol.vocabulary import (
    IDENTIFIER_LIMIT,
    OrderBy,
    OrderDirection,
    Status,
)

__all__ = ["openapi_document"]

Json = dict[str, Any]

_MOMENT: Final = "2026-01-31T12:00:00.000000Z"
_ID: Final = "exec_06c41rg9jvnjsswwnrvj9b2qx1"
_EXECUTION: Final[Json] = {
    "id": _ID,
    "agent_id": "research",
    "agent_version": "1",
    "status": "completed",
    "is_terminal": True,
    "status_reason": None,
    "blocked_on": None,
    "input_data": {"folder": "docs", "question": "How are steps recorded?"},
    "output_data": {"answer": "Each step is journaled."},
    "error": None,
    "metadata": {"ticket": "4711"},
    "usage": {"steps": 3},
    "current_step": None,
    "attempt": 1,
    "priority": 0,
    "timeout_seconds": 60.0,
    "max_steps": None,
    "retry": None,
    "retries": 0,
    "concurrency_key": None,
    "parent_id": None,
    "forked_from": None,
    "run_at": None,
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
    "started_at": _MOMENT,
    "paused_at": None,
    "completed_at": _MOMENT,
    "failed_at": None,
    "cancelled_at": None,
}


def openapi_document(options: ApiOptions) -> Json:
    """Make the description.

    Args:
        options: How the API behaves; limits are told as they are set.
    """
    one = "/agent-executions/{id}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Moderately",
            "version": options.version,
            "description": "Runs AI agents as durable jobs: create an execution, watch it, wait"
            f" for it, cancel it. Request bodies have {options.body_limit} bytes at most; replies"
            f" are held {options.max_wait:g} s at most.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"key": []}] if options.anonymous_team is None else [],
        "paths": {
            "/agent-executions": {"post": _create(), "get": _list()},
            one: {"get": _retrieve(options), "delete": _delete()},
            f"{one}/cancel": {"post": _cancel("cancel"), "patch": _cancel("cancel_by_patch")},
            f"{one}/resume": {"post": _resume()},
            f"{one}/fork": {"post": _fork()},
            f"{one}/move": {"post": _move()},
            f"{one}/steps": {"get": _steps()},
            f"{one}/events": {"get": events_operation(options, _ID)},
            "/events": {"get": team_events_operation(options)},
            "/agents": {"get": _agents()},
            "/agents/{id}": {"get": _agent()},
            "/agents/{id}/versions": {"get": _versions()},
            **_operator(),
        },
        "components": {
            "schemas": component_schemas(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of `moderately keys create`.",
                }
            },
        },
    }


_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes a repeated request the same one. 1 to 200 visible characters.",
    "schema": {"type": "string", "pattern": f"^[\\x21-\\x7e]{{1,{IDENTIFIER_LIMIT}}}$"},
    "example": "order-4711",
}


def _created_headers() -> Json:
    text = {"type": "string"}
    return {
        "Location": {"description": "Its path.", "required": True, "schema": text},
        "Idempotent-Replayed": {
            "description": "`true` where the key was known: the execution is the one of then.",
            "schema": text,
        },
    }


def _create() -> Json:
    example = {"agent_id": "research", "input_data": {"folder": "docs", "question": "Why?"}}
    link = {
        name: {"operationId": followed, "parameters": {"id": "$response.body#/id"}}
        for name, followed in (
            ("retrieve", "retrieve_execution"),
            ("cancel", "cancel_execution"),
            ("events", "list_events"),
        )
    }
    reply = reply_of("It is on disk, and will run.", "ExecutionObject", _EXECUTION)
    reply["headers"] = _created_headers()
    reply["links"] = link
    body = {"schema": {"$ref": ref("NewExecution")}, "example": example}
    return operation(
        "create_execution",
        "Create an execution.",
        ("201", reply),
        "404 413 415 422",
        parameters=(_KEY,),
        requestBody={"required": True, "content": {"application/json": body}},
    )


def _list() -> Json:
    moment = {"type": "string", "format": "date-time"}
    statuses = {"type": "array", "items": {"type": "string", "enum": [s.value for s in Status]}}
    order = {"type": "string", "enum": [o.value for o in OrderBy], "default": "created_at"}
    way = {"type": "string", "enum": [o.value for o in OrderDirection], "default": "desc"}
    return operation(
        "list_executions",
        "List executions. `metadata.<key>=<value>` filters by your own labels.",
        ("200", reply_of("A page.", "ExecutionPage")),
        parameters=(
            query_of(
                "agent_id", {"type": "string", "maxLength": IDENTIFIER_LIMIT}, "Only this agent's."
            ),
            query_of("status", statuses, "Only these; may be repeated."),
            PAGE,
            PAGE_SIZE,
            query_of("order_by", order, "What to order by; ties go by creation."),
            query_of("order_direction", way, "Which way."),
            query_of(
                "cursor",
                {"type": "string", "pattern": CURSOR_PATTERN},
                "A `next_cursor`: go on from there, whatever is inserted meanwhile. Not with page.",
            ),
            query_of("created_after", moment, "Only those created later."),
            query_of("created_before", moment, "Only those created earlier."),
            query_of("teamIds", {"type": "string"}, "Taken and ignored: the key says which team."),
        ),
    )


def _retrieve(options: ApiOptions) -> Json:
    reply = reply_of("The execution.", "ExecutionObject", _EXECUTION)
    reply["headers"] = applied()
    return operation(
        "retrieve_execution",
        "Retrieve an execution, and wait for its end if asked to.",
        ("200", reply),
        "404",
        parameters=(path_id(_ID), *wait_of(options)),
    )


def _delete() -> Json:
    return operation(
        "delete_execution",
        "Delete an execution that has ended, with its steps and events.",
        ("204", {"description": "It is gone."}),
        "404 409",
        parameters=(path_id(_ID),),
    )


def _cancel(name: str) -> Json:
    text = {"type": "string", "maxLength": 1000, "pattern": NO_NUL}
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"reason": nullable(text, "Why, for the record.")},
    }
    body = {"schema": schema, "example": {"reason": "no longer needed"}}
    return operation(
        f"{name}_execution",
        "Cancel an execution. It is final when the reply arrives.",
        ("200", reply_of("The execution, cancelled.", "ExecutionObject")),
        "404 409 413 415",
        parameters=(path_id(_ID),),
        requestBody={"required": False, "content": {"application/json": body}},
    )


def _body(schema: Json, example: Json, *, required: bool) -> Json:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"required": required, "content": content}


def _resume() -> Json:
    return operation(
        "resume_execution",
        "Answer what an execution asks of a person: an input, an approval, an effect in doubt.",
        ("200", reply_of("The execution; it goes on.", "ExecutionObject")),
        "404 409 413 415",
        parameters=(path_id(_ID),),
        requestBody=_body(RESUME, {"wait": "review", "value": "go on"}, required=True),
    )


def _fork() -> Json:
    reply = reply_of("The new execution.", "ExecutionObject")
    reply["headers"] = _created_headers()
    return operation(
        "fork_execution",
        "Create an execution that shares another one's journal up to a step.",
        ("201", reply),
        "404 409 413 415 422",
        parameters=(path_id(_ID), _KEY),
        requestBody=_body(FORK, {"from_step": 2}, required=False),
    )


def _move() -> Json:
    return operation(
        "move_execution",
        "Let an execution go on under another version of its agent.",
        ("200", reply_of("The execution.", "ExecutionObject")),
        "404 409 413 415",
        parameters=(path_id(_ID),),
        requestBody=_body(MOVE, {"to": "2"}, required=True),
    )


def _steps() -> Json:
    return operation(
        "list_steps",
        "List an execution's recorded steps.",
        ("200", reply_of("All of them, in order.", items_of("StepObject"))),
        "404",
        parameters=(path_id(_ID),),
    )


def _agents() -> Json:
    return operation(
        "list_agents",
        "List agents by name.",
        ("200", reply_of("A page.", items_of("AgentObject", paged=True))),
        parameters=(PAGE, PAGE_SIZE),
    )


def _agent() -> Json:
    return operation(
        "retrieve_agent",
        "Retrieve an agent.",
        ("200", reply_of("The agent, as its newest version.", "AgentObject")),
        "404",
        parameters=(path_id("research"),),
    )


def _versions() -> Json:
    return operation(
        "list_agent_versions",
        "List an agent's versions.",
        ("200", reply_of("All of them, newest first.", items_of("AgentVersionObject"))),
        "404",
        parameters=(path_id("research"),),
    )


def _operator() -> Json:
    state = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    text = {"type": "string"}
    found = {
        "/health": ("health", "Whether the process answers.", reply_of("It does.", state)),
        "/ready": ("ready", "Whether the service can work.", reply_of("It can.", state)),
        "/metrics": (
            "metrics",
            "Metrics for Prometheus.",
            {"description": "Its text format.", "content": {"text/plain": {"schema": text}}},
        ),
    }
    paths: Json = {}
    for path, (name, summary, reply) in found.items():
        found_operation = operation(name, summary, ("200", reply), security=[])
        del found_operation["responses"]["401"]
        paths[path] = {"get": found_operation}
    del paths["/health"]["get"]["responses"]["503"]
    not_ready = reply_of("It cannot; `reasons` says why.", state)
    paths["/ready"]["get"]["responses"]["503"] = {**not_ready, "headers": HEADERS}
    return paths
