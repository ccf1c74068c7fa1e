"""The handlers: one per operation. Each reads a call, asks the service, and makes a reply."""

import hashlib
import json
import re
from typing import Any, Final

from moderately.domain.errors import InvalidRequest
from moderately.http import Call, Reply, json_reply, wire
from moderately.http.body import parse_object
from moderately.http.fields import (
    CREATE_FIELDS,
    FORK_FIELDS,
    MAX_PAGE,
    RESUME_FIELDS,
    list_query,
    new_execution,
    new_fork,
    optional_text,
)
from moderately.http.follow import (
    LAST_EVENT,
    event_filter,
    execution_stream,
    read_place,
    team_stream,
    wants_stream,
)
from moderately.protocol import routes
from moderately.protocol.events import EVENTS_VERSION
from moderately.protocol.vocabulary import DEFAULT_PAGE_SIZE, IDENTIFIER_LIMIT, MAX_PAGE_SIZE
from moderately.service import Created

__all__ = [
    "cancel_execution",
    "create_execution",
    "delete_execution",
    "fork_execution",
    "list_agent_versions",
    "list_agents",
    "list_events",
    "list_executions",
    "list_steps",
    "list_team_events",
    "move_execution",
    "resume_execution",
    "retrieve_agent",
    "retrieve_execution",
]

_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{IDENTIFIER_LIMIT}}}")
_REASON_LIMIT: Final = 1000
_EVENT_LIMIT: Final = 1000
_MOVE_FIELDS: Final = frozenset({"to"})
_CANCEL_FIELDS: Final = frozenset({"reason"})
_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


async def create_execution(call: Call) -> Reply:
    """`POST /agent-executions`."""
    call.query.done()
    body = parse_object(await call.body(), CREATE_FIELDS)
    key = _idempotency_key(call.header(routes.IDEMPOTENCY_KEY), body.pop("idempotency_key", None))
    request = new_execution(body, call.service.now())
    fingerprint = _fingerprint(body) if key else ""
    created = await call.service.create(
        call.principal, request, idempotency_key=key, fingerprint=fingerprint
    )
    return _created(created)


def _fingerprint(body: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(body).encode()).hexdigest()


def _created(created: Created) -> Reply:
    reply = json_reply(wire.execution_object(created.execution), 201)
    reply.headers["Location"] = routes.execution(created.execution.id)
    if created.replayed:
        reply.headers[routes.IDEMPOTENT_REPLAYED] = "true"
    return reply


def _idempotency_key(header: str | None, field: Any) -> str | None:
    if field is not None and not isinstance(field, str):
        raise InvalidRequest.field("idempotency_key", "must be a string")
    if header is not None and field is not None and header != field:
        raise InvalidRequest.field(
            "idempotency_key", f"differs from the {routes.IDEMPOTENCY_KEY} header; send one of them"
        )
    key = header if header is not None else field
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidRequest.field(
            routes.IDEMPOTENCY_KEY if field is None else "idempotency_key",
            f"has 1 to {IDENTIFIER_LIMIT} visible ASCII characters, without spaces",
        )
    return key


async def list_executions(call: Call) -> Reply:
    """`GET /agent-executions`."""
    query = list_query(call.query)
    found = await call.service.list(call.principal, query)
    return json_reply(wire.execution_page(found, query.page, query.page_size))


async def retrieve_execution(call: Call) -> Reply:
    """`GET /agent-executions/{id}`."""
    wait = call.wait()
    call.query.done()
    found = await call.held(
        lambda seconds: call.service.get(call.principal, call.identifier, wait=seconds),
        wait,
        lambda execution: execution.status.is_terminal,
    )
    return wait.tell(json_reply(wire.execution_object(found)))


async def delete_execution(call: Call) -> Reply:
    """`DELETE /agent-executions/{id}`."""
    call.query.done()
    await call.service.delete(call.principal, call.identifier)
    return Reply(204)


async def cancel_execution(call: Call) -> Reply:
    """`POST` or `PATCH /agent-executions/{id}/cancel`."""
    call.query.done()
    raw = await call.body()
    body = parse_object(raw, _CANCEL_FIELDS) if raw else {}
    reason = optional_text(body.get("reason"), "reason", _REASON_LIMIT)
    execution = await call.service.cancel(call.principal, call.identifier, reason=reason)
    return json_reply(wire.execution_object(execution))


