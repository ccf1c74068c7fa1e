"""From where a fork goes on. Pure."""

from collections.abc import Sequence

from moderately.domain.errors import Conflict
from moderately.domain.execution import Execution, Step
from moderately.protocol.vocabulary import Status

__all__ = ["fork_position"]


def fork_position(source: Execution, steps: Sequence[Step], wanted: int | None) -> int:
    """The position of the first journal entry that a fork does not share.

    Args:
        source: The execution to fork.
        steps: Its journal.
        wanted: The position that was asked for; that of the step that failed when None.

    Raises:
        Conflict: If there is no such position.
    """
    last = max((step.position for step in steps), default=0)
    if wanted is not None:
        if not 1 <= wanted <= last + 1:
            raise Conflict(f"from_step is from 1 to {last + 1} for execution {source.id}.")
        return wanted
    failed = (source.error or {}).get("step")
    found = next((step.position for step in steps if step.id == failed), None)
    if found is None and source.status is not Status.FAILED:
        raise Conflict(
            f"No step of execution {source.id} has failed; send a from_step, 1 to {last + 1}."
        )
    return found or last + 1
