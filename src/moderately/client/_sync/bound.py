"""Executions that know the client that they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moderately.client._sync.streaming import execution_stream
from moderately.client.models import AgentExecution, no_client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moderately.client._sync.streaming import EventStream
    from moderately.client._sync.transport import Transport

__all__ = ["BoundExecution"]


class BoundExecution(AgentExecution):
    """An execution as a client returns it. What is pickled or copied forgets the client.

    Args:
        fields: Its fields.
        transport: The client's own; None for one that came from no client.
    """

    _NAME = "AgentExecution"

    def __init__(
        self, fields: Mapping[str, Any] | None = None, transport: Transport | None = None
    ) -> None:
        super().__init__(fields or {})
        self._transport = transport

    def __getstate__(self) -> None:
        """No connections, and no key."""
        return

    def events(
        self,
        *,
        after: int = 0,
        timeout: float | None = None,
        live: bool = False,
    ) -> EventStream:
        """Stream its events, as `client.agent_executions.stream` does.

        Args:
            after: The number of the last event that you have; 0 for all.
            timeout: How long it may take, in seconds: a hard deadline. For ever by default.
            live: Whether to get what is live only, too: tokens and the starts of steps.

        Raises:
            RuntimeError: If it came from no client.
            ModeratelyError: While iterating, as of `stream`.
            ValueError: If an argument cannot be.

        Example:
            >>> for event in execution.events(live=True):
            ...     print(event.type, event.data)
        """
        transport: Transport | None = self.__dict__.get("_transport")
        if transport is None:
            raise no_client(self)
        return execution_stream(transport, self.id, after=after, timeout=timeout, live=live)
