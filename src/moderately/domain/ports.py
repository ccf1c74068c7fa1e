"""The ports: what the use cases need of an engine, a runner, a clock. `storing` has the store's."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from moderately.domain.agents import AgentVersion
from moderately.domain.commands import Complete, Fail, Park, Pause, RetryLater
from moderately.domain.execution import Claim, Execution, Step
from moderately.domain.storing import Created, Idempotency

__all__ = ["Clock", "Engine", "Lease", "Outcome", "Runner"]

Outcome = Complete | Fail | RetryLater | Park | Pause
"""How a run ended."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """The time in microseconds since the epoch, UTC; later at each call, come what may."""
        ...


class Lease(Protocol):
    """A worker's right to what it runs."""

    def is_held(self) -> bool:
        """Whether it is sure that nobody else may take what this worker runs."""
        ...


class Runner(Protocol):
    """Runs agents' code, away from the service's event loop."""

    def agents(self) -> Mapping[str, Sequence[AgentVersion]]:
        """The agents that can run here, by id: each with its versions, the newest first."""
        ...

    def is_blocking(self, agent_id: str) -> bool:
        """Whether the agent's function is a plain one, which holds a thread while it runs."""
        ...

    def start(self, claims: Sequence[Claim], done: Callable[[Claim, Outcome | None], None]) -> None:
        """Run these. Returns at once.

        Args:
            claims: What to run.
            done: Called from any thread when a run's code has ended: with its outcome, or None
                where it was interrupted.
        """
        ...

    def settle(self, execution_id: str, fence: int, step: Step) -> None:
        """Tell a run that something has come which it waits for."""
        ...

    def interrupt(self, execution_id: str, fence: int) -> None:
        """Stop a run as soon as its code allows."""
        ...

    def lingering(self) -> int:
        """How many runs go on although they were interrupted, and their grace is over."""
        ...


class Engine(Protocol):
    """Decides which worker runs what, and when."""

    async def start(self) -> None:
        """Begin to take work."""
        ...

    async def stop(self, grace: float) -> None:
        """Take no more work, give what runs `grace` seconds to end, and hand the rest back."""
        ...

    async def submit(self, execution: Execution, idempotency: Idempotency | None) -> Created:
        """Record a new execution, and see to it that it runs.

        Raises:
            IdempotencyKeyReused: If the key is taken by another body.
        """
        ...

    def serves(self, agent_id: str) -> bool:
        """Whether a worker that is up can run this agent."""
        ...

    def versions(self, agent_id: str) -> Collection[str]:
        """The versions of an agent that workers which are up can run."""
        ...

    async def silent_since(self, worker_id: str) -> int | None:
        """When a worker was last heard of, in microseconds; None while its lease lasts."""
        ...

    def blocked_on(self, execution: Execution) -> dict[str, Any] | None:
        """Why a pending execution does not run: `{"kind", "message"}`, or None if it is next."""
        ...

    def runs_here(self, execution: Execution) -> bool:
        """Whether this worker runs it."""
        ...

    def snapshot(self) -> Mapping[str, int]:
        """Gauges by name."""
        ...
