"""13. Objects are typed and behave as dicts; unknown fields are kept; ids are percent-quoted."""

import copy
import json
import pickle
from typing import Any
from urllib.parse import unquote

import pytest

from moderately import AgentExecution, NotFoundError
from moderately.testing import FakeServer
from moderately.testing.faults import reply


def test_an_execution_is_an_object_and_a_dict(executions: Any, server: FakeServer) -> None:
    server.misbehave(reply(200, {"id": "exec_1", "status": "completed", "new_field": [1]}))
    found = executions.retrieve("exec_1")
    assert found.status == found["status"] == found.get("status", "") == "completed"
    assert found.new_field == [1]
    assert {**found}["new_field"] == [1]
    assert json.loads(json.dumps(found)) == found
    assert not hasattr(found, "nothing")
    assert "new_field" in dir(found)
    with pytest.raises(AttributeError, match="AgentExecution has no attribute 'nothing'"):
        found.nothing  # noqa: B018


def test_a_repr_is_short_and_useful() -> None:
    found = AgentExecution(
        id="exec_1", agent_id="echo", status="failed", output_data="x" * 1000, new_field=1
    )
    assert repr(found).startswith("AgentExecution(id='exec_1', agent_id='echo', status='failed'")
    assert len(repr(found)) < 250


def test_a_notebook_gets_a_table_that_is_safe() -> None:
    found = AgentExecution(id="<script>", status="completed")
    assert "&lt;script&gt;" in found._repr_html_()
    assert "<script>" not in found._repr_html_()


def test_a_page_shows_itself_too(executions: Any) -> None:
    executions.run(agent_id="echo", timeout=10)
    page = executions.list()
    assert "1 items" in repr(page)
    assert "completed" in page._repr_html_()


def test_objects_can_be_copied_and_pickled() -> None:
    found = AgentExecution(id="exec_1", status="completed", metadata={"a": "b"})
    again = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
    for one in (again, copy.copy(found), copy.deepcopy(found)):
        assert one == found
        assert isinstance(one, AgentExecution)


@pytest.mark.parametrize(
    "name",
    ["../teams/t2?x=1", "..", ".", "a/b", "a%2Fb", "a#b", "ü", "a b", "a\r\nb", "%", "\\", "?"],
)
def test_an_id_asks_for_that_id_and_nothing_else(
    client: Any, server: FakeServer, name: str
) -> None:
    for call, prefix in (
        (client.agent_executions.retrieve, "/agent-executions/"),
        (client.agents.retrieve, "/agents/"),
    ):
        with pytest.raises(NotFoundError):
            call(name)
        target = server.requests[-1].target
        assert target.startswith(prefix)
        quoted = target.removeprefix(prefix)
        assert not {"/", "?", "#"} & set(quoted)
        assert unquote(quoted) == name


@pytest.mark.parametrize("name", ["", None, 7])
def test_what_is_no_id_is_refused(executions: Any, server: FakeServer, name: Any) -> None:
    for call in (executions.retrieve, executions.cancel, executions.stream):
        with pytest.raises(ValueError, match="an id is"):
            call(name)
    assert server.requests == []
