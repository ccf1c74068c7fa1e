"""`moderately chaos`: kills a service again and again while an agent runs, and judges."""

import json
import random
import statistics
import tempfile
import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from moderately.cli.crowd import Crowd
from moderately.cli.exits import Exit, Stop
from moderately.cli.inputs import read_input
from moderately.cli.output import note, print_json, print_table
from moderately.cli.ports import free_port
from moderately.cli.process import ServiceProcess
from moderately.cli.verdict import Verdict, judge

__all__ = ["chaos"]

_PLACES: Final = ("gathered", "statement", "committed")
_SUBMITTERS: Final = 8
_LONGEST_LIFE: Final = 0.7
_LOOK_SECONDS: Final = 0.05


def chaos(
    agent_id: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")],
    *,
    agents: Annotated[
        list[str], typer.Option(help="A file or module with agents; may be repeated.")
    ],
    runs: Annotated[int, typer.Option(min=1, help="How many executions to create.")] = 200,
    kills: Annotated[int, typer.Option(min=0, help="How often to kill the service.")] = 20,
    given: Annotated[
        str | None,
        typer.Option("--input", "-i", help="Their input: JSON, @file, or - for standard input."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Repeats the same random choices.")] = None,
    patience: Annotated[
        float, typer.Option(min=1, help="How long to wait for the last to end, in seconds.")
    ] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Kill a service again and again while an agent runs, and report what went wrong.

    A real service is started on a folder of its own, and killed (SIGKILL) at random moments and
    between random statements of its store. What it does is noted outside of its database, and
    judged by that: accepted executions that are lost, recorded steps that ran again, unsafe steps
    that were repeated, executions that never end. Steps in flight at a kill do run again, at most
    once for each kill. Approvals are granted, and unsafe steps in doubt are said not to have
    happened; executions that wait for an input are cancelled.

    Exit code 0 means that every promise was kept.

    Example: moderately chaos my-agent --agents agents.py --runs 200 --kills 20
    """
    seed = random.randrange(1 << 32) if seed is None else seed  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory(prefix="moderately-chaos-") as folder:
        run = _Chaos(Path(folder), agents, agent_id, read_input(given), random.Random(seed))  # noqa: S311
        try:
            verdict = run.go(runs, kills, patience)
        except RuntimeError as error:
            raise Stop(str(error), Exit.FAILED) from None
    if as_json:
        print_json({**asdict(verdict), "seed": seed, "is_clean": verdict.is_clean})
    else:
        _show(verdict, seed)
    if not verdict.is_clean:
        raise typer.Exit(Exit.FAILED)


def _show(verdict: Verdict, seed: int) -> None:
    recovery = statistics.median(verdict.recoveries) if verdict.recoveries else 0.0
    rows: list[list[object]] = [
        ["executions accepted", verdict.runs],
        ["kills", verdict.kills],
        ["calls of steps", verdict.steps],
        ["of which steps in flight at a kill, again", verdict.in_flight],
        ["executions lost", len(verdict.lost)],
        ["executions duplicated", verdict.duplicated],
        ["executions that never ended", len(verdict.stuck)],
        ["recorded steps repeated", len(verdict.repeated)],
        ["steps repeated though nothing had died", len(verdict.repeated_in_process)],
        ["unsafe steps repeated unasked", len(verdict.repeated_unsafe)],
        ["recorded steps forgotten", len(verdict.forgotten)],
        ["records that do not hold together", len(verdict.broken)],
        ["recovery p50, seconds", f"{recovery:.2f}"],
        ["recovery worst, seconds", f"{max(verdict.recoveries, default=0.0):.2f}"],
        ["seed", seed],
    ]
    print_table(["", ""], rows)
    worst = verdict.lost + verdict.stuck + verdict.repeated + verdict.repeated_unsafe
    for name in (worst + verdict.forgotten + verdict.broken)[:5]:
        note(f"look at {name}")
    note("every promise was kept" if verdict.is_clean else "a promise was broken")


class _Chaos:
    """One chaos run."""

    def __init__(
        self,
        folder: Path,
        agents: list[str],
        agent_id: str,
        input_data: dict[str, Any] | None,
        chance: random.Random,
    ) -> None:
        self._agent_id = agent_id
        self._input = input_data
        self._chance = chance
        self._log = folder / "effects.jsonl"
        self._recoveries: list[float] = []
        options = ["--port", str(free_port()), "--grace", "0", "--log-level", "error"]
        env = {"MODERATELY_CHAOS_LOG": str(self._log)}
        self._service = ServiceProcess(agents, data=folder / "data", env=env, args=options)
        self._crowd = Crowd(
            self._services, self._revive, log=self._log, replies=folder / "replies.txt"
        )

    def _services(self) -> list[tuple[str, str]]:
        return [(self._service.base_url, self._service.api_key)]

    def go(self, runs: int, kills: int, patience: float) -> Verdict:
        """Create, kill, wait, judge."""
        self._service.start()
        with ThreadPoolExecutor(_SUBMITTERS) as pool:
            try:
                made = self._kill_while_creating(pool, runs, kills)
                deadline = time.monotonic() + patience
                self._await_created(made, deadline)
                self._crowd.settle(deadline)
                histories = self._crowd.histories()
            finally:
                self._crowd.stop()
                self._service.kill()
        lines = [json.loads(line) for line in self._log.read_text().splitlines()]
        accepted = self._crowd.accepted
        return judge(lines, accepted, histories, kills=kills, recoveries=self._recoveries)

    def _create(self, index: int) -> None:
        self._crowd.create(f"chaos-{index}", self._agent_id, input_data=self._input)

    def _kill_while_creating(
        self, pool: ThreadPoolExecutor, runs: int, kills: int
    ) -> list[Future[None]]:
        made: list[Future[None]] = []
        for number in range(kills):
            upto = runs * (number + 1) // (kills + 1)
            made += [pool.submit(self._create, index) for index in range(len(made), upto)]
            self._live()
            begun = time.monotonic()
            self._restart()
            self._recoveries.append(time.monotonic() - begun)
            if number % 10 == 9:  # noqa: PLR2004 - now and then
                accepted = len(self._crowd.accepted)
                note(f"{number + 1} of {kills} kills, {accepted} executions accepted")
        return made + [pool.submit(self._create, index) for index in range(len(made), runs)]

    def _revive(self) -> None:
        """Start the service again if its crash point has come; there is no further one."""
        self._service.env.pop("MODERATELY_CHAOS_CRASH", None)
        if self._service.process.poll() is not None:
            self._service.start()

    def _await_created(self, made: list[Future[None]], deadline: float) -> None:
        left = set(made)
        while left and time.monotonic() < deadline:
            self._revive()
            done, left = wait(left, timeout=_LOOK_SECONDS, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        if left:
            raise RuntimeError(f"{len(left)} executions could not be created in time")

    def _live(self) -> None:
        """Let the service live for a while, or until it dies by itself at its crash point."""
        end = time.monotonic() + self._chance.uniform(0.02, _LONGEST_LIFE)
        while time.monotonic() < end and self._service.process.poll() is None:
            time.sleep(0.005)
        if self._service.process.poll() is None:
            self._crowd.look()

    def _restart(self) -> None:
        if self._service.process.poll() is None:
            self._service.kill()
        crash = f"{self._chance.choice(_PLACES)}:{self._chance.randrange(200)}"
        self._service.env.pop("MODERATELY_CHAOS_CRASH", None)
        if self._chance.random() < 0.5:  # noqa: PLR2004 - every other time
            self._service.env["MODERATELY_CHAOS_CRASH"] = crash
        try:
            self._service.start()
        except RuntimeError:
            # It died on its way up.
            del self._service.env["MODERATELY_CHAOS_CRASH"]
            self._service.start()
