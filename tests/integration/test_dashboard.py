"""The dashboard over HTTP: who gets in, what is kept out, and the first pages."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from tests.support.pages import FORM, Browser, Document, browser_of

from moderately.testing import ServiceProcess

AGENTS = Path(__file__).parents[1] / "support/agents.py"
EXECUTIONS = "/agent-executions"
PAGES = ("/", "/ui/system", "/ui/sign-in")
MARKUP = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'"


@pytest.fixture
def browser(service: ServiceProcess) -> Iterator[Browser]:
    """Somebody who is signed in."""
    with browser_of(service) as found:
        yield found


@pytest.fixture
def stranger(service: ServiceProcess) -> Iterator[Browser]:
    """Somebody who is not."""
    with browser_of(service, signed_in=False) as found:
        yield found


def run(http: httpx2.Client, agent_id: str, **fields: Any) -> dict[str, Any]:
    """An execution; at its end, unless it sleeps."""
    reply = http.post(EXECUTIONS, json={"agent_id": agent_id, **fields})
    assert reply.status_code == 201, reply.text
    path = f"{EXECUTIONS}/{reply.json()['id']}"
    wait = 0 if agent_id == "sleeper" else 20
    found: dict[str, Any] = http.get(path, params={"wait": wait}).json()
    return found


# Signing in


def test_who_is_not_signed_in_is_asked_for_a_key_and_then_sent_on(
    stranger: Browser, service: ServiceProcess
) -> None:
    asked = stranger.get("/?status=failed&q=a%20b")
    assert asked.status_code == 303
    form = stranger.page(asked.headers["location"])
    assert form.find("input", name="next")["value"] == "/?status=failed&q=a%20b"
    done = stranger.sign_in(service.api_key or "", next="/?status=failed&q=a%20b")
    assert (done.status_code, done.headers["location"]) == (303, "/?status=failed&q=a%20b")
    assert stranger.get("/").status_code == 200


def test_the_cookie_is_for_pages_of_ours_only(stranger: Browser, service: ServiceProcess) -> None:
    def cookie(**fields: str) -> set[str]:
        reply = stranger.sign_in(service.api_key or "", **fields)
        return set(reply.headers["set-cookie"].split("; ")[1:])

    plain = {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert cookie() == plain
    assert cookie(remember="on") == {*plain, "Max-Age=2592000"}


def test_the_api_takes_no_cookie_and_pages_take_no_header(
    browser: Browser, stranger: Browser, service: ServiceProcess
) -> None:
    assert browser.get(EXECUTIONS).status_code == 401
    assert stranger.get("/", Authorization=f"Bearer {service.api_key}").status_code == 303


def test_a_wrong_key_is_told_after_a_moment(stranger: Browser) -> None:
    begun = time.monotonic()
    reply = stranger.sign_in("mk_" + "x" * 40)
    assert time.monotonic() - begun >= 0.5
    assert reply.status_code == 401
    assert "not known here" in Document(reply.text).text
    assert "moderately_key" not in reply.headers["set-cookie"]
    assert stranger.get("/").status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        "//example.org",
        "https://example.org/",
        "/\\example.org",
        "/ui/../..//example.org",
        "/?a\r\nSet-Cookie: a=b",
        "/agent-executions",
        "/ui/sign-out",
        "javascript:alert(1)",
        "",
    ],
)
def test_signing_in_leads_nowhere_else(
    stranger: Browser, service: ServiceProcess, target: str
) -> None:
    reply = stranger.sign_in(service.api_key or "", next=target)
    location = reply.headers["location"]
    assert location == "/" or (location == target and httpx2.URL(target).host == "")


def test_a_form_to_sign_in_needs_a_page_of_ours(stranger: Browser, service: ServiceProcess) -> None:
    body = {"key": service.api_key}
    assert stranger.post("/ui/sign-in", body, token="").status_code == 403
    forged = "4ff50bf69e9b1a3cf1e3c1f4c5f4b1d50c46cf3dfd1f8c59c77cb10d63ad6ff0"
    assert stranger.post("/ui/sign-in", body, token=forged).status_code == 403


def test_signing_out_ends_it(browser: Browser) -> None:
    reply = browser.post("/ui/sign-out", {})
    assert reply.headers["location"] == "/ui/sign-in"
    assert "Max-Age=0" in reply.headers["set-cookie"]
    assert browser.get("/").status_code == 303


def test_a_revoked_key_is_out(tmp_path: Path) -> None:
    def keys(*args: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "moderately", "keys", *args]
        found = subprocess.run(
            [*command, "--data", str(tmp_path), "--json"],
            env=service.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        read: dict[str, Any] = json.loads(found.stdout)
        return read

    with ServiceProcess([AGENTS], data=tmp_path) as service:
        made = keys("create", "--team", "other")
        with browser_of(service) as ours, browser_of(service, signed_in=False) as theirs:
            assert theirs.sign_in(made["api_key"]).status_code == 303
            shown = ours.page("/")
            assert "No execution yet" in shown.text
            keys("revoke", made["id"])
            # What was looked up less than a second ago is not looked up again.
            deadline = time.monotonic() + 10
            while theirs.get("/").status_code == 200:
                assert time.monotonic() < deadline
            assert "revoked" in theirs.sign_in(made["api_key"]).text


# Forms


def test_a_form_from_elsewhere_does_nothing(
    browser: Browser, http: httpx2.Client, service: ServiceProcess
) -> None:
    execution = run(http, "sleeper")
    fields = {"action": "cancel", "id": execution["id"]}
    good = browser.page("/").find("meta", name="csrf")["content"]
    for token, headers in (
        ("", {}),
        ("0" * 64, {}),
        (good[:-1], {}),
        (good, {"Origin": "https://example.org"}),
        (good, {"Origin": "null"}),
        (good, {"Sec-Fetch-Site": "cross-site"}),
        (good, {"Sec-Fetch-Site": "same-site"}),
    ):
        reply = browser.post("/ui/executions", fields, token=token, **headers)
        assert reply.status_code == 403
        assert "nothing was done" in Document(reply.text).text
    assert http.get(f"{EXECUTIONS}/{execution['id']}").json()["status"] != "cancelled"
    same = {"Origin": service.base_url, "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/ui/executions", fields, token=good, **same).status_code == 200
    assert http.get(f"{EXECUTIONS}/{execution['id']}").json()["status"] == "cancelled"


def test_only_a_form_is_taken_for_one(browser: Browser) -> None:
    reply = browser.client.post("/ui/executions", json={"action": "cancel"})
    assert reply.status_code == 415
    too_large = b"a=" + b"x" * (17 << 20)
    reply = browser.client.post("/ui/executions", content=too_large, headers={"Content-Type": FORM})
    assert reply.status_code == 413


# What pages are made of


@pytest.mark.parametrize("path", PAGES)
def test_each_page_forbids_what_it_does_not_need(browser: Browser, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES)
def test_each_file_of_a_page_may_be_kept_for_ever(browser: Browser, path: str) -> None:
    document = browser.page(path)
    found = [known["src"] for known in document.all("script")]
    found += [known["href"] for known in document.all("link")]
    assert len(found) >= 4
    for url in found:
        reply = httpx2.get(browser.client.base_url.join(url))
        assert reply.status_code == 200
        assert "immutable" in reply.headers["cache-control"]
        assert reply.headers["content-type"].startswith(("text/", "image/svg+xml"))
        old = url.replace(url.split("/")[3], "0" * 16)
        assert httpx2.get(browser.client.base_url.join(old)).headers["cache-control"] == "no-store"
    nothing = "/ui/static/0/..%2f..%2fpages.py"
    assert browser.get(nothing).status_code == 404


def test_what_agents_and_callers_write_is_shown_as_text(
    browser: Browser, http: httpx2.Client
) -> None:
    label = uuid4().hex
    metadata = {"label": label, MARKUP: MARKUP}
    run(http, "failing", input_data={"message": MARKUP}, metadata=metadata)
    document = browser.page("/", q=f"label={label}")
    assert MARKUP in document.text
    assert document.all("img") == []
    browser.page("/", q=MARKUP)
    browser.page("/", **{f"metadata.{MARKUP}": MARKUP})
    browser.page("/", agent_id=MARKUP)
    refused = browser.get("/?" + str(httpx2.QueryParams({"status": MARKUP})))
    assert refused.status_code == 400
    assert Document(refused.text).problems == []


# The executions


@pytest.fixture(scope="module")
def known(service: ServiceProcess) -> dict[str, Any]:
    """Six executions under one label: three that completed, two that failed, one cancelled."""
    label = uuid4().hex
    headers = {"Authorization": f"Bearer {service.api_key}"}
    with httpx2.Client(base_url=service.base_url, headers=headers, timeout=30) as http:
        found = [
            run(http, agent_id, metadata={"label": label, "n": f"{label}-{n}"})
            for n, agent_id in enumerate(["echo", "failing", "echo", "failing", "noop", "sleeper"])
        ]
        http.post(f"{EXECUTIONS}/{found[-1]['id']}/cancel")
    return {"label": label, "ids": [one["id"] for one in found], "all": found}


def test_filters_live_in_the_address(browser: Browser, known: dict[str, Any]) -> None:
    ids, label = known["ids"], known["label"]

    def rows(**query: Any) -> list[str]:
        return browser.page("/", **{"metadata.label": label, **query}).rows

    assert rows() == ids[::-1]
    assert rows(status="failed") == [ids[3], ids[1]]
    assert rows(status=["failed", "cancelled"]) == [ids[5], ids[3], ids[1]]
    assert rows(agent_id="echo") == [ids[2], ids[0]]
    assert rows(agent_id="echo", status="failed") == []
    assert rows(order_direction="asc") == ids
    middle = known["all"][2]["created_at"]
    assert rows(created_after=middle) == ids[:2:-1]
    assert rows(created_before=middle.removesuffix("Z")) == [ids[1], ids[0]]
    # What a form leaves empty counts as not given.
    assert rows(q="", agent_id="", created_after="", created_before="") == ids[::-1]


def test_counts_by_status_are_links_that_set_the_filter(
    browser: Browser, known: dict[str, Any]
) -> None:
    page = browser.page("/", **{"metadata.label": known["label"], "status": "failed"})
    chips = {one["data-key"]: one["href"] for one in page.all("a") if "data-key" in one}
    for words in ("completed 3", "failed 2", "cancelled 1", "running 0", "All 6"):
        assert words in " ".join(page.text.split())
    both = Document(browser.get(chips["cancelled"]).text)
    assert both.rows == [known["ids"][5], known["ids"][3], known["ids"][1]]
    none = Document(browser.get(chips["failed"]).text)
    assert none.rows == known["ids"][::-1]


def test_a_search_finds_ids_and_labels(browser: Browser, known: dict[str, Any]) -> None:
    ids, label = known["ids"], known["label"]

    def rows(text: str) -> list[str]:
        return browser.page("/", q=text).rows

    assert rows(ids[2]) == [ids[2]]
    assert rows(ids[2][:-1]) == [ids[2]]
    assert rows(ids[2][-8:]) == [ids[2]]
    assert rows(f"…{ids[2][-8:]}") == [ids[2]]
    assert rows(f"label={label}") == ids[::-1]
    assert rows(f"{label}-3") == [ids[3]]
    assert rows(f"  {label[:20]} ") == ids[::-1]
    assert rows(uuid4().hex) == []
    assert rows("exec_nothing") == []


def test_pages_and_headers_lead_through_a_list(browser: Browser, known: dict[str, Any]) -> None:
    url = f"/?metadata.label={known['label']}&page_size=4"
    first = Document(browser.get(url).text)
    assert first.rows == known["ids"][:1:-1]
    second = Document(browser.get(first.find("a", rel="next")["href"]).text)
    assert second.rows == known["ids"][1::-1]
    back = Document(browser.get(second.find("a", rel="prev")["href"]).text)
    assert back.rows == first.rows
    [sort] = [one["aria-sort"] for one in first.all("th") if "aria-sort" in one]
    assert sort == "descending"
    # A page that is no longer there leads to the last one that is.
    beyond = browser.get(f"{url}&page=9")
    assert beyond.status_code == 303
    assert "page=2" in beyond.headers["location"]


def test_why_it_stands_so_is_told_in_the_row(browser: Browser, http: httpx2.Client) -> None:
    label = uuid4().hex
    run(http, "failing", input_data={"message": "no luck today"}, metadata={"label": label})
    run(http, "noop", run_at="2099-01-01T00:00:00Z", delay_seconds=None, metadata={"label": label})
    page = browser.page("/", q=label)
    assert "no luck today" in page.text
    assert "It is not to run before its time." in page.text


def test_another_team_sees_nothing_of_it(tmp_path: Path) -> None:
    with ServiceProcess([AGENTS], data=tmp_path) as service:
        command = [sys.executable, "-m", "moderately", "keys", "create", "--team", "other"]
        made = subprocess.run(
            [*command, "--data", str(tmp_path), "--json"],
            env=service.env,
            capture_output=True,
            timeout=60,
        )
        headers = {"Authorization": f"Bearer {service.api_key}"}
        with httpx2.Client(base_url=service.base_url, headers=headers) as http:
            ours = run(http, "sleeper", metadata={"label": "secret"})
        with browser_of(service, signed_in=False) as theirs:
            theirs.sign_in(json.loads(made.stdout)["api_key"])
            assert theirs.page("/", q=ours["id"]).rows == []
            assert theirs.page("/", q="secret").rows == []
            assert "Running 0 " in " ".join(theirs.page("/ui/system").text.split())
            reply = theirs.post("/ui/executions", {"action": "cancel", "id": ours["id"]})
            assert "There is no execution" in Document(reply.text).text


# Many at once


def bulk(browser: Browser, action: str, ids: list[str], **fields: str) -> Document:
    reply = browser.post("/ui/executions", {"action": action, "id": ids, **fields})
    assert reply.status_code == 200, reply.text
    document = Document(reply.text)
    assert document.problems == []
    return document


def test_many_are_cancelled_at_once_and_each_failure_is_told(
    browser: Browser, http: httpx2.Client
) -> None:
    ids = [run(http, "sleeper")["id"], run(http, "sleeper")["id"], run(http, "noop")["id"]]
    told = bulk(browser, "cancel", ids)
    assert "2 of 3 cancelled." in told.text
    assert "already completed" in told.text
    assert [http.get(f"{EXECUTIONS}/{one}").json()["status"] for one in ids] == [
        "cancelled",
        "cancelled",
        "completed",
    ]


def test_a_retry_goes_on_from_what_failed_and_a_repeated_form_makes_one(
    browser: Browser, http: httpx2.Client
) -> None:
    label = uuid4().hex
    failed = run(http, "failing", metadata={"label": label})
    cancelled = run(http, "sleeper", metadata={"label": label})
    done = run(http, "noop", metadata={"label": label})
    http.post(f"{EXECUTIONS}/{cancelled['id']}/cancel")
    ids = [failed["id"], cancelled["id"], done["id"]]
    for _ in range(2):
        told = bulk(browser, "retry", ids, once="a")
        assert "2 of 3 retried." in told.text, told.text
        assert "only what failed or was cancelled" in told.text
    items = http.get(EXECUTIONS, params={"metadata.label": label}).json()["items"]
    forks = sorted(one["forked_from"] for one in items if one["forked_from"])
    assert forks == sorted(ids[:2])


def test_deleting_asks_first(browser: Browser, http: httpx2.Client) -> None:
    ids = [run(http, "noop")["id"], run(http, "sleeper")["id"]]
    asked = bulk(browser, "delete", ids)
    assert "Delete 2 executions?" in asked.text
    assert http.get(f"{EXECUTIONS}/{ids[0]}").status_code == 200
    kept = [known["value"] for known in asked.all("input", name="id")]
    told = bulk(browser, "delete", kept, confirmed="yes")
    assert "1 of 2 deleted." in told.text
    assert http.get(f"{EXECUTIONS}/{ids[0]}").status_code == 404
    bulk(browser, "cancel", ids[1:])


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "explode", "id": "exec_1"},
        {"action": "cancel"},
        {"action": "cancel", "id": [f"exec_{n}" for n in range(201)]},
    ],
)
def test_what_cannot_be_done_is_refused_by_a_page(browser: Browser, fields: dict[str, Any]) -> None:
    reply = browser.post("/ui/executions", fields)
    assert reply.status_code == 400
    assert Document(reply.text).problems == []


# The system, live, and without keys


def test_the_system_page_tells_who_works_and_what_waits(
    browser: Browser, http: httpx2.Client
) -> None:
    running = run(http, "sleeper")
    later = run(http, "noop", delay_seconds=3600)
    page = browser.page("/ui/system")
    words = " ".join(page.text.split())
    assert "Workers up 1 " in words
    assert "up, its lease lasts" in words
    assert "sleeper" in words
    assert "SQLite 3." in words
    assert "Last hour, by minute" in words
    assert page.all("svg", role="img") != []
    bulk(browser, "cancel", [running["id"], later["id"]])


def test_scripts_hear_of_events_by_the_cookie(
    browser: Browser, stranger: Browser, http: httpx2.Client
) -> None:
    stream = {"Accept": "text/event-stream"}
    assert stranger.get("/ui/events", **stream).status_code == 401
    execution = run(http, "noop")
    path = f"/ui/executions/{execution['id']}/events"
    text = browser.get(path, **stream).text
    assert "execution.completed" in text
    assert "event: end" in text
    with browser.client.stream("GET", "/ui/events", headers=stream) as reply:
        lines = reply.iter_lines()
        assert "event: open" in (line for line in lines)
        run(http, "noop")
        assert any("execution.completed" in line for line in lines)


def test_without_keys_there_is_no_sign_in_but_forms_stay_guarded(tmp_path: Path) -> None:
    with (
        ServiceProcess([AGENTS], data=tmp_path, args=["--no-auth"]) as service,
        browser_of(service, signed_in=False) as browser,
    ):
        page = browser.page("/")
        assert "Sign out" not in page.text
        assert browser.get("/ui/sign-in").headers["location"] == "/"
        fields = {"action": "cancel", "id": "exec_1"}
        assert browser.post("/ui/executions", fields, token="0" * 64).status_code == 403
        assert browser.post("/ui/executions", fields).status_code == 200
        # A name of somebody else's that was made to point to this machine.
        assert browser.get("/", Host="example.org").status_code == 403
        assert browser.get("/", Host="localhost:1").status_code == 200


def test_where_there_is_no_page_a_page_says_so(browser: Browser, stranger: Browser) -> None:
    for path in ("/ui/nothing", "/ui/agents/a/nothing", "/ui/static/x/no.js", "/ui/executions/"):
        for someone in (browser, stranger):
            reply = someone.get(path)
            assert reply.status_code == 404
            assert reply.headers["content-type"].startswith("text/html")
            assert "There is no page here." in reply.text
    assert browser.get("/ui").headers["location"] == "/"
    assert browser.get("/uix").headers["content-type"] == "application/problem+json"


def test_a_wrong_method_is_told_by_a_page(browser: Browser) -> None:
    reply = browser.get("/ui/sign-out")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert "POST do" in Document(reply.text).text
