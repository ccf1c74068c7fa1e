"""Finds agents in files and modules."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from moderately.runtime.agents import AgentDefinition

__all__ = ["LoadError", "load_agents"]


class LoadError(Exception):
    """A file or module could not be loaded, or holds no agent. The message says what to do."""


def load_agents(sources: Sequence[str]) -> dict[str, list[AgentDefinition]]:
    """Load agents.

    Args:
        sources: Files (`agents.py`, `folder/agents.py`) or modules (`package.module`).

    Returns:
        The versions of each agent by its id, the newest first: of several, the one that is defined
        last.

    Raises:
        LoadError: If a source cannot be loaded or has no agent, or two agents share id and version.
    """
    found: dict[str, list[AgentDefinition]] = {}
    origin: dict[tuple[str, str], str] = {}
    for source in sources:
        definitions = _definitions(_load(source))
        if not definitions:
            raise LoadError(f"{source} has no agents: mark a function with @agent")
        for definition in definitions:
            agent_id, version = definition.version.agent_id, definition.version.version
            versions = found.setdefault(agent_id, [])
            known = next((one for one in versions if one.version.version == version), None)
            if known is None:
                versions.insert(0, definition)
                origin[agent_id, version] = source
            elif known.function is not definition.function:
                raise LoadError(
                    f"agent {agent_id!r} is in {origin[agent_id, version]} and in {source}: give"
                    " one of them another id, or another version"
                )
            if versions[-1].is_async is not definition.is_async:
                raise LoadError(f"agent {agent_id!r}: make all its versions async, or all plain")
    return found


def _definitions(module: ModuleType) -> list[AgentDefinition]:
    definitions: list[AgentDefinition] = []
    for value in vars(module).values():
        definition = AgentDefinition.of(value)
        if definition is not None and definition not in definitions:
            definitions.append(definition)
    return definitions


def _load(source: str) -> ModuleType:
    try:
        if source.endswith(".py") or "/" in source:
            return _load_file(Path(source), source)
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(source)
    except LoadError:
        raise
    except ModuleNotFoundError as error:
        hint = f"{source}.py" if error.name == source else None
        more = f" Did you mean {hint}?" if hint and Path(hint).is_file() else ""
        raise LoadError(f"{source}: there is no module {error.name!r}.{more}") from error
    except Exception as error:
        raise LoadError(f"{source} cannot be loaded: {_where(error)}") from error


def _load_file(path: Path, source: str) -> ModuleType:
    if not path.is_file():
        raise LoadError(f"{source}: there is no such file")
    path = path.resolve()
    name = path.stem
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) == str(path):
            return known
        name = f"_agents_{abs(hash(str(path))):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"{source} is not a Python file")
    # As `python agents.py` does it: the file's own folder comes first.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    line = f" (line {frames[-1].lineno} of {Path(frames[-1].filename).name})" if frames else ""
    return f"{type(error).__name__}: {error}{line}"
