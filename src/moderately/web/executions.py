"""The executions of a team: the first page."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any, Final

from moderately.domain.execution import Execution
from moderately.domain.listing import ExecutionList, ListQuery
from moderately.http import Call, Reply, Resource
from moderately.http.wire import execution_object, page_info
from moderately.protocol.vocabulary import OrderBy, Status
from moderately.web.bulk import Bulk
from moderately.web.pages import Page, Site, redirect
from moderately.web.search import SIZES, Search, read_search

__all__ = ["Row", "pages"]

_MOST_AGENTS: Final = 500


@dataclass(frozen=True, slots=True)
class Row:
    """An execution as a row of the table."""

    execution: Execution

    @property
    def reason(self) -> str:
        """Why it stands where it stands; empty where that goes without saying."""
        one = self.execution
        if one.status is Status.FAILED:
            return str((one.error or {}).get("message", ""))
        if one.blocked_on is not None and not one.status.is_terminal:
            return str(one.blocked_on.get("message", ""))
        return (one.status_reason or "").replace("_", " ")

    @property
    def is_ticking(self) -> bool:
        """Whether its duration grows."""
        return self.execution.status is Status.RUNNING

    def duration(self, now: int) -> int | None:
        """How long it took, or has taken, since it first started, in microseconds."""
        one = self.execution
        if one.started_at is None:
            return None
        return (now if self.is_ticking else one.paused_at or one.updated_at) - one.started_at

    @property
    def cost(self) -> float | None:
        """What it cost in US dollars; None where nothing told."""
        usage: dict[str, Any] = dict(execution_object(self.execution)["usage"])
        return usage.get("cost")


class _Executions:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, call: Call) -> Reply:
        search = read_search(call.query)
        query, found = await self._find(call, search)
        counts, (agents, _) = await asyncio.gather(
            call.service.overview.counts(call.principal, query),
            call.service.agents(call.principal, page=1, page_size=_MOST_AGENTS),
        )
        info = page_info(search.page, search.page_size, found.total)
        if search.page > 1 and not found.items:
            return redirect(search.at(max(info["total_pages"], 1)))
        return self._site.render(
            call,
            "executions.html",
            search=search,
            query=query,
            rows=[Row(one) for one in found.items],
            page=info,
            counts=counts,
            total=sum(counts.values()),
            agents=agents,
            sizes=SIZES,
            orders=list(OrderBy),
            once=secrets.token_urlsafe(12),
            base_url=_base_url(call),
        )

    @staticmethod
    async def _find(call: Call, search: Search) -> tuple[ListQuery, ExecutionList]:
        first, *others = search.queries()
        query, found = first, await call.service.list(call.principal, first)
        for other in others:
            if found.total or query.page > 1:
                break
            query, found = other, await call.service.list(call.principal, other)
        return query, found


def _base_url(call: Call) -> str:
    scheme = "https" if call.is_secure else "http"
    return f"{scheme}://{call.header('host') or 'localhost'}"


def pages(site: Site) -> dict[str, Resource]:
    """The pages, by the templates of their paths."""
    executions = _Executions(site)
    bulk = Bulk(site)
    return {
        "/": Page(site, get=executions.show),
        "/ui/executions": Page(site, get=_first, post=bulk.act),
    }


async def _first(_: Call) -> Reply:
    return redirect("/")
