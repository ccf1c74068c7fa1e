"""Commands to copy."""

import ast
import json
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.domain.execution import Execution
from moderately.protocol.vocabulary import Status
from moderately.web.snippets import create_snippet, snippets

BASE = "http://127.0.0.1:8787"
FLOATS = st.floats(allow_nan=False, allow_infinity=False)

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), FLOATS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)
    ),
)


def execution(input_data: dict[str, Any] | None, agent_id: str = "a") -> Execution:
    return Execution(
        id="exec_1",
        team_id="t",
        agent_id=agent_id,
        agent_version="1",
        status=Status.PENDING,
        created_at=1,
        updated_at=1,
        metadata={},
        input_data=input_data,
    )


def sent_by_curl(command: str) -> list[str]:
    """The arguments that a shell gives to curl."""
    script = "curl() { printf '%s\\0' \"$@\"; }\n" + command
    env = {"MODERATELY_API_KEY": "sk-1"}
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=env, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


def sent_by_python(code: str) -> dict[str, Any]:
    """The arguments of the call that the code makes."""
    call = ast.parse(code).body[-1].value  # type: ignore[attr-defined]
    return {word.arg: ast.literal_eval(word.value) for word in call.keywords}


@pytest.mark.parametrize(
    "text",
    [
        "it's",
        '"; rm -rf ~; "',
        "$(id) `id` $HOME ${x}",
        "a\nb\\",
        "\x1b[31m\x07",
        "!!",
        "@/etc/passwd",
        "ü 🙂",
        "</script>",
    ],
)
def test_a_shell_and_python_send_the_input_as_it_is(text: str) -> None:
    found = create_snippet(execution({text: text}), BASE)
    arguments = sent_by_curl(found.curl)
    assert json.loads(arguments[-1])["input_data"] == {text: text}
    assert "Authorization: Bearer sk-1" in arguments
    assert sent_by_python(found.python)["input_data"] == {text: text}


@given(st.dictionaries(st.text(), values, min_size=1, max_size=4), st.text(min_size=1))
def test_any_input_is_sent_as_it_is(value: dict[str, Any], agent_id: str) -> None:
    found = create_snippet(execution(value, agent_id), BASE)
    expected = {"agent_id": agent_id, "input_data": value}
    assert sent_by_python(found.python) == expected
    assert json.loads(sent_by_curl(found.curl)[-1]) == expected


def test_an_execution_can_be_read_waited_for_and_cancelled() -> None:
    found = {one.title: one for one in snippets(execution(None), BASE)}
    assert list(found) == ["Create the same again", "Read it", "Wait for it", "Cancel it"]
    assert f"{BASE}/agent-executions/exec_1/cancel" in sent_by_curl(found["Cancel it"].curl)
    assert "Prefer: wait=60" in sent_by_curl(found["Wait for it"].curl)
    for one in found.values():
        compile(one.python, one.title, "exec")
    assert json.loads(sent_by_curl(found["Create the same again"].curl)[-1]) == {"agent_id": "a"}
