"""The page of one execution, and all of it as JSON."""

import asyncio
import secrets
from typing import Any, Final, NamedTuple

from moderately.domain.errors import NotFound
from moderately.domain.execution import Event, Execution, Step
from moderately.http import Call, Reply, Resource, json_reply
from moderately.http.fields import Query
from moderately.http.wire import event_object, execution_object, step_object
from moderately.protocol.vocabulary import Status
from moderately.web.actions import Actions
from moderately.web.conversation import conversation, usage_by_step, usage_of
from moderately.web.newest import newest_events
from moderately.web.pages import Page, Site
from moderately.web.render import TextMode, render_value
from moderately.web.security import HEADERS
from moderately.web.snippets import snippets
from moderately.web.spans import spans_of
from moderately.web.timeline import timeline
from moderately.web.views import (
    STEPS_A_PAGE,
    Ask,
    asks_of,
    log_lines,
    raw_url,
    step_rows,
    under_way,
)
from moderately.web.words import why

__all__ = ["pages"]

_LOG_LINES: Final = 300
_MANY: Final = 10**6
_RETRIED: Final = frozenset({Status.FAILED, Status.CANCELLED})


class _Wanted(NamedTuple):
    """What is asked for of the page.

    Attributes:
        mode: How texts are shown.
        page: Which page of the steps.
        kind: One type of events alone; empty for all.
        raw: The wait that is to be answered as JSON.
    """

    mode: TextMode
    page: int
    kind: str
    raw: str | None


class _Execution:
    """Reads what the page shows."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, call: Call, asks: list[Ask] | None = None, status: int = 200) -> Reply:
        wanted = _read_wanted(call.query)
        service, identifier = call.service, call.identifier
        execution = await service.get(call.principal, identifier)
        # Not before the execution: what is on it is in these, and what comes after, on the stream.
        steps = await service.steps(call.principal, identifier)
        steps += under_way(execution, steps)
        events = await newest_events(call, execution)

        def lay_out() -> Reply:
            shown = _shown(call, wanted, execution, steps, events)
            if asks is not None:
                # What was typed into a refused answer stays, at a page without an address.
                shown |= {"asks": asks, "is_live": False}
            return self._site.render(call, "execution.html", status, **shown)

        # Long texts and many steps take a while, which nobody else needs to wait for.
        return await asyncio.to_thread(lay_out)

    async def raw(self, call: Call) -> Reply:
        step_id, has_events = call.query.one("step"), call.query.one("events") is not None
        call.query.done()
        execution = await call.service.get(call.principal, call.identifier)
        if has_events:
            events = await newest_events(call, execution)
            reply = json_reply([event_object(event) for event in events])
        elif step_id is not None:
            steps = await call.service.steps(call.principal, call.identifier)
            found = next((step for step in steps if step.id == step_id), None)
            if found is None:
                raise NotFound(f"Execution {execution.id} has no such step.")
            reply = json_reply(step_object(found))
        else:
            reply = json_reply(execution_object(execution))
        reply.headers.update(HEADERS)
        return reply


def _read_wanted(query: Query) -> _Wanted:
    wanted = _Wanted(
        mode=query.choice("text", TextMode.AUTO),
        page=query.integer("steps", 1, 1, _MANY),
        kind=query.one("type") or "",
        raw=query.one("raw"),
    )
    query.done()
    return wanted


def _shown(
    call: Call, wanted: _Wanted, execution: Execution, steps: list[Step], events: list[Event]
) -> dict[str, Any]:
    mode, pages = wanted.mode, -(-len(steps) // STEPS_A_PAGE)
    page = min(wanted.page, max(1, pages))
    raw_events = raw_url(execution.id, events=True)
    messages, earlier = conversation(events, raw_url=raw_events, mode=mode)
    return {
        **_facts(call, execution, steps, events, mode),
        "rows": step_rows(execution, steps, usage_by_step(events), page, mode),
        "steps_page": page,
        "steps_pages": pages,
        "steps_total": len(steps),
        "usage": usage_of(execution.usage or {}),
        "messages": messages,
        "messages_before": earlier,
        "asks": asks_of(steps, wanted.raw),
        "is_live": not execution.status.is_terminal,
        **_log(events, wanted.kind),
    }


def _facts(
    call: Call, execution: Execution, steps: list[Step], events: list[Event], mode: TextMode
) -> dict[str, Any]:
    raw, now = raw_url(execution.id), call.service.now()
    scheme = "https" if call.is_secure else "http"
    base_url = f"{scheme}://{call.header('host') or 'localhost'}"
    error = execution.error or {}
    failed = next((step for step in steps if step.id == error.get("step")), None)
    progress = next((event for event in reversed(events) if event.type == "progress"), None)
    return {
        "execution": execution,
        "why": why(execution),
        "usage_steps": execution.step_count,
        "input": render_value(execution.input_data, raw_url=raw, mode=mode),
        "output": render_value(execution.output_data, raw_url=raw, mode=mode),
        "error": error,
        "traceback": str(((failed and failed.error) or {}).get("traceback") or ""),
        "failed_step": failed,
        "children": [
            (s.name, str((s.wait or {}).get("execution_id"))) for s in steps if _is_child(s)
        ],
        "progress": progress.data if progress else None,
        "can_retry": execution.status in _RETRIED,
        "key": secrets.token_urlsafe(18),
        "timeline": timeline(execution, steps, events, now),
        "places": {step.id: number for number, step in enumerate(steps, 1)},
        "spans": spans_of(execution, events, now),
        "snippets": snippets(execution, base_url),
        "raw": raw,
        "mode": mode,
        "last_seq": events[-1].seq if events else 0,
        "steps_recorded": max((step.position for step in steps), default=0),
    }


def _is_child(step: Step) -> bool:
    return step.kind == "agent"


def _log(events: list[Event], kind: str) -> dict[str, Any]:
    kinds = sorted({event.type for event in events})
    found = [event for event in events if event.type == kind] if kind in kinds else events
    return {
        "log": log_lines(found[-_LOG_LINES:]),
        "log_total": len(found),
        "log_kind": kind if kind in kinds else "",
        "log_kinds": kinds,
    }


def pages(site: Site) -> dict[str, Resource]:
    """The pages, by the templates of their paths."""
    page = _Execution(site)
    actions = Actions(site, page.show)
    one = "/ui/executions/{id}"
    return {
        one: Page(site, get=page.show),
        f"{one}/raw": Page(site, get=page.raw),
        f"{one}/cancel": Page(site, post=actions.cancel),
        f"{one}/delete": Page(site, post=actions.delete),
        f"{one}/answer": Page(site, post=actions.answer),
        f"{one}/fork": Page(site, get=actions.ask_fork, post=actions.fork),
    }
