"""Streams of events over real HTTP: whole, in order, from any place, whoever reads how slowly."""

import json
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from tests.support.streams import Frame, reading

from moderately.testing import ServiceProcess, WorkerProcess

AGENTS = Path(__file__).parent.parent / "support/streamed.py"
ARGS = ["--grace", "0", "--heartbeat", "0.3"]
EXECUTIONS = "/agent-executions"


class Site:
    """A service, what runs its agents, and a plain client."""

    def __init__(self, service: ServiceProcess, runner: ServiceProcess | WorkerProcess) -> None:
        self.service = service
        self.runner = runner
        self.http = client_of(service)

    def create(self, agent_id: str, *, labels: dict[str, str] | None = None, **given: Any) -> str:
        body = {"agent_id": agent_id, "input_data": given, "metadata": labels or {}}
        reply = self.http.post(EXECUTIONS, json=body)
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    def end(self, execution: str) -> dict[str, Any]:
        found = self.http.get(f"{EXECUTIONS}/{execution}", params={"wait": 30}).json()
        assert found["is_terminal"], found
        return dict(found)

    def restart(self) -> None:
        """Kill all of it, and start it again."""
        for process in {self.service, self.runner}:
            process.restart()
        self.connect()

    def connect(self) -> None:
        self.http.close()
        self.http = client_of(self.service)


def client_of(service: ServiceProcess) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {service.api_key}"}
    return httpx2.Client(base_url=service.base_url, headers=headers, timeout=30)


@contextmanager
def site_on_sqlite(folder: Path) -> Iterator[Site]:
    with ServiceProcess([AGENTS], data=folder, args=ARGS) as service:
        site = Site(service, service)
        yield site
        site.http.close()


@contextmanager
def site_on_postgres(folder: Path, url: str) -> Iterator[Site]:
    args = ["--database", url, "--grace", "0"]
    alone = [*args, "--heartbeat", "0.3", "--workers", "0"]
    with (
        ServiceProcess([AGENTS], data=folder, args=alone) as service,
        WorkerProcess([AGENTS], data=folder, args=args) as worker,
    ):
        site = Site(service, worker)
        yield site
        site.http.close()


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "sqlite":
        opened = site_on_sqlite(tmp_path)
    else:
        opened = site_on_postgres(tmp_path, request.getfixturevalue("postgres_url"))
    with opened as site:
        yield site
        assert "Traceback" not in site.service.output() + site.runner.output()


def path_of(execution: str) -> str:
    return f"{EXECUTIONS}/{execution}/events"


def numbers(frames: list[Frame]) -> list[int]:
    return [frame.data["seq"] for frame in frames if frame.name == "message"]


def test_a_stream_tells_all_and_says_that_it_has_ended(site: Site) -> None:
    execution = site.create("stepping", steps=5, pause=0.01)
    with reading(site.http, path_of(execution)) as frames:
        reply = frames.reply
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (reply.headers["cache-control"], reply.headers["events-version"]) == (
            "no-store",
            "1",
        )
        found = list(frames)
    assert numbers(found) == list(range(1, len(found)))
    assert [frame.id for frame in found[:-1]] == [str(n) for n in range(1, len(found))]
    assert found[-2].data["type"] == "execution.completed"
    end = {"execution_id": execution, "status": "completed", "last_seq": len(found) - 1}
    assert found[-1] == Frame("end", found[-2].id, end)


def test_a_stream_goes_on_from_any_number_for_as_long_as_the_record_lives(site: Site) -> None:
    execution = site.create("chatty", lines=20)
    total = site.end(execution) and len(
        site.http.get(path_of(execution), params={"limit": 1000}).json()["items"]
    )
    site.restart()
    for after in range(total + 1):
        with reading(site.http, path_of(execution), last=str(after), after=3) as frames:
            found = list(frames)
        assert numbers(found) == list(range(after + 1, total + 1))
        assert found[-1].name == "end"


