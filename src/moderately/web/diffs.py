"""How two versions of an agent differ, line by line. Pure."""

import difflib
import json
from dataclasses import asdict
from typing import Final, NamedTuple

from moderately.domain.agents import AgentVersion

__all__ = ["Line", "diff_versions"]

_APART: Final = frozenset({"agent_id", "version", "description", "created_at"})
_MOST_LINES: Final = 4_000
_KINDS: Final = {"+": "added", "-": "removed", "@": "place"}


class Line(NamedTuple):
    """A line of a diff.

    Attributes:
        kind: `added`, `removed`, `same`, or `place` for one that says where it goes on.
        text: The line.
    """

    kind: str
    text: str


def diff_versions(old: AgentVersion, new: AgentVersion) -> list[Line]:
    """What is other in a version than in another one; nothing where they are alike.

    Args:
        old: The one.
        new: The other.
    """
    lines = difflib.unified_diff(_lines(old), _lines(new), n=3, lineterm="")
    return [_line(line) for index, line in enumerate(lines) if index > 1]


def _line(line: str) -> Line:
    kind = _KINDS.get(line[:1], "same")
    return Line(kind, line if kind == "place" else line[1:])


def _lines(version: AgentVersion) -> list[str]:
    facts = {key: value for key, value in asdict(version).items() if key not in _APART}
    text = json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False)
    return [*version.description.splitlines(), *text.splitlines()][:_MOST_LINES]
