"""Chaos over several API and worker processes on one PostgreSQL."""

import json
import logging
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster
from tests.support.sabotage import NO_FENCE, NO_INTERRUPT, NO_LEASE, NOBODY
from tests.support.storm import Storm

from moderately.cli.crowd import Crowd
from moderately.cli.histories import History, most_at_once, over_rate
from moderately.cli.verdict import Fault, Verdict, judge
from moderately.testing import Postgres, PostgresServer

AGENTS = Path(__file__).parent.parent / "support/chaotic.py"
LEASE = 2.0
SUBMITTERS = 8
PATIENCE = 60.0
# The record tells the time at which a start was decided, which is later than the one at which the
# rate was looked at: by a second where the database is slow to answer.
RATE_SLACK = 5.0


@dataclass
class Arena:
    """A cluster under observation."""

    cluster: Cluster
    log: Path
    crowd: Crowd
    revive: list[Callable[[], None]] = field(default_factory=list)

    def noted(self) -> list[dict[str, Any]]:
        text = self.log.read_text() if self.log.exists() else ""
        # The last line may be half-written.
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def judge(self, faults: list[Fault]) -> tuple[Verdict, dict[str, History]]:
        histories = self.crowd.histories()
        lines, accepted = self.noted(), self.crowd.accepted
        return judge(lines, accepted, histories, kills=len(faults), faults=faults), histories


@contextmanager
def arena(postgres: Postgres, folder: Path, *agents: Path, **options: Any) -> Iterator[Arena]:
    log = folder / "effects.jsonl"
    with Cluster(
        [AGENTS, *agents],
        postgres=postgres,
        folder=folder,
        env={"MODERATELY_CHAOS_LOG": str(log)},
        args=["--grace", "0", "--log-level", "warning", "--lease", str(LEASE)],
        **options,
    ) as cluster:
        crowd = Crowd(
            lambda: [(api.process.base_url, cluster.api_key) for api in cluster.apis],
            lambda: None,
            log=log,
            replies=folder / "replies.txt",
        )
        yield Arena(cluster, log, crowd)


MIX = ("chaotic", "narrow", "marathon", "keyed", "chaotic", "paced", "marathon", "chaotic")


def create(crowd: Crowd, number: int) -> None:
    """One of a mix of agents, some of which have limits."""
    agent_id = MIX[number % len(MIX)]
    what = {"concurrency_key": f"key {number % 4}"} if agent_id == "keyed" else {}
    crowd.create(f"storm-{number}", agent_id, **what)


def test_no_promise_is_broken_by_a_storm(
    tmp_path: Path, postgres_server: Postgres, not_run: Callable[[str], None]
) -> None:
    runs = int(os.environ.get("CLUSTER_RUNS", "120"))
    faults = int(os.environ.get("CLUSTER_FAULTS", "21"))
    seed = int(os.environ.get("CLUSTER_SEED", secrets.randbits(32)))
    logging.getLogger(__name__).warning("CLUSTER_SEED=%d", seed)
    if not isinstance(postgres_server, PostgresServer):
        not_run("PostgreSQL restarted and killed in a storm: MODERATELY_TEST_POSTGRES names it")
    with (
        arena(postgres_server, tmp_path) as found,
        ThreadPoolExecutor(SUBMITTERS) as pool,
    ):
        storm = Storm(found.cluster, postgres_server, seed=seed, lease=LEASE)
        made: list[Future[None]] = []

        def submit(number: int) -> None:
            # A half at once, so that the limits have something to hold back; the rest bit by bit.
            upto = runs // 2 + runs * (number + 1) // (2 * faults)
            made.extend(pool.submit(create, found.crowd, n) for n in range(len(made), upto))

        try:
            storm.rage(faults, submit)
            for future in made:
                future.result(PATIENCE)
            found.crowd.settle(time.monotonic() + PATIENCE + runs / 10)
        finally:
            found.crowd.stop()
        verdict, histories = found.judge(storm.faults)
    assert verdict.is_clean, (seed, verdict)
    assert (verdict.runs, storm.deserters) == (runs, []), seed
    # None of these agents fails by itself.
    failed = [h.execution for h in histories.values() if h.execution["status"] != "completed"]
    assert failed == [], seed
    assert_limits(histories, seed)
    # Something was at stake: steps were in flight when something befell their process.
    assert verdict.in_flight > 0, seed


def assert_limits(histories: dict[str, History], seed: int) -> None:
    by_agent: dict[str, list[History]] = defaultdict(list)
    by_key: dict[str, list[History]] = defaultdict(list)
    for history in histories.values():
        by_agent[history.execution["agent_id"]].append(history)
        by_key[history.execution["concurrency_key"]].append(history)
    # Not more, and not less: the limit was reached.
    assert most_at_once(by_agent["narrow"]) == 2, seed
    assert len(by_key) > 1, seed
    for key, those in by_key.items():
        assert key is None or most_at_once(those) == 1, (seed, key)
    assert over_rate(by_agent["paced"], 5, 1.0) <= RATE_SLACK, seed


@pytest.mark.parametrize("is_fenced", [True, False])
def test_a_thawed_zombie_writes_nothing_and_the_judge_sees_it_if_it_could(
    tmp_path: Path, postgres_server: Postgres, is_fenced: bool
) -> None:
    file = tmp_path / "zombies.py"
    file.write_text(NOBODY + NO_INTERRUPT + ("" if is_fenced else NO_LEASE + NO_FENCE))
    with arena(postgres_server, tmp_path, file, apis=1, workers=2) as found:
        zombie = found.cluster.workers[0].process
        pid, begun = zombie.process.pid, time.time()
        victims = freeze_in_the_middle(found, zombie.freeze, zombie.thaw, pid)
        await_takeover(found, pid, victims)
        zombie.thaw()
        assert found.crowd.settle(time.monotonic() + PATIENCE)
        verdict, histories = found.judge([Fault("freeze", pid, begun, time.time())])
    assert any(histories[one].execution["attempt"] > 1 for one in victims)
    if is_fenced:
        assert verdict.is_clean, verdict
    else:
        assert verdict.broken or verdict.repeated, verdict


def freeze_in_the_middle(
    found: Arena, freeze: Callable[[], None], thaw: Callable[[], None], pid: int
) -> list[str]:
    """Freeze a worker while it runs something, and tell what."""
    for attempt in range(50):
        known = len(found.noted())
        for number in range(6):
            found.crowd.create(f"race-{attempt}-{number}", "racer")
        while not any(line["pid"] == pid for line in found.noted()[known:]):
            time.sleep(0.005)
        freeze()
        mine = {line["execution"] for line in found.noted() if line["pid"] == pid}
        with found.cluster.client() as client:
            running = client.agent_executions.list(status="running", page_size=100)
        if victims := [one.id for one in running if one.id in mine]:
            return victims
        thaw()
    raise AssertionError("it was never frozen in the middle of something")


def await_takeover(found: Arena, pid: int, victims: list[str]) -> None:
    """Wait until another worker has recorded a step of each."""
    deadline = time.monotonic() + PATIENCE
    left = set(victims)
    while left:
        assert time.monotonic() < deadline, left
        left -= {
            line["execution"]
            for line in found.noted()
            if line["what"] == "recorded" and line["pid"] != pid
        }
        time.sleep(0.01)
