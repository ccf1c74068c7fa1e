"""Recorded executions as regression tests."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from moderately.runtime import load_agents, replay

__all__ = ["assert_replays"]


def assert_replays(file: str | Path, agents: Sequence[str | Path]) -> None:
    """Check that today's code still fits a recorded execution. No step is performed.

    Args:
        file: What `moderately executions export` wrote.
        agents: Files or modules with agents.

    Raises:
        AssertionError: At the first difference; the message tells it.
        RecordError: If the file is no record, or its agent is not among these.

    Example:
        >>> def test_the_research_agent_still_fits_its_record() -> None:
        ...     assert_replays("tests/records/research.json", ["agents.py"])
    """
    record = json.loads(Path(file).read_text(encoding="utf-8"))
    found = asyncio.run(replay(record, load_agents([str(agent) for agent in agents])))
    if found.difference is not None:
        raise AssertionError(f"{file}: {found.difference}")
