"""The client SDK."""

from moderately.client._async.client import AsyncModeratelyAI
from moderately.client._async.resources import AsyncAgentExecutions, AsyncAgents
from moderately.client._sync.client import ModeratelyAI
from moderately.client._sync.resources import AgentExecutions, Agents, BaseResource
from moderately.client.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AuthenticationError,
    ConflictError,
    ConnectionTimeoutError,
    ModeratelyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TimeoutError,  # noqa: A004
    UnprocessableEntityError,
    ValidationError,
)
from moderately.client.models import Agent, AgentExecution, PaginatedResponse, Pagination

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "Agent",
    "AgentExecution",
    "AgentExecutions",
    "Agents",
    "AsyncAgentExecutions",
    "AsyncAgents",
    "AsyncModeratelyAI",
    "AuthenticationError",
    "BaseResource",
    "ConflictError",
    "ConnectionTimeoutError",
    "ModeratelyAI",
    "ModeratelyError",
    "NotFoundError",
    "PaginatedResponse",
    "Pagination",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "TimeoutError",
    "UnprocessableEntityError",
    "ValidationError",
]
