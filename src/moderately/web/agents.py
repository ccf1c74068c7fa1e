"""The agents: a list, and a page for each, where one can be run."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup

from moderately.domain.agents import Agent, AgentVersion
from moderately.domain.errors import IdempotencyKeyReused, InvalidRequest
from moderately.domain.execution import NewExecution
from moderately.domain.reports import Run
from moderately.http import Call, Reply, Resource
from moderately.protocol.vocabulary import Status
from moderately.web.actions import execution_url, fingerprint_of, one_value
from moderately.web.charts import Series, plot
from moderately.web.diffs import Line, diff_versions
from moderately.web.filters import duration
from moderately.web.forms import Form, blank_form, filled_form, read_object, with_problems
from moderately.web.pages import Page, Site, redirect
from moderately.web.system import quantile

__all__ = ["Record", "pages", "record_of"]

_RECENT: Final = 200
_SHOWN: Final = 20
_FEW: Final = 3
_PAGE_SIZE: Final = 50
_MANY: Final = 10**6


@dataclass(frozen=True, slots=True)
class Record:
    """How an agent's last executions went.

    Attributes:
        count: How many they are.
        ended: How many of them have completed or failed.
        success_rate: The share of those that completed; None where none has ended.
        p50: Half of the completed ones took no longer, in microseconds.
        p95: 95 in 100 of them took no longer.
        cost: What all of them cost, in US dollars; None where none told.
    """

    count: int
    ended: int
    success_rate: float | None
    p50: int | None
    p95: int | None
    cost: float | None


def record_of(runs: Sequence[Run]) -> Record:
    """How executions went."""
    completed = [run for run in runs if run.status is Status.COMPLETED]
    failed = sum(run.status is Status.FAILED for run in runs)
    ended = len(completed) + failed
    times = [_took(run) for run in completed]
    costs = [cost for run in runs if isinstance(cost := run.usage.get("cost"), int | float)]
    return Record(
        count=len(runs),
        ended=ended,
        success_rate=len(completed) / ended if ended else None,
        p50=quantile(times, 0.5),
        p95=quantile(times, 0.95),
        cost=sum(costs) if costs else None,
    )


def _took(run: Run) -> int:
    return (run.ended_at or 0) - (run.started_at or run.created_at)


class _Agents:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def index(self, call: Call) -> Reply:
        page = call.query.integer("page", 1, 1, _MANY)
        call.query.done()
        found, total = await call.service.agents(call.principal, page=page, page_size=_PAGE_SIZE)
        rows = [(agent, record_of(await self._runs(call, agent.id))) for agent in found]
        pages = max(1, -(-total // _PAGE_SIZE))
        return self._site.render(
            call, "agents.html", rows=rows, total=total, page=page, pages=pages
        )

    @staticmethod
    async def _runs(call: Call, agent_id: str) -> Sequence[Run]:
        return await call.service.overview.runs(call.principal, agent_id, _RECENT)

    async def show(self, call: Call) -> Reply:
        query = call.query
        is_raw, like = query.one("raw") is not None, query.one("like")
        old, new = query.one("old"), query.one("new")
        query.done()
        agent = await call.service.agent(call.principal, call.identifier)
        schema = agent.newest.input_schema
        form = blank_form(schema, is_raw=is_raw)
        if like:
            source = await call.service.get(call.principal, like)
            form = filled_form(schema, source.input_data or {}, is_raw=is_raw)
        return await self._page(call, agent, form, old=old, new=new)

    async def run(self, call: Call) -> Reply:
        posted = await call.form()
        agent = await call.service.agent(call.principal, call.identifier)
        schema = agent.newest.input_schema
        value, problems = read_object(schema, posted)
        if not problems:
            try:
                return await self._create(call, agent, value, one_value(posted, "key"))
            except InvalidRequest as error:
                problems = error.details
        form = with_problems(schema, posted, problems, "input_data")
        return await self._page(call, agent, form, status=400)

    @staticmethod
    async def _create(call: Call, agent: Agent, value: Any, key: str) -> Reply:
        request = NewExecution(agent.id, value)
        fingerprint = fingerprint_of({"agent_id": agent.id, "input_data": value})
        try:
            created = await call.service.create(
                call.principal, request, idempotency_key=key or None, fingerprint=fingerprint
            )
        except IdempotencyKeyReused:
            # The page was left by the back button, and its form sent again with another input.
            created = await call.service.create(
                call.principal, request, idempotency_key=None, fingerprint=fingerprint
            )
        return redirect(execution_url(created.execution.id))

    async def _page(
        self,
        call: Call,
        agent: Agent,
        form: Form,
        *,
        old: str | None = None,
        new: str | None = None,
        status: int = 200,
    ) -> Reply:
        versions = await call.service.agent_versions(call.principal, agent.id)
        runs = await self._runs(call, agent.id)
        return self._site.render(
            call,
            "agent.html",
            status,
            agent=agent,
            form=form,
            key=secrets.token_urlsafe(18),
            record=record_of(runs),
            runs=runs[:_SHOWN],
            plot=_durations(runs),
            versions=versions,
            **_diff(versions, old, new),
        )


def _durations(runs: Sequence[Run]) -> Markup | None:
    points = [
        (run.created_at, _took(run) / 1_000_000)
        for run in reversed(runs)
        if run.status is Status.COMPLETED
    ]
    if len(points) < _FEW:
        return None
    title = f"Duration of the last {len(points)} that completed"
    series = Series("duration", points, is_area=True)
    return plot(title, [series], shown=lambda seconds: duration(int(seconds * 1_000_000)))


def _diff(versions: Sequence[AgentVersion], old: str | None, new: str | None) -> dict[str, Any]:
    by_name = {version.version: version for version in versions}
    names = list(by_name)
    # The newest beside the one before, unless other ones are asked for.
    newer = by_name.get(new or names[0], versions[0])
    older = by_name.get(old or names[min(1, len(names) - 1)], versions[-1])
    lines: list[Line] = diff_versions(older, newer) if older is not newer else []
    return {"older": older, "newer": newer, "diff": lines}


def agent_url(agent_id: str) -> str:
    """Where the page of an agent is."""
    return f"/ui/agents/{quote(agent_id, safe='')}"


def pages(site: Site) -> dict[str, Resource]:
    """The pages, by the templates of their paths."""
    agents = _Agents(site)
    return {
        "/ui/agents": Page(site, get=agents.index),
        "/ui/agents/{id}": Page(site, get=agents.show, post=agents.run),
    }
