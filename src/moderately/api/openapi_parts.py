"""The parts that the API's description is put together of."""

from typing import Any, Final

from moderately.http import ApiOptions
from moderately.http.fields import MAX_PAGE
from moderately.protocol.problems import PROBLEM_MEDIA_TYPE, Code
from moderately.protocol.vocabulary import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE

__all__ = [
    "HEADERS",
    "NO_NUL",
    "PAGE",
    "PAGE_SIZE",
    "applied",
    "integer",
    "items_of",
    "operation",
    "path_id",
    "query_of",
    "ref",
    "reply_of",
    "wait_of",
]

Json = dict[str, Any]

NO_NUL: Final = "^[^\\u0000]*$"
"""What a string matches that can be stored everywhere."""

_REFUSALS: Final[dict[str, tuple[str, Code]]] = {
    "400": ("Something in the request is wrong; `details` names each field.", Code.INVALID_REQUEST),
    "401": ("No valid API key.", Code.UNAUTHENTICATED),
    "404": ("There is no such thing in this team.", Code.EXECUTION_NOT_FOUND),
    "405": ("The path has no such method.", Code.METHOD_NOT_ALLOWED),
    "409": ("The execution is not in a state for that.", Code.EXECUTION_TERMINAL),
    "410": ("The database does not know the cursor.", Code.CURSOR_RESET),
    "413": ("The body is too large.", Code.BODY_TOO_LARGE),
    "415": ("The body is not JSON.", Code.UNSUPPORTED_MEDIA_TYPE),
    "422": ("The idempotency key came with another body before.", Code.IDEMPOTENCY_KEY_REUSED),
    "503": ("It cannot be done now; `Retry-After` says when to try again.", Code.UNAVAILABLE),
}
HEADERS: Final[Json] = {
    "X-Request-Id": {
        "description": "The request's id, as in the log.",
        "required": True,
        "schema": {"type": "string"},
    }
}


def operation(
    operation_id: str,
    summary: str,
    success: tuple[str, Json],
    refusals: str = "",
    *,
    parameters: tuple[Json, ...] = (),
    **more: Any,
) -> Json:
    """An operation, with the refusals that every one may give beside its own."""
    status, reply = success
    responses = {status: {"headers": {}, **reply}}
    for refused in ("400", "401", *refusals.split(), "503"):
        responses[refused] = _refusal(refused)
    for found in responses.values():
        found["headers"] = {**found["headers"], **HEADERS}
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


def reply_of(description: str, schema: Json | str, example: Any = None) -> Json:
    """A reply with a JSON body."""
    if isinstance(schema, str):
        schema = {"$ref": f"#/components/schemas/{schema}"}
    content: Json = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def items_of(noun: str, *, paged: bool = False) -> Json:
    """The schema of a list."""
    properties: Json = {"items": {"type": "array", "items": {"$ref": ref(noun)}}}
    if paged:
        properties["pagination"] = {"$ref": ref("PageInfo")}
    return {"type": "object", "required": list(properties), "properties": properties}


def ref(noun: str) -> str:
    """A reference to a schema by name."""
    return f"#/components/schemas/{noun}"


def path_id(example: str) -> Json:
    """The id in a path."""
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "Its id.",
        "schema": {"type": "string"},
        "example": example,
    }


def query_of(name: str, schema: Json, description: str, **more: Any) -> Json:
    """A parameter of the query."""
    return {"name": name, "in": "query", "schema": schema, "description": description, **more}


def integer(name: str, default: int, low: int, high: int, description: str) -> Json:
    """A parameter of the query that is an integer between two bounds."""
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return query_of(name, schema, description)


def wait_of(options: ApiOptions) -> tuple[Json, Json]:
    """The two ways to ask for a reply that is held."""
    seconds = {"type": "number", "minimum": 0}
    limit = f"{options.max_wait:g} s at most"
    return (
        query_of("wait", seconds, f"Hold the reply until it has ended, so many seconds; {limit}."),
        {
            "name": "Prefer",
            "in": "header",
            "description": f"`wait=N` (RFC 7240): as the query's `wait`; {limit}.",
            "schema": {"type": "string"},
            "example": "wait=10",
        },
    )


def applied() -> Json:
    """The header that says how long a reply was held at most."""
    text = {"type": "string"}
    return {"Preference-Applied": {"description": "`wait=N`, as applied.", "schema": text}}


PAGE: Final = integer("page", 1, 1, MAX_PAGE, "Which page, from 1.")
PAGE_SIZE: Final = integer("page_size", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE, "How many a page.")
