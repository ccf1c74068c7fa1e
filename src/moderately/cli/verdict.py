"""Judges a chaos run by what was seen from outside. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from moderately.cli.histories import History, broken

__all__ = ["Fault", "Verdict", "judge"]

Key = tuple[str, str]
Line = Mapping[str, Any]


class Fault(NamedTuple):
    """Something that befell a process, or all of them.

    Attributes:
        kind: What.
        pid: Whom; 0 for all.
        begun: When it began, in seconds since the epoch.
        ended: Until when what it brought about may last.
    """

    kind: str
    pid: int
    begun: float
    ended: float


@dataclass(slots=True)
class Verdict:
    """What a chaos run has shown. All lists are empty where every promise was kept.

    Attributes:
        runs: How many executions were accepted.
        kills: How often the service was killed, or whatever else befell it.
        steps: How many calls of steps' functions there were.
        in_flight: How many of them repeated a step that was in flight at a kill, which is allowed.
        lost: Executions that were accepted, and are not there.
        duplicated: How many executions there are beyond those that were asked for.
        stuck: Executions that have not ended in time.
        repeated: Steps that ran again although they were on record.
        repeated_in_process: Steps that ran again although nothing had died.
        repeated_unsafe: Unsafe steps that ran again without a person's word.
        forgotten: Steps that were on record, and are not any more.
        broken: Records that do not hold together: a gap, two ends, a write of a run that was over.
        recoveries: From each kill to the first answer, in seconds.
    """

    runs: int
    kills: int
    steps: int = 0
    in_flight: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: int = 0
    stuck: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    repeated_in_process: list[str] = field(default_factory=list)
    repeated_unsafe: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        repeated = (self.repeated, self.repeated_in_process, self.repeated_unsafe)
        wrong = (self.lost, self.stuck, self.forgotten, self.broken, *repeated)
        return not (any(wrong) or self.duplicated)


def judge(
    lines: Iterable[Line],
    accepted: Sequence[str],
    histories: Mapping[str, History],
    *,
    kills: int,
    recoveries: Sequence[float] = (),
    faults: Sequence[Fault] | None = None,
) -> Verdict:
    """Judge.

    Args:
        lines: What was noted: `begin`, `recorded`, `failed` and `interrupted` by the service as it
            happened; `seen` by the observer for a step that the API has shown to be on record;
            `word` by the observer when it said that an unsafe step had not happened.
        accepted: The executions that were answered with 201.
        histories: What is on record in the end of each execution that there is, by its id.
        kills: How often the service was killed, or whatever else befell it.
        recoveries: How long it took each time until it answered, in seconds.
        faults: What befell which process: each accounts for one repetition of a step that was in
            flight there. When None there is one process at a time, and its end accounts for one.
    """
    verdict = Verdict(len(set(accepted)), kills, recoveries=list(recoveries))
    verdict.lost = [one for one in accepted if one not in histories]
    found = {one: history.execution for one, history in histories.items()}
    verdict.stuck = [one for one, execution in found.items() if not execution["is_terminal"]]
    asked_for = sum(execution["parent_id"] is None for execution in found.values())
    verdict.duplicated = max(0, asked_for - len(set(accepted)))
    for one, history in histories.items():
        if history.execution["is_terminal"]:
            verdict.broken += [f"{one}: {what}" for what in broken(history)]
    on_record = {
        (one, step["id"])
        for one, history in histories.items()
        for step in history.steps
        if step["position"]
    }
    by_key: dict[Key, list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: float(line["at"])):
        by_key[line["execution"], line["step"]].append(line)
    for key, noted in by_key.items():
        name = ":".join(key)
        was_on_record = _Step(verdict, name, faults).judge(noted)
        if was_on_record and key not in on_record:
            verdict.forgotten.append(name)
    return verdict


class _Step:
    """Judges what was noted of one step."""

    def __init__(self, verdict: Verdict, name: str, faults: Sequence[Fault] | None) -> None:
        self._verdict = verdict
        self._name = name
        self._faults = None if faults is None else list(faults)
        self._words = 0

    def judge(self, noted: Sequence[Line]) -> bool:
        """Judge its lines, in order; tell whether it was on record at any time."""
        on_record, previous = False, None
        for line in noted:
            what = line["what"]
            if what == "begin":
                self._verdict.steps += 1
                if on_record:
                    self._verdict.repeated.append(self._name)
                if previous is not None:
                    self._judge_repeated(previous, line)
                previous = line
            elif what in ("recorded", "seen"):
                on_record = True
            elif what == "word":
                self._words += 1
            elif previous is not None and previous["pid"] == line["pid"]:
                # It has failed, or was called off, and that may be followed by another try.
                previous = None
        return on_record

    def _judge_repeated(self, previous: Line, line: Line) -> None:
        self._verdict.in_flight += 1
        if not self._is_accounted_for(previous, line):
            self._verdict.repeated_in_process.append(self._name)
        if line["effects"] == "unsafe":
            self._words -= 1
            if self._words < 0:
                self._verdict.repeated_unsafe.append(self._name)

    def _is_accounted_for(self, previous: Line, line: Line) -> bool:
        if self._faults is None:
            return bool(previous["pid"] != line["pid"])
        for fault in self._faults:
            hit = fault.pid in (0, previous["pid"])
            if hit and fault.begun <= line["at"] and previous["at"] <= fault.ended:
                self._faults.remove(fault)
                return True
        return False
