"""Faults at random over a cluster: its processes, their networks, and its database."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Final

from moderately.cli.verdict import Fault
from moderately.testing import Postgres, PostgresServer
from tests.support.cluster import Anyone, Cluster

START_SECONDS: Final = 60.0
DELAY_SECONDS: Final = 0.2
SLOW_BYTES_PER_SECOND: Final = 20_000.0


class Storm:
    """Faults on two fronts at once: processes with their networks, and the database.

    Each kind comes as often as the others; their order, whom they befall and how long they last is
    at random, half of them longer than a lease.

    Args:
        cluster: What to befall.
        postgres: Its server. One that is not ours is not stopped.
        seed: Repeats the same choices.
        lease: The workers' lease, in seconds.

    Attributes:
        faults: What there was, for the judge.
        deserters: Processes that ended though nobody had killed them.
    """

    def __init__(self, cluster: Cluster, postgres: Postgres, *, seed: int, lease: float) -> None:
        self._cluster = cluster
        self._postgres = postgres
        self._lease = lease
        # One for each front: neither depends on how fast the other is.
        self._chances = random.Random(seed), random.Random(seed + 1)  # noqa: S311 - no secrets
        self._over = threading.Event()
        self.faults: list[Fault] = []
        self.deserters: list[str] = []
        self._of_members: dict[str, Callable[[Anyone], None]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "cut": lambda member: self._while(member.proxy.cut, member),
            "delay": lambda member: self._while(lambda: member.proxy.delay(DELAY_SECONDS), member),
            "throttle": lambda member: self._while(
                lambda: member.proxy.throttle(SLOW_BYTES_PER_SECOND), member
            ),
            "reset": lambda member: member.proxy.reset(),
            "refuse": self._refuse,
        }
        self._of_database: dict[str, Callable[[], object]] = {
            "terminate": lambda: postgres.terminate_backends(cluster.url.rpartition("/")[2])
        }
        if isinstance(postgres, PostgresServer):
            self._of_database |= {
                "restart": postgres.restart,
                "crash": lambda: postgres.restart("immediate"),
                "kill -9": lambda: postgres.restart("kill"),
            }

    def rage(self, count: int, meanwhile: Callable[[int], None]) -> None:
        """Let it rage, and make all well again.

        Args:
            count: How many faults on the first front.
            meanwhile: Called with the number of each of these, as it begins.
        """
        errors: list[BaseException] = []

        def database() -> None:
            try:
                self._rage_at_database()
            except BaseException as error:
                errors.append(error)
                raise

        front = threading.Thread(target=database)
        front.start()
        try:
            for number, kind in enumerate(self._kinds(0, self._of_members, count)):
                meanwhile(number)
                member = self._chances[0].choice(self._cluster.members)
                self._befall(kind, member.process.process.pid, self._of_members[kind], member)
                self._muster()
        finally:
            self._over.set()
            front.join()
        if errors:
            raise errors[0]

    def _rage_at_database(self) -> None:
        chance = self._chances[1]
        for kind in self._kinds(1, self._of_database, None):
            if self._over.wait(chance.uniform(1.0, 2 * self._lease)):
                return
            self._befall(kind, 0, self._of_database[kind])

    def _kinds(self, front: int, kinds: Collection[str], count: int | None) -> Iterator[str]:
        """Each kind as often as the others, in random order."""
        chance = self._chances[front]
        rounds = (chance.sample(sorted(kinds), len(kinds)) for _ in itertools.count())
        return itertools.islice(itertools.chain.from_iterable(rounds), count)

    def _befall(self, kind: str, pid: int, fault: Callable[..., object], *whom: Anyone) -> None:
        begun = time.time()
        fault(*whom)
        # Its consequences come when the lease has lapsed, and somebody has noticed.
        self.faults.append(Fault(kind, pid, begun, time.time() + 2 * self._lease))

    def _hold(self) -> None:
        chance, lease = self._chances[0], self._lease
        is_long = chance.random() < 0.5
        time.sleep(
            chance.uniform(lease + 0.5, lease + 1.5) if is_long else chance.uniform(0.05, lease / 2)
        )

    def _while(self, begin: Callable[[], None], member: Anyone) -> None:
        begin()
        self._hold()
        member.proxy.heal()

    def _refuse(self, member: Anyone) -> None:
        member.proxy.refuse()
        self._while(member.proxy.reset, member)

    def _freeze(self, member: Anyone) -> None:
        member.process.freeze()
        self._hold()
        member.process.thaw()

    def _kill(self, member: Anyone) -> None:
        member.process.kill()
        self._start(member)

    def _start(self, member: Anyone) -> None:
        """Start it, again and again as its supervisor would: the database may be away."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                member.process.start()
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def _muster(self) -> None:
        for member in self._cluster.members:
            if not member.process.is_alive:
                self.deserters.append(f"{member.name}:\n{member.process.output()}")
                self._start(member)
