"""Workers: who runs executions, and what each can run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Worker"]


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker as the store knows it.

    Attributes:
        id: Its id (`worker_…`).
        seen_at: When it was last heard of, in microseconds.
        is_alive: Whether its lease lasts.
        serves: What it can run, by agent, as `domain.claims.lanes_of` gives it.
    """

    id: str
    seen_at: int
    is_alive: bool
    serves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
