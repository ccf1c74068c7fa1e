"""Runs agents' code: the decorator, the context that an agent gets, and the runner."""

from moderately.runtime.agents import AgentDefinition, agent
from moderately.runtime.context import Context, Interrupted, SyncContext
from moderately.runtime.loader import LoadError, load_agents
from moderately.runtime.runner import LocalRunner

__all__ = [
    "AgentDefinition",
    "Context",
    "Interrupted",
    "LoadError",
    "LocalRunner",
    "SyncContext",
    "agent",
    "load_agents",
]
