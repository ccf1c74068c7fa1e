"""What runs in this process: by execution, and by the fence of each of its runs."""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from moderately.domain.execution import Claim, Execution
from moderately.protocol.vocabulary import Status

__all__ = ["Run", "Runs"]


@dataclass(slots=True, eq=False)
class Run:
    """A run.

    Attributes:
        claim: The right to run.
        seen: Up to which event it has been told what others have done to its execution.
        timer: Ends it when its time is up.
    """

    claim: Claim
    seen: int
    timer: asyncio.TimerHandle | None = None

    def disarm(self) -> None:
        """Let it run on when its time is up: it ends already."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Runs:
    """The runs. One is there until its code has ended, whether it is wanted or not."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[int, Run]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._runs.values()))

    def __bool__(self) -> bool:
        # Asked at the end of each run: not to be counted for that.
        return bool(self._runs)

    def __iter__(self) -> Iterator[Run]:
        for runs in list(self._runs.values()):
            yield from list(runs.values())

    @property
    def ids(self) -> Collection[str]:
        """The executions, as they are at any time."""
        return self._runs.keys()

    def add(self, run: Run) -> None:
        """Take note of a run that begins."""
        self._runs.setdefault(run.claim.execution.id, {})[run.claim.fence] = run

    def remove(self, claim: Claim) -> None:
        """Forget a run that has ended."""
        runs = self._runs.get(claim.execution.id, {})
        if (run := runs.pop(claim.fence, None)) is not None:
            run.disarm()
        if not runs:
            self._runs.pop(claim.execution.id, None)

    def get(self, execution_id: str, fence: int) -> Run | None:
        """The run of an execution under a fence."""
        return self._runs.get(execution_id, {}).get(fence)

    def outdated(self, execution: Execution) -> list[Run]:
        """The runs of an execution that are no longer wanted, as it stands.

        Word of how it stands may be late: a run with a later fence is none of its business.
        """
        is_running = execution.status is Status.RUNNING
        return [
            run
            for fence, run in self._runs.get(execution.id, {}).items()
            if fence < execution.fence or (fence == execution.fence and not is_running)
        ]