async def resume_execution(call: Call) -> Reply:
    """`POST /agent-executions/{id}/resume`."""
    call.query.done()
    body = parse_object(await call.body(), RESUME_FIELDS)
    wait = optional_text(body.pop("wait", None), "wait")
    execution = await call.service.resume(call.principal, call.identifier, wait, body)
    return json_reply(wire.execution_object(execution))


async def fork_execution(call: Call) -> Reply:
    """`POST /agent-executions/{id}/fork`."""
    call.query.done()
    raw = await call.body()
    body = parse_object(raw, FORK_FIELDS) if raw else {}
    key = _idempotency_key(call.header(routes.IDEMPOTENCY_KEY), None)
    created = await call.service.fork(
        call.principal,
        call.identifier,
        new_fork(body),
        idempotency_key=key,
        fingerprint=_fingerprint({"fork": call.identifier, **body}) if key else "",
    )
    return _created(created)


async def move_execution(call: Call) -> Reply:
    """`POST /agent-executions/{id}/move`."""
    call.query.done()
    body = parse_object(await call.body(), _MOVE_FIELDS)
    version = optional_text(body.get("to"), "to")
    if version is None:
        raise InvalidRequest.field("to", "is required: a version of the agent")
    execution = await call.service.move(call.principal, call.identifier, version)
    return json_reply(wire.execution_object(execution))


async def list_steps(call: Call) -> Reply:
    """`GET /agent-executions/{id}/steps`."""
    call.query.done()
    steps = await call.service.steps(call.principal, call.identifier)
    return json_reply({"items": [wire.step_object(step) for step in steps]})


async def list_events(call: Call) -> Reply:
    """`GET /agent-executions/{id}/events`."""
    if wants_stream(call):
        return await execution_stream(call)
    after = call.query.integer("after", 0, 0, LAST_EVENT)
    limit = call.query.integer("limit", 100, 1, _EVENT_LIMIT)
    wait = call.wait()
    # On record is nothing that was live only: of a page it changes nothing.
    call.query.flag("live")
    call.query.done()
    found = await call.held(
        lambda seconds: call.service.events.page(
            call.principal, call.identifier, after=after, limit=limit, wait=seconds
        ),
        wait,
        lambda events: events.is_terminal or bool(events.items),
    )
    return wait.tell(_versioned(json_reply(wire.event_page(found, after))))


def _versioned(reply: Reply) -> Reply:
    reply.headers[routes.EVENTS_VERSION] = str(EVENTS_VERSION)
    return reply


async def list_team_events(call: Call) -> Reply:
    """`GET /events`."""
    if wants_stream(call):
        return await team_stream(call)
    wanted, place = event_filter(call.query), read_place(call)
    limit = call.query.integer("limit", 100, 1, _EVENT_LIMIT)
    wait = call.wait()
    call.query.done()
    found = await call.held(
        lambda seconds: call.service.events.team_page(
            call.principal, wanted, place, limit=limit, wait=seconds
        ),
        wait,
        lambda page: place is None or bool(page.told),
    )
    return wait.tell(_versioned(json_reply(wire.team_event_page(found))))


async def list_agents(call: Call) -> Reply:
    """`GET /agents`."""
    page = call.query.integer("page", 1, 1, MAX_PAGE)
    page_size = call.query.integer("page_size", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)
    call.query.done()
    agents, total = await call.service.agents(call.principal, page=page, page_size=page_size)
    return json_reply(
        {
            "items": [wire.agent_object(agent) for agent in agents],
            "pagination": wire.page_info(page, page_size, total),
        }
    )


async def retrieve_agent(call: Call) -> Reply:
    """`GET /agents/{id}`."""
    call.query.done()
    return json_reply(wire.agent_object(await call.service.agent(call.principal, call.identifier)))


async def list_agent_versions(call: Call) -> Reply:
    """`GET /agents/{id}/versions`."""
    call.query.done()
    versions = await call.service.agent_versions(call.principal, call.identifier)
    return json_reply({"items": [wire.version_object(version) for version in versions]})
