"""Agents: what can be run."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from moderately.client._sync.raw import as_raw
from moderately.client._sync.resource import BaseResource
from moderately.client.models import Agent
from moderately.client.replies import read_object
from moderately.client.requests import Request, identifier
from moderately.protocol import routes

if TYPE_CHECKING:
    from moderately.client._sync.io import PaginatedResponse

__all__ = ["Agents", "RawAgents"]


class Agents(BaseResource):
    """Agents: what can be run."""

    @cached_property
    def with_raw_response(self) -> RawAgents:
        """The same calls, with the reply as it came."""
        return RawAgents(self)

    def retrieve(self, agent_id: str) -> Agent:
        """Retrieve an agent.

        Args:
            agent_id: Its id.

        Raises:
            NotFoundError: If there is none.

        Example:
            >>> agent = client.agents.retrieve("research")
            >>> print(agent.version, agent.input_schema)
        """
        request = Request("GET", routes.agent(identifier(agent_id)))
        return Agent(read_object(self._transport.send(request), "id"))

    def list(self, *, page: int = 1, page_size: int = 10) -> PaginatedResponse[Agent]:
        """List agents by name. Iterates over all pages.

        Args:
            page: Which page, from 1.
            page_size: How many a page, 1000 at the most.

        Raises:
            ValidationError: If a value will not do.

        Example:
            >>> for agent in client.agents.list():
            ...     print(agent.id)
        """
        query: dict[str, Any] = {"page": page, "page_size": page_size}
        return self._list(routes.AGENTS, Agent, query)


class RawAgents:
    """The same calls as of the resource; each returns a `RawResponse`, whose `parse()` is the rest.

    Args:
        resource: The resource.
    """

    def __init__(self, resource: Agents) -> None:
        self.retrieve = as_raw(resource.retrieve)
        self.list = as_raw(resource.list)
