"""Lists over real HTTP: every filter, every order, both kinds of paging."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

EXECUTIONS = "/agent-executions"


@pytest.fixture(scope="module")
def label(service: Any) -> str:
    """Twelve executions under one label: five of `echo`, four that fail, three cancelled."""
    label = uuid4().hex
    headers = {"Authorization": f"Bearer {service.api_key}"}
    with httpx2.Client(base_url=service.base_url, headers=headers, timeout=30) as http:
        for agent_id, number in (("echo", 5), ("failing", 4), ("sleeper", 3)):
            for n in range(number):
                body = {"agent_id": agent_id, "metadata": {"label": label}, "priority": n}
                execution = http.post(EXECUTIONS, json=body).json()
                path = f"{EXECUTIONS}/{execution['id']}"
                if agent_id == "sleeper":
                    http.post(f"{path}/cancel")
                assert http.get(path, params={"wait": 20}).json()["is_terminal"]
    return label


def fetch(http: httpx2.Client, label: str, **query: Any) -> dict[str, Any]:
    reply = http.get(EXECUTIONS, params={"metadata.label": label, **query})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_filters_narrow_the_list(http: httpx2.Client, label: str) -> None:
    def total(**query: Any) -> int:
        return fetch(http, label, **query)["pagination"]["total_items"]

    assert total() == 12
    assert total(agent_id="echo") == 5
    assert total(status="failed") == 4
    assert total(status=["failed", "cancelled"]) == 7
    assert total(agent_id="echo", status="failed") == 0
    assert total(agent_id="nobody") == 0
    assert total(teamIds="whatever") == 12
    middle = fetch(http, label)["items"][5]["created_at"]
    assert total(created_after=middle) == 5
    assert total(created_before=middle) == 6
    assert total(created_after=middle, created_before=middle) == 0


@pytest.mark.parametrize(
    "order", ["created_at", "updated_at", "started_at", "completed_at", "status", "priority"]
)
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_each_order_holds_over_all_pages(
    http: httpx2.Client, label: str, order: str, direction: str
) -> None:
    items: list[dict[str, Any]] = []
    for page in (1, 2, 3):
        found = fetch(
            http, label, page=page, page_size=5, order_by=order, order_direction=direction
        )
        assert found["pagination"] == {
            "page": page,
            "page_size": 5,
            "total_items": 12,
            "total_pages": 3,
            "has_next_page": page < 3,
            "has_previous_page": page > 1,
        }
        items += found["items"]
    assert len({item["id"] for item in items}) == 12
    keys = [(item[order] is not None, item[order] or "", item["id"]) for item in items]
    if order == "priority":
        keys = [(True, item["priority"], item["id"]) for item in items]
    assert keys == sorted(keys, reverse=direction == "desc")


def test_a_page_behind_the_last_is_empty(http: httpx2.Client, label: str) -> None:
    found = fetch(http, label, page=9)
    assert found["items"] == []
    assert found["pagination"]["has_next_page"] is False


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_a_cursor_goes_on_whatever_is_inserted(
    http: httpx2.Client, label: str, direction: str
) -> None:
    # A label of its own, since this test inserts.
    own = uuid4().hex
    body = {"agent_id": "noop", "metadata": {"label": own}}
    made = [http.post(EXECUTIONS, json=body).json()["id"] for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"page_size": 3, "order_direction": direction}
        found = fetch(http, own, **query, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in found["items"]]
        cursor = found["next_cursor"]
        if cursor is None:
            break
        made.append(http.post(EXECUTIONS, json=body).json()["id"])
        assert len(made) < 30 or direction == "asc"
        if len(made) > 9:
            body = {"agent_id": "noop", "metadata": {"label": label + "other"}}
    assert len(seen) == len(set(seen))
    assert set(made[:7]) <= set(seen)
    assert seen == sorted(seen, reverse=direction == "desc")
