"""Checks an execution's input against its agent's JSON Schema."""

from collections import OrderedDict
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from moderately.domain.agents import AgentVersion
from moderately.domain.errors import InvalidRequest
from moderately.protocol.problems import Detail

__all__ = ["InputChecks"]

_CACHE_LIMIT: Final = 1_000
_DETAIL_LIMIT: Final = 20
_MESSAGE_LIMIT: Final = 300


class InputChecks:
    """Checks inputs. Keeps a compiled schema for each version, since versions never change."""

    def __init__(self) -> None:
        self._validators: OrderedDict[tuple[str, str], Draft202012Validator] = OrderedDict()

    def check(self, version: AgentVersion, value: dict[str, Any] | None) -> None:
        """Check an input; a missing one counts as an empty object.

        Raises:
            InvalidRequest: If it does not fit; `details` gives each field's path.
        """
        key = (version.agent_id, version.version)
        validator = self._validators.get(key)
        if validator is None:
            validator = self._validators[key] = Draft202012Validator(version.input_schema)
            if len(self._validators) > _CACHE_LIMIT:
                self._validators.popitem(last=False)
        subject = {} if value is None else value
        if validator.is_valid(subject):
            return
        errors = sorted(
            validator.iter_errors(subject), key=lambda error: list(map(str, error.path))
        )
        details = [_detail(error) for error in errors[:_DETAIL_LIMIT]]
        first = details[0]
        raise InvalidRequest(
            f"The input does not fit agent {version.agent_id!r}:"
            f" {first['field']}: {first['message']}",
            details=details,
        )


def _detail(error: ValidationError) -> Detail:
    path = [str(part) for part in error.absolute_path]
    message = error.message
    if error.validator == "required":
        required: Any = error.validator_value
        instance: Any = error.instance
        missing = next((name for name in required if name not in instance), None)
        if missing is not None:
            path.append(str(missing))
            message = "is required"
    return {"field": ".".join(["input_data", *path]), "message": message[:_MESSAGE_LIMIT]}
