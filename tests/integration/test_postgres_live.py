"""Events that are never stored, told by one process to others."""

import json
from typing import Any

import pytest
from tests.integration.test_postgres_store import new, run, until

from moderately.domain.commands import Start
from moderately.domain.execution import NewEvent
from moderately.domain.log import LiveEvent
from moderately.domain.storing import Change
from moderately.store.postgres import PostgresStore
from moderately.store.postgres.live import Live
from moderately.store.postgres.session import News


def token(execution_id: str, text: Any = "x") -> LiveEvent:
    return LiveEvent(execution_id, "token", {"text": text}, 17)


def test_what_is_watched_elsewhere_is_told_there_and_nothing_else(postgres_url: str) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        heard: list[LiveEvent] = []
        watched = {"exec_a"}
        ours.subscribe(lambda _: None, watched=watched, on_live=heard.extend)
        ours.watch("exec_a")
        await until(lambda: "exec_a" in theirs._live._wanted)
        # The same text may come twice.
        events = [token(name) for name in ("exec_b", "exec_a", "exec_a", "exec_c", "exec_a")]
        theirs.broadcast(events)
        await until(lambda: len(heard) == 3)
        theirs.broadcast([token("exec_a", "\0ü\ud800")])
        await until(lambda: len(heard) == 4)
        assert heard == [*[token("exec_a")] * 3, token("exec_a", "\0ü\ud800")]
        watched.clear()
        theirs.broadcast(events)
        ours.broadcast(events)
        assert len(heard) == 4

    run(postgres_url, work)


def test_live_events_come_before_the_news_of_what_was_recorded_after_them(
    postgres_url: str,
) -> None:
    def recorded_last(heard: list[object]) -> list[object]:
        # Word that the execution was created may come late.
        return [one for one in heard if not isinstance(one, Change) or one.event_seq > 2]

    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        execution = new()
        await theirs.create(execution, start=Start("theirs"))
        heard: list[object] = []
        watched = {execution.id}
        ours.subscribe(heard.extend, watched=watched, on_live=heard.extend)
        ours.watch(execution.id)
        await until(lambda: execution.id in theirs._live._wanted)
        events = [token(execution.id, f"{n} {'x' * 100}") for n in range(300)]
        for event in events:
            theirs.broadcast([event])
        await theirs.append(execution.id, 1, [NewEvent("message", {})])
        await until(lambda: len(recorded_last(heard)) > 300)
        assert recorded_last(heard)[:300] == events
        assert not isinstance(recorded_last(heard)[300], LiveEvent)

    run(postgres_url, work)


def test_a_process_that_comes_later_learns_what_is_watched(
    postgres_url: str,
) -> None:
    async def work(ours: PostgresStore, theirs: PostgresStore) -> None:
        heard: list[LiveEvent] = []
        watched = {"exec_a"}
        ours.subscribe(lambda _: None, watched=watched, on_live=heard.extend)
        # As if it had just been connected.
        theirs._live.begin()
        await until(lambda: "exec_a" in theirs._live._wanted)
        theirs.broadcast([token("exec_a")])
        await until(lambda: heard == [token("exec_a")])

    run(postgres_url, work)


class Line:
    """Two processes that tell each other by hand."""

    def __init__(self) -> None:
        self.time = 100.0
        self.heard: list[LiveEvent] = []
        self.watched = ["exec_a"]
        self.here = Live(self.now, lambda: self.watched, self.heard.extend)
        self.there = Live(self.now, list, lambda _: None)

    def now(self) -> float:
        return self.time

    def carry(self) -> list[str]:
        """Bring what each has to tell to the other."""
        words = [*self.here.words("here"), *self.there.words("there")]
        for word in words:
            said = json.loads(word)
            (self.there if said["from"] == "here" else self.here).hear(said)
        return words


def test_what_is_not_asked_for_again_is_forgotten() -> None:
    line = Line()
    line.here.watch("exec_a")
    line.carry()
    line.time += 24
    assert line.there.add([token("exec_a")])
    line.time += 2
    assert not line.there.add([token("exec_a")])
    assert line.here.renew()
    line.carry()
    assert line.there.add([token("exec_a")])
    # It is asked for again in time, for as long as it is watched.
    line.time += 5
    assert not line.here.renew()
    line.time += 5
    assert line.here.renew()
    line.carry()
    line.watched = []
    line.time += 10
    assert not line.here.renew()
    line.time += 16
    assert not line.there.add([token("exec_a")])
    line.there.renew()
    assert line.there._wanted == {}


def test_words_are_short_and_what_is_too_much_is_dropped() -> None:
    line = Line()
    for number in range(1000):
        line.here.watch(f"exec_{number:026}")
    line.carry()
    name = f"exec_{7:026}"
    assert not line.there.add([token(name, "x" * 8000)])
    events = [token(name, "ü" * 100) for _ in range(1000)]
    assert line.there.add(events)
    words = line.carry()
    assert max(len(word.encode()) for word in words) < 8000
    assert 300 < len(line.heard) < 1000
    assert line.heard == events[: len(line.heard)]
    assert line.carry() == []
    assert line.there.add([token(name)])


def test_a_release_that_knows_nothing_of_live_events_passes_over_them() -> None:
    line = Line()
    line.here.begin()
    line.here.renew()
    said = line.carry()
    line.there.add([token("exec_a")])
    said += line.carry()
    assert len(said) == 3
    for word in said:
        with pytest.raises(ValueError, match="unpack"):
            News.read(word)
