"""A service that is killed while pages of it are open."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from moderately.testing import ServiceProcess
from tests.support.browsing import AGENTS, ARGS, Api, Visits, expect_status, navigations


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service that comes back at the same address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with ServiceProcess([AGENTS], data=tmp_path / "data", args=[*ARGS, "--port", port]) as process:
        yield process


def test_a_page_goes_on_after_a_kill_and_each_event_is_there_once(
    mortal: ServiceProcess, visits: Visits, tmp_path: Path
) -> None:
    visits.allow("net::ERR_")
    names = [f"step-{number}" for number in range(8)]
    with closing((api := Api(mortal)).http):
        execution_id = api.create("walker", {"names": names, "folder": str(tmp_path)})
        page = visits.open(mortal, target=f"/ui/executions/{execution_id}")
        table = visits.open(mortal)
        seen = navigations(page)
        page.locator("#log-details > summary").click()
        for name in names[:3]:
            (tmp_path / name).touch()
        done = page.locator("#steps tbody tr").filter(has_text="completed")
        expect(done).to_have_count(3)
        mortal.kill()
        expect(page.locator("#link-state")).to_have_text("reconnecting…")
        expect(table.locator("#link-state")).to_have_text("reconnecting…")
        for name in names[3:6]:
            (tmp_path / name).touch()
        mortal.start()
        expect(done).to_have_count(6)
        expect(page.locator("#link-state")).to_have_text("")
        expect(page.locator("#attempts")).to_contain_text("attempt 2")
        for name in names[6:]:
            (tmp_path / name).touch()
        expect_status(page, "completed")
        expect(table.locator(f"tr[data-key={execution_id}] .status")).to_have_text("completed")
        shown = page.locator("#events .seq")
        numbers = api.numbers(execution_id)
        expect(shown).to_have_count(len(numbers))
        assert [int(text) for text in shown.all_text_contents()] == numbers
        assert numbers == list(range(1, len(numbers) + 1))
    assert not seen
