"""14. `list` is a page that iterates over all pages, without skipping or repeating."""

import asyncio
from typing import Any

import pytest

from moderately import AsyncModeratelyAI, InvalidReplyError, ValidationError
from moderately.testing import FakeServer
from moderately.testing.faults import drop, reply


@pytest.fixture
def ids(executions: Any) -> list[str]:
    return [executions.create(agent_id="sleeper").id for _ in range(25)]


def test_a_list_is_a_page(executions: Any, ids: list[str]) -> None:
    page = executions.list(page=2, page_size=10)
    assert [one.id for one in page.items] == ids[::-1][10:20]
    assert page["items"] == page.items
    pagination = page.pagination
    assert (pagination.page, pagination.total_items, pagination["total_pages"]) == (2, 25, 3)
    assert (pagination.has_next_page, pagination.has_previous_page) == (True, True)
    assert len(page) == 10


def test_it_iterates_over_all_pages(executions: Any, server: FakeServer, ids: list[str]) -> None:
    asked = len(server.requests)
    assert [one.id for one in executions.list(page_size=10)] == ids[::-1]
    assert len(server.requests) == asked + 3
    assert [one.id for one in executions.list(page_size=10, page=2)] == ids[::-1][10:]
    assert [one.id for one in executions.list(page_size=25, order_direction="asc")] == ids


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_what_changes_meanwhile_neither_skips_nor_repeats(
    executions: Any, ids: list[str], direction: str
) -> None:
    found = []
    for number, one in enumerate(executions.list(page_size=5, order_direction=direction)):
        found.append(one.id)
        if number < 10:
            executions.create(agent_id="sleeper")
    expected = ids if direction == "asc" else ids[::-1]
    assert found[: len(ids)] == expected
    assert len(found) == len(set(found))


def test_filters_go_with_every_page(executions: Any, server: FakeServer, ids: list[str]) -> None:
    for one in ids[:7]:
        executions.cancel(one)
    found = [one.id for one in executions.list(status="cancelled", page_size=3)]
    assert found == ids[:7][::-1]
    assert all("status=cancelled" in one.target for one in server.requests[-3:])


def test_other_orders_go_on_by_number(executions: Any, ids: list[str]) -> None:
    found = [one.id for one in executions.list(order_by="updated_at", page_size=10)]
    assert sorted(found) == ids


def test_pages_are_turned_by_hand(executions: Any, ids: list[str]) -> None:
    page, found = executions.list(page_size=10), []
    while page is not None:
        found += [one.id for one in page.items]
        assert page.has_next_page == (len(found) < 25)
        page = page.next_page()
    assert found == ids[::-1]


def test_a_lost_page_is_fetched_again(executions: Any, server: FakeServer, ids: list[str]) -> None:
    server.misbehave(drop(), reply(503), where="cursor=")
    assert [one.id for one in executions.list(page_size=20)] == ids[::-1]


def test_agents_are_listed_too(client: Any) -> None:
    found = [one.id for one in client.agents.list(page_size=2)]
    assert found == ["asker", "echo", "failing", "quick", "sleeper"]


def test_an_empty_list_is_none(executions: Any) -> None:
    page = executions.list()
    assert list(page) == []
    assert page.pagination.total_items == 0


@pytest.mark.parametrize(
    "body", [{}, {"items": {}, "pagination": {}}, {"items": [1], "pagination": {}}]
)
def test_what_is_no_page_is_said(executions: Any, server: FakeServer, body: Any) -> None:
    server.misbehave(reply(200, body))
    with pytest.raises(InvalidReplyError):
        executions.list()


def test_async_for_needs_no_await(server: FakeServer) -> None:
    async def work() -> tuple[int, int, list[str]]:
        async with AsyncModeratelyAI(base_url=server.base_url, api_key=server.api_key) as client:
            made = [await client.agent_executions.create(agent_id="echo") for _ in range(3)]
            found = [one.id async for one in client.agent_executions.list(page_size=2)]
            page = await client.agent_executions.list(page_size=2)
            with pytest.raises(TypeError, match="async for"):
                [one for one in page]  # type: ignore[attr-defined] # noqa: C416
            return len(made), len(page), found

    made, on_page, found = asyncio.run(work())
    assert (made, on_page, len(set(found))) == (3, 2, 3)


def test_a_refused_filter_is_said(executions: Any, server: FakeServer) -> None:
    server.misbehave(reply(400, {"message": "no", "details": [{"field": "x", "message": "y"}]}))
    with pytest.raises(ValidationError):
        executions.list(x=1)
