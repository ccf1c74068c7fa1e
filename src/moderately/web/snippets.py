"""Commands to copy: how to do with curl and with Python what a page shows. Pure.

None holds a key: curl takes it from `$MODERATELY_API_KEY`, the client from where it always does.
"""

import json
import pprint
import shlex
from typing import Any, NamedTuple

from moderately.domain.execution import Execution
from moderately.protocol import routes

__all__ = ["Snippet", "create_snippet", "snippets"]

_WIDTH = 88


class Snippet(NamedTuple):
    """One thing to do, in two ways.

    Attributes:
        title: What it does.
        curl: A shell command.
        python: The same, with the client.
    """

    title: str
    curl: str
    python: str


def snippets(execution: Execution, base_url: str) -> list[Snippet]:
    """What one may want to do with an execution: the same again, read it, wait for it, cancel it.

    Args:
        execution: The execution.
        base_url: Where the service is.
    """
    path, name = routes.execution(execution.id), repr(execution.id)
    return [
        create_snippet(execution, base_url),
        Snippet("Read it", _curl(base_url, path), _python(f"retrieve({name})")),
        Snippet(
            "Wait for it",
            _curl(base_url, path, "-H 'Prefer: wait=60'"),
            _python(f"wait_for_completion({name}, timeout=60)"),
        ),
        Snippet(
            "Cancel it",
            _curl(base_url, routes.execution_cancel(execution.id), "-X POST"),
            _python(f"cancel({name})"),
        ),
    ]


def create_snippet(execution: Execution, base_url: str) -> Snippet:
    """How to create an execution like this one."""
    body: dict[str, Any] = {"agent_id": execution.agent_id}
    for field in ("input_data", "metadata"):
        if getattr(execution, field):
            body[field] = getattr(execution, field)
    data = shlex.quote(_json(body))
    curl = _curl(
        base_url, routes.EXECUTIONS, "-H 'Content-Type: application/json'", f"--data-raw {data}"
    )
    fields = "".join(f"    {key}={_literal(value)},\n" for key, value in body.items())
    return Snippet("Create the same again", curl, _python(f"create(\n{fields})"))


def _curl(base_url: str, path: str, *options: str) -> str:
    parts = [
        f"curl -sS {shlex.quote(base_url.rstrip('/') + path)}",
        '-H "Authorization: Bearer $MODERATELY_API_KEY"',
        *options,
    ]
    return " \\\n  ".join(parts)


def _python(call: str) -> str:
    return (
        "from moderately import ModeratelyAI\n\n"
        "client = ModeratelyAI()\n"
        f"execution = client.agent_executions.{call}"
    )


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # What a terminal may not show as it is, or not take, is escaped.
    return text if text.isprintable() else json.dumps(value)


def _literal(value: Any) -> str:
    text = pprint.pformat(value, width=_WIDTH, sort_dicts=False)
    return text.replace("\n", "\n" + " " * 4)
