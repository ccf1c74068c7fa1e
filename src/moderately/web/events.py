"""The streams of events for scripts of ours: the same as the API's, for who has the cookie."""

from moderately.http import Resource
from moderately.http.follow import execution_stream, team_stream
from moderately.web.pages import Page, Site

__all__ = ["pages"]


def pages(site: Site) -> dict[str, Resource]:
    """The streams, by the templates of their paths."""
    return {
        "/ui/events": Page(site, get=team_stream),
        "/ui/executions/{id}/events": Page(site, get=execution_stream),
    }
