"""The API's description: OpenAPI 3.1, made of the wire's types and the table below."""

from typing import Any, Final

from moderately.api.fields import MAX_PAGE
from moderately.api.http import ApiOptions
from moderately.api.openapi_durable import FORK, MOVE, RESUME
from moderately.api.schemas import NO_NUL, component_schemas, nullable
from moderately.domain.listing import CURSOR_PATTERN
from moderately.protocol.problems import PROBLEM_MEDIA_TYPE, Code
from moderately.protocol.vocabulary import (
    DEFAULT_PAGE_SIZE,
    IDENTIFIER_LIMIT,
    MAX_PAGE_SIZE,
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
_REFUSALS: Final[dict[str, tuple[str, Code]]] = {
    "400": ("Something in the request is wrong; `details` names each field.", Code.INVALID_REQUEST),
    "401": ("No valid API key.", Code.UNAUTHENTICATED),
    "404": ("There is no such thing in this team.", Code.EXECUTION_NOT_FOUND),
    "405": ("The path has no such method.", Code.METHOD_NOT_ALLOWED),
    "409": ("The execution is not in a state for that.", Code.EXECUTION_TERMINAL),
    "413": ("The body is too large.", Code.BODY_TOO_LARGE),
    "415": ("The body is not JSON.", Code.UNSUPPORTED_MEDIA_TYPE),
    "422": ("The idempotency key came with another body before.", Code.IDEMPOTENCY_KEY_REUSED),
    "503": ("It cannot be done now; `Retry-After` says when to try again.", Code.UNAVAILABLE),
}
_HEADERS: Final[Json] = {
    "X-Request-Id": {
        "description": "The request's id, as in the log.",
        "required": True,
        "schema": {"type": "string"},
    }
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
            f"{one}/events": {"get": _events(options)},
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


def _operation(
    operation_id: str,
    summary: str,
    success: tuple[str, Json],
    refusals: str = "",
    *,
    parameters: tuple[Json, ...] = (),
    **more: Any,
) -> Json:
    status, reply = success
    responses = {status: {"headers": {}, **reply}}
    for refused in ("400", "401", *refusals.split(), "503"):
        responses[refused] = _refusal(refused)
    for found in responses.values():
        found["headers"] = {**found["headers"], **_HEADERS}
    return {
        "operationId": operation_id,
        "summary": summary,
        "parameters": list(parameters),
        "responses": responses,
        **more,
    }


def _refusal(status: str) -> Json:
    description, code = _REFUSALS[status]
    headers: Json = {}
    if status == "401":
        headers["WWW-Authenticate"] = {"required": True, "schema": {"type": "string"}}
    if status == "503":
        headers["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer"}}
    example = {
        "type": "about:blank",
        "title": description,
        "status": int(status),
        "detail": description,
        "code": code.value,
        "message": description,
        "details": [],
        "request_id": "req_0123456789abcdef",
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "headers": headers,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": schema, "example": example}},
    }


def _reply(description: str, schema: Json | str, example: Any = None) -> Json:
    if isinstance(schema, str):
        schema = {"$ref": f"#/components/schemas/{schema}"}
    content: Json = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def _items(noun: str, *, paged: bool = False) -> Json:
    properties: Json = {"items": {"type": "array", "items": {"$ref": _ref(noun)}}}
    if paged:
        properties["pagination"] = {"$ref": _ref("PageInfo")}
    return {"type": "object", "required": list(properties), "properties": properties}


def _ref(noun: str) -> str:
    return f"#/components/schemas/{noun}"


def _path_id(example: str) -> Json:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "Its id.",
        "schema": {"type": "string"},
        "example": example,
    }


def _query(name: str, schema: Json, description: str, **more: Any) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description, **more}


def _integer(name: str, default: int, low: int, high: int, description: str) -> Json:
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return _query(name, schema, description)


_PAGE: Final = _integer("page", 1, 1, MAX_PAGE, "Which page, from 1.")
_PAGE_SIZE: Final = _integer("page_size", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE, "How many a page.")