def test_a_bad_place_is_refused_before_anything_is_streamed(site: Site) -> None:
    execution = site.create("chatty")
    for last, query, field in (
        ("seven", {}, "Last-Event-ID"),
        ("²", {}, "Last-Event-ID"),
        ("0" * 5000, {}, "Last-Event-ID"),
        ("0" * 16 + "9" * 30, {}, "Last-Event-ID"),
        (None, {"after": "-1"}, "after"),
        (None, {"live": "maybe"}, "live"),
        (None, {"page": "5"}, "page"),
    ):
        headers = {} if last is None else {"Last-Event-ID": last.encode()}
        reply = site.http.get(
            path_of(execution), params=query, headers={"Accept": "text/event-stream", **headers}
        )
        assert reply.status_code == 400
        assert [detail["field"] for detail in reply.json()["details"]] == [field]
    for path in (path_of("exec_00000000000000000000000000"), path_of("x" * 300)):
        with reading(site.http, path) as frames:
            assert (frames.reply.status_code, frames.reply.json()["code"]) == (
                404,
                "execution_not_found",
            )
    for query in ({"after": "1"}, {"after": "1.2.X"}, {"status": "gone"}, {"live": "true"}):
        with reading(site.http, "/events", **query) as frames:
            assert frames.reply.status_code == 400, query


def test_a_reader_that_says_it_has_more_than_there_is_hears_of_the_end(site: Site) -> None:
    """As after a restore, when it goes on from a number that is not there any more."""
    execution = site.create("speaker")
    with reading(site.http, path_of(execution)) as frames:
        frames.until("execution.paused")
    with reading(site.http, path_of(execution), last="900") as frames:
        site.http.post(f"{EXECUTIONS}/{execution}/resume", json={"value": "polly"})
        found = frames.until("end")
    assert found[-1].data["last_seq"] == numbers(found)[-1]


def test_what_is_live_only_comes_between_the_events_on_record_and_never_again(site: Site) -> None:
    execution = site.create("speaker", pieces=5)
    with reading(site.http, path_of(execution), live="true") as frames:
        frames.until("execution.paused")
        # The worker has been asked to tell what is live before it hears of the answer.
        site.http.post(f"{EXECUTIONS}/{execution}/resume", json={"value": "polly"})
        found = frames.until("end")
    live = [frame.data for frame in found if frame.name == "live"]
    assert [event["type"] for event in live] == ["step.started", *["token"] * 5]
    assert all(event["is_live"] and event["seq"] is None for event in live)
    assert [event["data"].get("text") for event in live[1:]] == ["polly"] * 5
    [said] = [frame.data for frame in found if frame.data.get("type") == "message"]
    assert said["data"]["content"] == "polly" * 5
    assert all(event["after"] < said["seq"] for event in live)
    with reading(site.http, path_of(execution)) as frames:
        assert {frame.name for frame in frames} == {"message", "end"}
    assert site.end(execution)["usage"] == {
        "steps": 2,
        "input_tokens": 1,
        "output_tokens": 5,
        "cost": 0.25,
    }


