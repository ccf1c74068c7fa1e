"""Why a pending execution does not run."""

from moderately.domain.execution import Execution
from moderately.engine.fleet import Fleet
from moderately.protocol.vocabulary import Status

__all__ = ["unable"]


def unable(execution: Execution, fleet: Fleet) -> dict[str, str] | None:
    """Why no worker can run an execution now: `{"kind", "message"}`; None if one can.

    Args:
        execution: The execution.
        fleet: The workers that are up.
    """
    if execution.status is not Status.PENDING:
        return None
    agent_id, version = execution.agent_id, execution.agent_version
    if not fleet.serves(agent_id):
        message = f"No worker serves agent {agent_id!r}: start the service with it."
        return {"kind": "agent", "message": message}
    if execution.run_at is not None:
        return {"kind": "time", "message": "It is not to run before its time."}
    lane = f"{int(execution.attempt > 0)}:{version}"
    if lane in fleet.lanes(agent_id):
        return None
    why = "has begun under" if execution.attempt else "was made for"
    message = (
        f"It {why} version {version!r}, which no worker serves: start the service with that"
        " version, or move the execution to another one."
    )
    return {"kind": "version", "message": message}
