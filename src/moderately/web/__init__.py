"""The dashboard: pages rendered on the server, over the use cases."""

from moderately.http import Resource
from moderately.web import agents, events, execution, executions, nowhere, signing, system
from moderately.web.pages import Site

__all__ = ["make_pages"]


def make_pages() -> dict[str, Resource]:
    """The dashboard's pages and files, by the templates of their paths."""
    site = Site()
    return {
        **site.assets.resources(),
        **signing.pages(site),
        **executions.pages(site),
        **execution.pages(site),
        **agents.pages(site),
        **events.pages(site),
        **system.pages(site),
        **nowhere.pages(site),
    }
