"""How versions differ."""

from dataclasses import replace

from moderately.domain.agents import AgentVersion
from moderately.web.diffs import diff_versions

OLD = AgentVersion("a", "1", "Count.", {"type": "object"}, {"type": "integer"}, created_at=5)


def test_versions_that_are_alike_do_not_differ() -> None:
    assert diff_versions(OLD, replace(OLD, version="2", created_at=9)) == []


def test_what_is_other_is_told_line_by_line() -> None:
    new = replace(OLD, description="Count words.", output_schema={"type": "string"})
    found = diff_versions(OLD, new)
    assert [line.text for line in found if line.kind == "removed"] == [
        "Count.",
        '    "type": "integer"',
    ]
    assert [line.text for line in found if line.kind == "added"] == [
        "Count words.",
        '    "type": "string"',
    ]


def test_a_line_that_looks_like_a_mark_is_a_line() -> None:
    new = replace(OLD, description="@@ Count.\n--- a\n+++ b")
    added = [line.text for line in diff_versions(OLD, new) if line.kind == "added"]
    assert added == ["@@ Count.", "--- a", "+++ b"]
