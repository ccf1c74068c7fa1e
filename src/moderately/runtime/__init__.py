"""Runs agents' code: the decorator, the context that an agent gets, and the runner."""

from moderately.domain.retry import Retry
from moderately.runtime.agents import AgentDefinition, agent
from moderately.runtime.context import Approval, Context, Interrupted, Parked, SyncContext
from moderately.runtime.loader import LoadError, load_agents
from moderately.runtime.replay import FORMAT, RecordError, Replayed, replay
from moderately.runtime.runner import LocalRunner, RunnerOptions
from moderately.runtime.values import ChildFailed, JournalMismatch, NotJson, StepFailed

__all__ = [
    "FORMAT",
    "AgentDefinition",
    "Approval",
    "ChildFailed",
    "Context",
    "Interrupted",
    "JournalMismatch",
    "LoadError",
    "LocalRunner",
    "NotJson",
    "Parked",
    "RecordError",
    "Replayed",
    "Retry",
    "RunnerOptions",
    "StepFailed",
    "SyncContext",
    "agent",
    "load_agents",
    "replay",
]