def _wait(options: ApiOptions) -> tuple[Json, Json]:
    seconds = {"type": "number", "minimum": 0}
    limit = f"{options.max_wait:g} s at most"
    return (
        _query("wait", seconds, f"Hold the reply until it has ended, so many seconds; {limit}."),
        {
            "name": "Prefer",
            "in": "header",
            "description": f"`wait=N` (RFC 7240): as the query's `wait`; {limit}.",
            "schema": {"type": "string"},
            "example": "wait=10",
        },
    )


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
        name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
        for name, operation in (
            ("retrieve", "retrieve_execution"),
            ("cancel", "cancel_execution"),
            ("events", "list_events"),
        )
    }
    reply = _reply("It is on disk, and will run.", "ExecutionObject", _EXECUTION)
    reply["headers"] = _created_headers()
    reply["links"] = link
    body = {"schema": {"$ref": _ref("NewExecution")}, "example": example}
    return _operation(
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
    return _operation(
        "list_executions",
        "List executions. `metadata.<key>=<value>` filters by your own labels.",
        ("200", _reply("A page.", "ExecutionPage")),
        parameters=(
            _query(
                "agent_id", {"type": "string", "maxLength": IDENTIFIER_LIMIT}, "Only this agent's."
            ),
            _query("status", statuses, "Only these; may be repeated."),
            _PAGE,
            _PAGE_SIZE,
            _query("order_by", order, "What to order by; ties go by creation."),
            _query("order_direction", way, "Which way."),
            _query(
                "cursor",
                {"type": "string", "pattern": CURSOR_PATTERN},
                "A `next_cursor`: go on from there, whatever is inserted meanwhile. Not with page.",
            ),
            _query("created_after", moment, "Only those created later."),
            _query("created_before", moment, "Only those created earlier."),
            _query("teamIds", {"type": "string"}, "Taken and ignored: the key says which team."),
        ),
    )


def _retrieve(options: ApiOptions) -> Json:
    reply = _reply("The execution.", "ExecutionObject", _EXECUTION)
    reply["headers"] = _applied()
    return _operation(
        "retrieve_execution",
        "Retrieve an execution, and wait for its end if asked to.",
        ("200", reply),
        "404",
        parameters=(_path_id(_ID), *_wait(options)),
    )


def _applied() -> Json:
    text = {"type": "string"}
    return {"Preference-Applied": {"description": "`wait=N`, as applied.", "schema": text}}


def _delete() -> Json:
    return _operation(
        "delete_execution",
        "Delete an execution that has ended, with its steps and events.",
        ("204", {"description": "It is gone."}),
        "404 409",
        parameters=(_path_id(_ID),),
    )


def _cancel(name: str) -> Json:
    text = {"type": "string", "maxLength": 1000, "pattern": NO_NUL}
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"reason": nullable(text, "Why, for the record.")},
    }
    body = {"schema": schema, "example": {"reason": "no longer needed"}}
    return _operation(
        f"{name}_execution",
        "Cancel an execution. It is final when the reply arrives.",
        ("200", _reply("The execution, cancelled.", "ExecutionObject")),
        "404 409 413 415",
        parameters=(_path_id(_ID),),
        requestBody={"required": False, "content": {"application/json": body}},
    )


def _body(schema: Json, example: Json, *, required: bool) -> Json:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"required": required, "content": content}


def _resume() -> Json:
    return _operation(
        "resume_execution",
        "Answer what an execution asks of a person: an input, an approval, an effect in doubt.",
        ("200", _reply("The execution; it goes on.", "ExecutionObject")),
        "404 409 413 415",
        parameters=(_path_id(_ID),),
        requestBody=_body(RESUME, {"wait": "review", "value": "go on"}, required=True),
    )


def _fork() -> Json:
    reply = _reply("The new execution.", "ExecutionObject")
    reply["headers"] = _created_headers()
    return _operation(
        "fork_execution",
        "Create an execution that shares another one's journal up to a step.",
        ("201", reply),
        "404 409 413 415 422",
        parameters=(_path_id(_ID), _KEY),
        requestBody=_body(FORK, {"from_step": 2}, required=False),
    )


def _move() -> Json:
    return _operation(
        "move_execution",
        "Let an execution go on under another version of its agent.",
        ("200", _reply("The execution.", "ExecutionObject")),
        "404 409 413 415",
        parameters=(_path_id(_ID),),
        requestBody=_body(MOVE, {"to": "2"}, required=True),
    )


def _steps() -> Json:
    return _operation(
        "list_steps",
        "List an execution's recorded steps.",
        ("200", _reply("All of them, in order.", _items("StepObject"))),
        "404",
        parameters=(_path_id(_ID),),
    )


def _events(options: ApiOptions) -> Json:
    reply = _reply("Events in order.", "EventPage")
    reply["headers"] = _applied()
    return _operation(
        "list_events",
        "List an execution's events, and wait for the next if asked to.",
        ("200", reply),
        "404",
        parameters=(
            _path_id(_ID),
            _integer("after", 0, 0, 10**15, "The number of the last event that you have."),
            _integer("limit", 100, 1, 1000, "How many at most."),
            *_wait(options),
        ),
    )


def _agents() -> Json:
    return _operation(
        "list_agents",
        "List agents by name.",
        ("200", _reply("A page.", _items("AgentObject", paged=True))),
        parameters=(_PAGE, _PAGE_SIZE),
    )


def _agent() -> Json:
    return _operation(
        "retrieve_agent",
        "Retrieve an agent.",
        ("200", _reply("The agent, as its newest version.", "AgentObject")),
        "404",
        parameters=(_path_id("research"),),
    )


def _versions() -> Json:
    return _operation(
        "list_agent_versions",
        "List an agent's versions.",
        ("200", _reply("All of them, newest first.", _items("AgentVersionObject"))),
        "404",
        parameters=(_path_id("research"),),
    )


def _operator() -> Json:
    state = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    text = {"type": "string"}
    found = {
        "/health": ("health", "Whether the process answers.", _reply("It does.", state)),
        "/ready": ("ready", "Whether the service can work.", _reply("It can.", state)),
        "/metrics": (
            "metrics",
            "Metrics for Prometheus.",
            {"description": "Its text format.", "content": {"text/plain": {"schema": text}}},
        ),
    }
    paths: Json = {}
    for path, (name, summary, reply) in found.items():
        operation = _operation(name, summary, ("200", reply), security=[])
        del operation["responses"]["401"]
        paths[path] = {"get": operation}
    del paths["/health"]["get"]["responses"]["503"]
    not_ready = _reply("It cannot; `reasons` says why.", state)
    paths["/ready"]["get"]["responses"]["503"] = {**not_ready, "headers": _HEADERS}
    return paths
