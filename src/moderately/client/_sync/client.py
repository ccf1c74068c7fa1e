"""The client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from moderately.client._sync.resources import AgentExecutions, Agents
from moderately.client._sync.transport import Transport
from moderately.client.config import find_config

if TYPE_CHECKING:
    from moderately.client._sync import io

__all__ = ["ModeratelyAI"]


class ModeratelyAI:
    """A client of the service.

    Address and key come from the arguments, then `MODERATELY_BASE_URL`, `MODERATELY_API_KEY` and
    `MODERATELY_TEAM_ID`, then the credentials file that a local service writes.

    Args:
        api_key: The key.
        base_url: Where the service answers.
        team_id: The team, for the record: the key says which one it is.
        timeout: How long one request may take, in seconds.
        max_retries: How often a request is sent again where that is safe.
        http_client: An `httpx2` client to use; it is not closed with this one.

    Attributes:
        agent_executions: Executions: create, list, retrieve, cancel, wait.
        agents: Agents: list, retrieve.

    Raises:
        ModeratelyError: If the address or the key cannot be one.

    Example:
        >>> with ModeratelyAI() as client:
        ...     page = client.agent_executions.list(status="running")
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        team_id: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 2,
        http_client: io.HttpClient | None = None,
    ) -> None:
        self._config = find_config(base_url, api_key, team_id)
        self._transport = Transport(
            self._config, timeout=timeout, max_retries=max_retries, http_client=http_client
        )
        self.agent_executions = AgentExecutions(self._transport)
        self.agents = Agents(self._transport)

    @property
    def base_url(self) -> str:
        """Where the service answers."""
        return self._config.base_url

    @property
    def team_id(self) -> str | None:
        """The team, where it is known."""
        return self._config.team_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def close(self) -> None:
        """Close the connections. Closing twice does no harm."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
