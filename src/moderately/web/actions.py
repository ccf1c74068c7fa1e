"""What one can do with an execution on its page: cancel, answer, fork, delete."""

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from moderately.domain.errors import Conflict, InvalidRequest
from moderately.domain.execution import Execution, NewFork, Step
from moderately.http import Call, Reply
from moderately.http.fields import optional_text
from moderately.protocol.problems import Detail
from moderately.web.forms import Posted, filled_form, is_same, read_form, read_object, with_problems
from moderately.web.pages import Site, redirect
from moderately.web.views import Ask, ask_form, asks_of

__all__ = ["Actions", "execution_url", "fingerprint_of", "one_value"]

_REASON_LIMIT: Final = 1000
_STEP_DIGITS: Final = 7

Shown = Callable[[Call, list[Ask], int], Awaitable[Reply]]


def execution_url(execution_id: str) -> str:
    """Where the page of an execution is."""
    return f"/ui/executions/{quote(execution_id, safe='')}"


def fingerprint_of(body: dict[str, Any]) -> str:
    """A digest of what a form asks for, to tell a double click from another request."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def one_value(form: Posted, name: str) -> str:
    """A field's first value; empty where it has none."""
    return next(iter(form.get(name, ())), "")


class Actions:
    """The forms of an execution's page.

    Args:
        site: The dashboard.
        show: Makes the page anew, with what is wrong with an answer.
    """

    def __init__(self, site: Site, show: Shown) -> None:
        self._site = site
        self._show = show

    async def cancel(self, call: Call) -> Reply:
        """End it."""
        reason = _reason(await call.form())
        await call.service.cancel(call.principal, call.identifier, reason=reason)
        return redirect(execution_url(call.identifier))

    async def delete(self, call: Call) -> Reply:
        """Remove it with all that belongs to it."""
        await call.service.delete(call.principal, call.identifier)
        return redirect("/")

    async def answer(self, call: Call) -> Reply:
        """Answer what it asks."""
        form = await call.form()
        steps = await call.service.steps(call.principal, call.identifier)
        wanted = one_value(form, "wait")
        wait = next((ask.wait for ask in asks_of(steps) if ask.wait.id == wanted), None)
        if wait is None:
            raise Conflict("This is not asked any more: somebody has answered, or it has ended.")
        body, problems = _answer(wait, form)
        if not problems:
            try:
                await call.service.resume(call.principal, call.identifier, wait.id, body)
            except InvalidRequest as error:
                problems = error.details
        if not problems:
            return redirect(execution_url(call.identifier))
        asks = [_with_problems(ask, form, problems, wait.id) for ask in asks_of(steps)]
        return await self._show(call, asks, 400)

    async def ask_fork(self, call: Call) -> Reply:
        """Ask with what input to go on, from a step."""
        from_step = _position(call.query.one("from"))
        is_raw = call.query.one("raw") is not None
        call.query.done()
        execution = await call.service.get(call.principal, call.identifier)
        schema = await self._schema(call, execution)
        form = filled_form(schema, execution.input_data or {}, is_raw=is_raw)
        return await self._fork_page(call, execution, from_step, form)

    async def fork(self, call: Call) -> Reply:
        """Create a fork, and go there."""
        posted = await call.form()
        from_step, key = _position(one_value(posted, "from")), one_value(posted, "key")
        input_data: Any = None
        execution = await call.service.get(call.principal, call.identifier)
        problems: list[Detail] = []
        schema: Any = None
        if one_value(posted, "edits"):
            schema = await self._schema(call, execution)
            input_data, problems = read_object(schema, posted)
            if is_same(input_data, execution.input_data or {}):
                input_data = None
        if not problems:
            try:
                created = await call.service.fork(
                    call.principal,
                    execution.id,
                    NewFork(from_step=from_step, input_data=input_data),
                    idempotency_key=key or None,
                    fingerprint=fingerprint_of(
                        {"fork": execution.id, "from_step": from_step, "input_data": input_data}
                    ),
                )
                return redirect(execution_url(created.execution.id))
            except InvalidRequest as error:
                problems = error.details
        form = with_problems(schema, posted, problems, "input_data")
        return await self._fork_page(call, execution, from_step, form, 400)

    async def _fork_page(
        self, call: Call, execution: Execution, from_step: int | None, form: Any, status: int = 200
    ) -> Reply:
        steps = await call.service.steps(call.principal, execution.id)
        first = next((step for step in steps if step.position == from_step), None)
        key = secrets.token_urlsafe(18)
        return self._site.render(
            call,
            "fork.html",
            status,
            execution=execution,
            form=form,
            from_step=from_step,
            step=first,
            key=key,
        )

    @staticmethod
    async def _schema(call: Call, execution: Execution) -> Any:
        agent = await call.service.agent(call.principal, execution.agent_id)
        return agent.newest.input_schema


def _position(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _STEP_DIGITS):
        raise InvalidRequest.field("from", "must be a step's position")
    return int(text)


def _reason(form: Posted) -> str | None:
    return optional_text(one_value(form, "reason").strip() or None, "reason", _REASON_LIMIT)


def _answer(wait: Step, form: Posted) -> tuple[dict[str, Any], list[Detail]]:
    """The body of an answer, and what is wrong with the form."""
    kind, schema = ask_form(wait)
    reason = _reason(form)
    if kind == "input":
        value, problems = read_form(schema, form)
        return {"value": value}, problems
    if kind == "approval":
        return _approval(wait, schema, form, reason)
    outcome = one_value(form, "outcome")
    body = {"outcome": outcome, "reason": reason}
    if outcome != "happened" or not one_value(form, "json").strip():
        return body, []
    body["result"], problems = read_form(None, form)
    return body, problems


def _approval(
    wait: Step, schema: Any, form: Posted, reason: str | None
) -> tuple[dict[str, Any], list[Detail]]:
    approved = one_value(form, "approved")
    if approved not in {"yes", "no"}:
        return {}, [{"field": "approved", "message": "choose whether it may be done"}]
    if approved == "no":
        return {"approved": False, "reason": reason}, []
    arguments, problems = read_form(schema, form)
    body = {"approved": True, "reason": reason}
    if not is_same(arguments, (wait.wait or {}).get("arguments") or {}):
        body["arguments"] = arguments
    return body, problems


def _with_problems(ask: Ask, form: Posted, problems: list[Detail], answered: str) -> Ask:
    if ask.wait.id != answered:
        return ask
    root = {"input": "value", "approval": "arguments"}.get(ask.kind, "result")
    shown = with_problems(ask.schema, form, problems, root)
    return replace(ask, form=shown, error="This answer cannot be taken as it is.")
