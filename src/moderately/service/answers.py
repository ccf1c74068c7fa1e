"""Answers to what an execution asks of a person. Pure, but for JSON Schema."""

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from moderately.domain.errors import InvalidRequest
from moderately.domain.execution import Step
from moderately.domain.waits import EFFECT_IN_DOUBT, settled, waits_for

__all__ = ["settle"]

_FIELDS: Final = {
    "input": {"value"},
    "approval": {"approved", "arguments", "reason"},
    EFFECT_IN_DOUBT: {"outcome", "result", "reason"},
}
_OUTCOMES: Final = ("happened", "did_not_happen", "failed")


def settle(body: Mapping[str, Any], wait: Step, now: int) -> Step:
    """What comes of a wait by an answer.

    Args:
        body: The answer: `value` for an input; `approved`, `arguments` and `reason` for an
            approval; `outcome`, `result` and `reason` for an effect in doubt.
        wait: What was asked.
        now: The time, in microseconds.

    Raises:
        InvalidRequest: If the answer does not fit what was asked.
    """
    kind = waits_for(wait)
    for name in body:
        if name not in _FIELDS[kind]:
            known = ", ".join(sorted(_FIELDS[kind]))
            raise InvalidRequest.field(name, f"does not answer {kind} {wait.name!r}; {known} do")
    if kind == "input":
        return _input(body, wait, now)
    if kind == "approval":
        return _approval(body, wait, now)
    return _effect(body, wait, now)


def _input(body: Mapping[str, Any], wait: Step, now: int) -> Step:
    if "value" not in body:
        raise InvalidRequest.field("value", f"is required: the answer to {wait.name!r}")
    schema = (wait.wait or {}).get("schema")
    if schema is not None:
        try:
            error = next(Draft202012Validator(schema).iter_errors(body["value"]), None)
        except SchemaError:
            error = None
        if error is not None:
            path = ".".join(["value", *map(str, error.absolute_path)])
            raise InvalidRequest.field(path, error.message[:300])
    return settled(wait, body["value"], None, now)


def _approval(body: Mapping[str, Any], wait: Step, now: int) -> Step:
    approved, arguments = body.get("approved"), body.get("arguments")
    if not isinstance(approved, bool):
        raise InvalidRequest.field("approved", "is required: true or false")
    if arguments is not None and not isinstance(arguments, dict):
        raise InvalidRequest.field("arguments", "must be an object")
    said = {"approved": approved, "arguments": arguments, "reason": _reason(body)}
    return settled(wait, said, None, now)


def _effect(body: Mapping[str, Any], wait: Step, now: int) -> Step:
    outcome = body.get("outcome")
    if outcome not in _OUTCOMES:
        raise InvalidRequest.field("outcome", f"is required: one of {', '.join(_OUTCOMES)}")
    if "result" in body and outcome != "happened":
        raise InvalidRequest.field("result", "goes with outcome 'happened' only")
    if outcome == "happened":
        return settled(wait, body.get("result"), None, now)
    if outcome == "did_not_happen":
        return wait._replace(status="dropped")
    message = _reason(body) or f"{wait.name!r} was interrupted, and is said to have failed"
    return settled(wait, None, {"type": "StepFailed", "message": message}, now)


def _reason(body: Mapping[str, Any]) -> str | None:
    reason = body.get("reason")
    if reason is not None and not isinstance(reason, str):
        raise InvalidRequest.field("reason", "must be a string")
    return reason
