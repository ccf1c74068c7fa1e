"""Every snippet of the SDK's document runs, in its order, and none of its methods is left out."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moderately import ModeratelyAI
from moderately import client as sdk
from moderately.client import errors
from moderately.testing import ServiceProcess, faults, states

DOCUMENT = Path(__file__).parents[2] / "docs/sdk.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The document's own agents, where a client finds them by itself."""
    agents = [text for text in BLOCK.findall(TEXT) if FILE.match(text)]
    (tmp_path / "agents.py").write_text("\n".join(agents), encoding="utf-8")
    with ServiceProcess([tmp_path / "agents.py"], data=tmp_path / "data") as service:
        monkeypatch.setenv("MODERATELY_BASE_URL", service.base_url)
        monkeypatch.setenv("MODERATELY_API_KEY", service.api_key)
        yield


@pytest.mark.usefixtures("served")
def test_every_snippet_runs() -> None:
    namespace: dict[str, Any] = {}
    opened: dict[int, ModeratelyAI] = {}
    blocks = [text for text in BLOCK.findall(TEXT) if not FILE.match(text)]
    for text in blocks:
        line = TEXT[: TEXT.index(text)].count("\n")
        exec(compile("\n" * line + text, str(DOCUMENT), "exec"), namespace)  # noqa: S102
        found = [one for one in namespace.values() if isinstance(one, ModeratelyAI)]
        opened |= {id(one): one for one in found}
    for one in opened.values():
        one.close()
    assert len(blocks) > 15


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (sdk.ModeratelyAI, ""),
        (sdk.AgentExecutions, "agent_executions."),
        (sdk.Agents, "agents."),
        (sdk.PaginatedResponse, ""),
    ],
)
def test_every_method_has_a_snippet(kind: type, prefix: str) -> None:
    snippets = "\n".join(BLOCK.findall(TEXT))
    for name, _ in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            assert re.search(rf"\.{name}\(", snippets), f"{prefix}{name}"


def test_every_argument_error_state_and_fault_is_told_of() -> None:
    names = [name for name in errors.__all__ if name.endswith("Error")]
    names += [name for name in (*faults.__all__, *states.__all__) if name.islower()]
    for call in (sdk.ModeratelyAI, sdk.AgentExecutions.wait_for_completion):
        names += [name for name in inspect.signature(call).parameters if name != "self"]
    missing = [name for name in names if not re.search(rf"\b{name}\b", TEXT)]
    assert set(missing) <= {"execution_id"}
