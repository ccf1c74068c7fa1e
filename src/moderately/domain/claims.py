"""What a worker offers to run, and what it gets."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from moderately.domain.execution import Claim
from moderately.domain.limits import Rate

__all__ = ["Claimed", "Offer", "lanes_of"]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a worker can run of an agent.

    Attributes:
        agent_id: The agent.
        versions: Its versions that can run here; the first is the newest. What has begun is taken
            under its own version only.
        free: How many more of it can run here.
        accepts: Further versions, of which those executions are taken that have not begun.
        limit: How many of it may run at once, on all workers; no limit when None.
        key_limit: How many with the same concurrency key may run at once; no limit when None.
        rate: How often executions of it may start; no limit when None.
    """

    agent_id: str
    versions: tuple[str, ...]
    free: int
    accepts: tuple[str, ...] = ()
    limit: int | None = None
    key_limit: int | None = None
    rate: Rate | None = None

    @property
    def is_limited(self) -> bool:
        """Whether it depends on what other workers do how many may start."""
        return (self.limit, self.key_limit, self.rate) != (None, None, None)

    @property
    def lanes(self) -> list[str]:
        """What can run here, as `lanes_of` gives it.

        What has a concurrency key is in lanes of its own: `1k:VERSION` and `0k:VERSION`.
        """
        found = lanes_of(self.versions, self.accepts)
        return [lane.replace(":", f"{k}:", 1) for lane in found for k in ("", "k")]


def lanes_of(versions: Sequence[str], accepts: Sequence[str]) -> list[str]:
    """What a worker can run of an agent: `1:VERSION` of what has begun, else `0:VERSION`.

    Args:
        versions: The versions that it has.
        accepts: Further versions, of which it takes what has not begun.
    """
    fresh = dict.fromkeys((*versions, *accepts))
    return [*(f"0:{version}" for version in fresh), *(f"1:{version}" for version in versions)]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim got.

    Attributes:
        claims: The executions.
        next_at: When an agent whose rate is spent may start the next one, in microseconds.
        more: The agents of which more may wait.
    """

    claims: Sequence[Claim]
    next_at: Mapping[str, int]
    more: AbstractSet[str] = frozenset()
