"""What an execution's state means, in words. Pure."""

from typing import Final

from moderately.domain.execution import Execution
from moderately.protocol.vocabulary import Status

__all__ = ["why"]

_FAILED: Final = {
    "agent_error": "the agent raised an error",
    "invalid_input": "the input does not fit the agent",
    "invalid_output": "the agent gave what its signature does not say",
    "timeout": "its time was up",
    "step_limit": "it took too many steps",
    "journal_mismatch": "the agent's code did not do again what is on record",
}
_WAITING: Final = {
    "retry": "it failed, and is tried again",
    "waiting_for_input": "it waits for an answer",
    "waiting_for_approval": "it waits for an approval",
    "effect_in_doubt": "somebody has to say what an interrupted step did",
}


def why(execution: Execution) -> str:
    """Why an execution stands where it does; empty where its status says all.

    Example:
        >>> why(failed)
        'its time was up'
    """
    reason = execution.status_reason
    if execution.status is Status.FAILED:
        return _FAILED.get(reason or "", reason or "")
    if execution.status is Status.CANCELLED:
        return reason or ""
    blocked_on = execution.blocked_on or {}
    message = str(blocked_on.get("message", "")).rstrip(".")
    if message:
        return message[:1].lower() + message[1:]
    return _WAITING.get(reason or "", reason or "")
