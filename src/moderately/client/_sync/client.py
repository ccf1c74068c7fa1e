"""The client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from moderately.client._sync import io
from moderately.client._sync.agents import Agents
from moderately.client._sync.executions import AgentExecutions
from moderately.client._sync.transport import Connections, Transport
from moderately.client.config import find_config
from moderately.client.options import NOT_GIVEN, NotGiven, Options
from moderately.client.replies import RawResponse, read_json
from moderately.client.requests import Request, encode, list_request

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["ModeratelyAI"]


class ModeratelyAI:
    """A client of the service.

    Address and key come from the arguments, then `MODERATELY_BASE_URL`, `MODERATELY_API_KEY` and
    `MODERATELY_TEAM_ID`, then the credentials file that a local service writes. Threads may share a
    client, and a forked process may go on with its own copy.

    Args:
        api_key: The key.
        base_url: Where the service answers.
        team_id: The team, for the record: the key says which one it is.
        timeout: How long one request may take, in seconds; None for as long as it likes.
        max_retries: How often a request is sent again where that is safe.
        headers: Headers to send with every request.
        http_client: An HTTP client to use, of `httpx2` or `httpx`; in asynchronous code also an
            `aiohttp` session, or `"aiohttp"` for one of our own. One that is handed in keeps its
            authentication, headers, proxies and certificates, and is not closed with this client.

    Attributes:
        agent_executions: Executions: create, run, list, retrieve, cancel, wait, stream.
        agents: Agents: list, retrieve.

    Raises:
        ModeratelyError: If the address or the key cannot be one.
        ValueError: If another argument cannot be.

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
        timeout: float | None = 60.0,
        max_retries: int = 2,
        headers: Mapping[str, str] | None = None,
        http_client: io.HttpClient | str | None = None,
    ) -> None:
        io.check_client(http_client)
        config = find_config(base_url, api_key, team_id)
        options = Options(timeout, max_retries, dict(headers or {}))
        connections = Connections(http_client, config.base_url)
        self._use(Transport(config, options, connections))

    def _use(self, transport: Transport) -> None:
        self._transport = transport
        self.agent_executions = AgentExecutions(transport)
        self.agents = Agents(transport)

    @property
    def base_url(self) -> str:
        """Where the service answers."""
        return self._transport.config.base_url

    @property
    def team_id(self) -> str | None:
        """The team, where it is known."""
        return self._transport.config.team_id

    def with_options(
        self,
        *,
        timeout: float | NotGiven | None = NOT_GIVEN,
        max_retries: int | NotGiven = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven = NOT_GIVEN,
    ) -> Self:
        """The same client, over the same connections, with other options.

        Args:
            timeout: How long one request may take, in seconds; None for as long as it likes.
            max_retries: How often a request is sent again where that is safe.
            headers: Headers to send too.

        Raises:
            ValueError: If one of them cannot be.

        Example:
            >>> quick = client.with_options(timeout=2, max_retries=0)
            >>> quick.agent_executions.retrieve("exec_…")
        """
        client = type(self).__new__(type(self))
        options = self._transport.options.changed(timeout, max_retries, headers)
        client._use(self._transport.with_options(options))  # noqa: SLF001 - one of our own kind
        return client

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> RawResponse[Any]:
        """Call what the client has no method for.

        It is sent again only where that is safe: a `GET`, or whatever has an `Idempotency-Key`.

        Args:
            method: The HTTP method.
            path: The path, quoted, from `/` on.
            query: The query's parameters.
            json: The body.
            headers: Further headers.

        Returns:
            The reply; `parse()` is its JSON.

        Raises:
            APIError: If the call does not succeed.
            ValueError: If the path does not begin with `/`.

        Example:
            >>> raw = client.request("GET", "/agent-executions", query={"page_size": 1})
            >>> print(raw.status_code, raw.json()["pagination"])
        """
        if not path.startswith("/"):
            raise ValueError(f"a path begins with /; {path!r} does not")
        given = Options(headers=dict(headers or {})).headers
        names = {name.lower() for name in given}
        request = Request(
            method.upper(),
            path,
            list_request(path, **dict(query or {})).query,
            None if json is None else encode(json),
            given,
            method.upper() in ("GET", "HEAD", "OPTIONS", "PUT") or "idempotency-key" in names,
        )
        reply = self._transport.send(request)
        return RawResponse(reply, read_json(reply))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def close(self) -> None:
        """Close the connections. Closing twice does no harm."""
        self._transport.connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
