"""The executions of a team: the first page."""

from moderately.http import Call, Reply, Resource
from moderately.http.fields import list_query
from moderately.web.pages import Page, Site

__all__ = ["pages"]


class _Executions:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, call: Call) -> Reply:
        query = list_query(call.query)
        found = await call.service.list(call.principal, query)
        return self._site.render(call, "executions.html", found=found, query=query)


def pages(site: Site) -> dict[str, Resource]:
    """The pages, by the templates of their paths."""
    executions = _Executions(site)
    return {"/": Page(site, get=executions.show)}
