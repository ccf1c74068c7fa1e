"""The part of the API's description that tells of resuming, forking and moving."""

from typing import Any, Final

from moderately.api.schemas import LABELS, NO_NUL, nullable
from moderately.http.fields import MAX_STEPS
from moderately.protocol.vocabulary import IDENTIFIER_LIMIT

__all__ = ["FORK", "MOVE", "RESUME"]

Json = dict[str, Any]

_NAME: Final[Json] = {"type": "string", "maxLength": IDENTIFIER_LIMIT, "pattern": NO_NUL}


def _object(properties: Json, *required: str) -> Json:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


RESUME: Final[Json] = _object(
    {
        "wait": nullable(_NAME, "What is answered, by id or name, where several things are asked."),
        "value": {"description": "The answer to an input."},
        "approved": {"type": "boolean", "description": "Whether it may be done."},
        "arguments": nullable({"type": "object"}, "With other arguments than those asked for."),
        "reason": nullable({"type": "string", "pattern": NO_NUL}, "Why."),
        "outcome": {
            "enum": ["happened", "did_not_happen", "failed"],
            "description": "What became of an unsafe step that was interrupted.",
        },
        "result": {"description": "What it returned, where it happened."},
    }
)
"""The body of a resume."""

FORK: Final[Json] = _object(
    {
        "from_step": nullable(
            {"type": "integer", "minimum": 1, "maximum": MAX_STEPS},
            "The position of the first entry that is not shared; the failed one by default.",
        ),
        "input_data": nullable({"type": "object"}, "Another input."),
        "metadata": nullable(
            LABELS,
            "Other labels.",
        ),
    }
)
"""The body of a fork."""

MOVE: Final[Json] = _object({"to": {**_NAME, "description": "The version."}}, "to")
"""The body of a move."""