def test_a_plain_agent_that_is_cancelled_shows_nothing_more(site: Site, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    execution = site.create("babbler", path=str(noted))
    with reading(site.http, path_of(execution), live="true") as frames:
        frames.until("token")
        site.http.post(f"{EXECUTIONS}/{execution}/cancel")
        frames.until("end")
    until = time.monotonic() + 20
    while not noted.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert noted.exists()


def test_a_piece_of_text_never_comes_out_of_its_turn(site: Site) -> None:
    execution = site.create("turns", count=20)
    with reading(site.http, path_of(execution), live="true") as frames:
        frames.until("execution.paused")
        site.http.post(f"{EXECUTIONS}/{execution}/resume", json={"value": 1})
        found = [f.data for f in frames.until("end") if f.data.get("type") in ("token", "message")]
    said = [one["data"].get("text") or one["data"]["content"] for one in found]
    turns = [f"{kind} {turn}" for turn in range(20) for kind in ("piece", "whole")]
    # Where the next message was there before a piece could be shown, it may be missing.
    assert said == [text for text in [*turns, "last"] if text in said]
    assert set(turns[1::2]) <= set(said) >= {"piece 0", "last"}
    recorded = 0
    for one in found:
        if one["seq"] is None:
            assert one["after"] >= recorded
        recorded = one["seq"] or recorded


def test_silence_is_broken_by_heartbeats(site: Site) -> None:
    execution = site.create("speaker")
    with site.http.stream(
        "GET", path_of(execution), headers={"Accept": "text/event-stream"}
    ) as reply:
        beats = 0
        for chunk in reply.iter_bytes():
            beats += chunk.count(b":\n\n")
            if beats == 3:
                break
    with site.http.stream("GET", "/events", headers={"Accept": "text/event-stream"}) as reply:
        for chunk in reply.iter_bytes():
            if chunk.startswith(b":\nid: "):
                break


def test_a_reader_that_is_killed_again_and_again_sees_every_number_once(site: Site) -> None:
    """500 times, and the service with it a few times, at random points."""
    seed = random.randrange(2**32)  # noqa: S311 - it is to be told, not kept
    chance = random.Random(seed)  # noqa: S311 - as above
    execution = site.create("stepping", steps=700, pause=0.002)
    seen: list[int] = []
    lives, is_over = 0, False
    while not is_over:
        lives += 1
        if lives in (100, 200, 300):
            site.restart()
        last = str(seen[-1]) if seen else None
        wanted = chance.randrange(1, 5) if lives < 500 else 10_000
        with reading(site.http, path_of(execution), last=last) as frames:
            for frame in frames:
                if frame.name == "end":
                    is_over = True
                    break
                seen.append(frame.data["seq"])
                wanted -= 1
                if not wanted:
                    break
    assert seen == list(range(1, len(seen) + 1)), seed
    assert lives >= 500, (lives, len(seen))
    assert site.end(execution)["status"] == "completed"


def test_the_team_is_told_everything_in_the_order_of_commits(site: Site) -> None:
    before = site.http.get("/events").json()
    assert before["items"] == []
    with reading(site.http, "/events", after=before["next_after"]) as frames:
        ids = [site.create("stepping", steps=5, pause=0.005) for _ in range(20)]
        for execution in ids:
            site.end(execution)
        found: list[Frame] = []
        ends = 0
        for frame in frames:
            if frame.name == "message":
                found.append(frame)
                ends += frame.data["type"] == "execution.completed"
            if ends == len(ids):
                break
    for execution in ids:
        own = [f.data["seq"] for f in found if f.data["execution_id"] == execution]
        assert own == list(range(1, len(own) + 1))
    assert {frame.data["agent_id"] for frame in found} == {"stepping"}
    # The same again from the log, from its start and from each place in between.
    told = [(frame.data["execution_id"], frame.data["seq"]) for frame in found]
    for start in random.sample(range(len(found)), 10):
        query = {"after": found[start].id, "limit": 1000}
        page = site.http.get("/events", params=query).json()
        again = [(event["execution_id"], event["seq"]) for event in page["items"]]
        assert again == told[start + 1 :]


def test_one_stream_waits_for_many(site: Site) -> None:
    ends = {"status": ["completed", "failed", "cancelled"], "metadata.crowd": "yes"}
    with reading(site.http, "/events", **ends) as frames:
        assert next(frames).name == "open"
        site.create("chatty", labels={"crowd": "no"})
        ids = {site.create("chatty", labels={"crowd": "yes"}) for _ in range(50)}
        waiting = set(ids)
        while waiting:
            event = next(frames).data
            assert event["execution_id"] in ids
            if event["type"] == "execution.completed":
                waiting.remove(event["execution_id"])


def test_the_team_is_filtered_by_execution_and_agent(site: Site) -> None:
    place = site.http.get("/events").json()["next_after"]
    chatty, stepping = site.create("chatty", lines=2), site.create("stepping", steps=1)
    site.end(chatty)
    site.end(stepping)
    others = [f"exec_{number}" for number in range(100)]
    statuses = ["pending", "running", "completed", "failed", "cancelled"]
    for query, wanted in (
        ({"agent_id": "chatty"}, {chatty}),
        ({"execution_id": [stepping]}, {stepping}),
        ({"execution_id": [stepping, chatty]}, {stepping, chatty}),
        ({"agent_id": "nobody"}, set()),
        ({"execution_id": [chatty, *others[1:]], "status": statuses}, {chatty}),
    ):
        page = site.http.get("/events", params={"after": place, "limit": 1000, **query}).json()
        assert {event["execution_id"] for event in page["items"]} == wanted
    found = []
    while True:
        page = site.http.get("/events", params={"after": place, "limit": 1}).json()
        if not page["items"]:
            break
        [event] = page["items"]
        found.append((event["execution_id"], event["seq"]))
        place = page["next_after"]
    assert len(found) == len(set(found))
    assert sorted(found) == sorted((name, n) for name in (chatty, stepping) for n in range(1, 6))


def test_a_page_of_the_team_is_held_until_something_comes(site: Site) -> None:
    place = site.http.get("/events").json()["next_after"]
    begun = time.monotonic()
    empty = site.http.get("/events", params={"after": place, "wait": 0.7})
    assert time.monotonic() - begun >= 0.6
    assert (empty.json()["items"], empty.headers["preference-applied"]) == ([], "wait=0.7")
    execution = site.create("chatty", pause=0.05)
    page = site.http.get("/events", params={"after": empty.json()["next_after"], "wait": 20})
    assert page.json()["items"][0]["execution_id"] == execution


def test_other_teams_hear_nothing(tmp_path: Path) -> None:
    with site_on_sqlite(tmp_path) as site:
        command = [sys.executable, "-m", "moderately", "keys", "create", "--team", "others"]
        made = subprocess.run(
            [*command, "--data", str(tmp_path), "--json"],
            env=site.service.env,
            capture_output=True,
            check=True,
        )
        others = {"Authorization": f"Bearer {json.loads(made.stdout)['api_key']}"}
        with (
            httpx2.Client(base_url=site.service.base_url, headers=others, timeout=30) as http,
            reading(http, "/events", after="start") as frames,
        ):
            execution = site.create("chatty")
            site.end(execution)
            assert http.get("/events", params={"after": "start"}).json()["items"] == []
            with reading(http, path_of(execution)) as refused:
                assert refused.reply.status_code == 404
            own = http.post(EXECUTIONS, json={"agent_id": "chatty"}).json()["id"]
            names = {
                frame.data["execution_id"] for frame in frames.until("execution.completed")[1:]
            }
            assert names == {own}


def test_a_restored_database_answers_a_newer_cursor_with_a_reset(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with site_on_sqlite(data) as site:
        site.end(site.create("chatty"))
        site.service.terminate()
        shutil.copytree(data, tmp_path / "backup")
        site.service.start()
        site.connect()
        site.end(site.create("chatty"))
        cursor = site.http.get("/events").json()["next_after"]
        site.service.terminate()
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "backup", data)
        site.service.start()
        site.connect()
        newest = site.http.get("/events").json()["next_after"]
        assert _reset(site, cursor) == newest
        # Also once as much has happened since, under the same numbers.
        site.end(site.create("chatty", lines=50, pause=0.01))
        newest = site.http.get("/events").json()["next_after"]
        assert _reset(site, cursor) == newest
        with reading(site.http, "/events", last=newest) as frames:
            assert next(frames).data == {"cursor": newest}


def _reset(site: Site, cursor: str) -> str:
    with reading(site.http, "/events", last=cursor) as frames:
        problem = frames.reply.json()
        assert (frames.reply.status_code, problem["code"]) == (410, "cursor_reset")
    assert site.http.get("/events", params={"after": cursor}).json()["cursor"] == problem["cursor"]
    return str(problem["cursor"])


def test_readers_that_read_nothing_hold_no_memory_and_miss_nothing(site: Site) -> None:
    lines, size, readers = 500, 40_000, 20
    loud = site.create("chatty", lines=lines, size=size)
    with ExitStack() as stack:
        slow = [stack.enter_context(silent_reader(site, loud)) for _ in range(readers)]
        assert site.end(loud)["status"] == "completed"
        memory = psutil.Process(site.service.process.pid).memory_info
        begun = memory().rss
        slow += [stack.enter_context(silent_reader(site, loud)) for _ in range(readers)]
        with reading(site.http, path_of(loud)) as frames:
            quick = numbers(list(frames))
        assert quick == list(range(1, lines + 4))
        # 20 MB are waiting for each of them, but not in the service.
        assert memory().rss - begun < readers * 2_000_000
        for one in (slow[0], slow[-1]):
            data = b"".join(iter(lambda: one.recv(1 << 20), b""))  # noqa: B023 - used at once
            assert [b"\nid: %d\n" % number in data for number in quick] == [True] * len(quick)
            assert b"event: end" in data


@contextmanager
def silent_reader(site: Site, execution: str) -> Iterator[socket.socket]:
    """A reader that does not read, but that its stream has begun."""
    host, port = site.service.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as reader:
        reader.sendall(
            f"GET {path_of(execution)} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {site.service.api_key}\r\nConnection: close\r\n\r\n".encode()
        )
        assert reader.recv(10) == b"HTTP/1.1 2"
        yield reader


def test_a_stream_ends_without_an_end_when_the_service_stops(tmp_path: Path) -> None:
    with site_on_sqlite(tmp_path) as site:
        execution = site.create("speaker")
        with (
            reading(site.http, path_of(execution)) as frames,
            reading(site.http, "/events") as team,
        ):
            frames.until("execution.paused")
            assert team.until("execution.paused")[0].name == "open"
            assert site.service.terminate() == 0
            assert [frame.name for frame in frames] == []
            assert [frame.name for frame in team] == []
