"""What is done with many executions at once."""

import asyncio
from dataclasses import dataclass
from typing import Final

from moderately.domain.errors import Conflict, DomainError, InvalidRequest
from moderately.domain.execution import NewFork
from moderately.http import Call, Reply
from moderately.protocol.vocabulary import Status
from moderately.web.pages import FRAGMENT_HEADER, Site
from moderately.web.security import local_target

__all__ = ["Bulk", "Outcome"]

_LIMIT: Final = 200
_RETRIED: Final = frozenset({Status.FAILED, Status.CANCELLED})
_DONE: Final = {"cancel": "cancelled", "retry": "retried", "delete": "deleted"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it for one execution.

    Attributes:
        id: The execution.
        wrong: Why nothing was done; empty where it was.
        new_id: The execution that goes on in its place.
    """

    id: str
    wrong: str = ""
    new_id: str = ""


class Bulk:
    """`POST /ui/executions`: cancel, retry or delete those that were ticked.

    Args:
        site: The dashboard.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def act(self, call: Call) -> Reply:
        """Do it, and tell what came of each; ask first whether to delete.

        Raises:
            InvalidRequest: If there is no such action, or nothing or too much was ticked.
        """
        form = await call.form()
        action, once = form.get("action", [""])[0], form.get("once", [""])[0][:80]
        ids = list(dict.fromkeys(form.get("id", [])))
        back = local_target(form.get("back", ["/"])[0])
        if action not in _ACTIONS:
            raise InvalidRequest.field("action", "must be cancel, retry or delete")
        if not 0 < len(ids) <= _LIMIT:
            raise InvalidRequest(f"Select 1 to {_LIMIT} executions, then choose what to do.")
        if action == "delete" and "confirmed" not in form:
            return self._site.render(call, "confirm.html", ids=ids, back=back)
        outcomes = await asyncio.gather(
            *(self._one(call, action, execution_id, once) for execution_id in ids)
        )
        is_fragment = call.header(FRAGMENT_HEADER) is not None
        return self._site.render(
            call,
            "outcomes.html" if is_fragment else "outcomes_page.html",
            outcomes=sorted(outcomes, key=lambda one: not one.wrong),
            done=_DONE[action],
            back=back,
        )

    async def _one(self, call: Call, action: str, execution_id: str, once: str) -> Outcome:
        try:
            new_id = await _ACTIONS[action](call, execution_id, once)
        except DomainError as error:
            return Outcome(execution_id, wrong=error.message)
        return Outcome(execution_id, new_id=new_id)


async def _cancel(call: Call, execution_id: str, _: str) -> str:
    await call.service.cancel(call.principal, execution_id, reason="from the dashboard")
    return ""


async def _retry(call: Call, execution_id: str, once: str) -> str:
    execution = await call.service.get(call.principal, execution_id)
    if execution.status not in _RETRIED:
        raise Conflict(
            f"It is {execution.status.value}: only what failed or was cancelled is tried again."
        )
    # A form that is sent twice makes one.
    key = f"dashboard:{once}:{execution_id}" if once else None
    # Nothing of what was cancelled has failed: it goes on behind all that is on record.
    has_failed = execution.status is Status.FAILED
    fork = NewFork(from_step=None if has_failed else execution.step_count + 1)
    created = await call.service.fork(
        call.principal, execution_id, fork, idempotency_key=key, fingerprint=execution_id
    )
    return created.execution.id


async def _delete(call: Call, execution_id: str, _: str) -> str:
    await call.service.delete(call.principal, execution_id)
    return ""


_ACTIONS: Final = {"cancel": _cancel, "retry": _retry, "delete": _delete}
