"""Judges a chaos run by what was seen from outside. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Verdict", "judge"]

Key = tuple[str, str]


@dataclass(slots=True)
class Verdict:
    """What a chaos run has shown. All lists are empty where every promise was kept.

    Attributes:
        runs: How many executions were accepted.
        kills: How often the service was killed.
        steps: How many calls of steps' functions there were.
        in_flight: How many of them repeated a step that was in flight at a kill, which is allowed.
        lost: Executions that were accepted, and are not there.
        duplicated: How many executions there are beyond those that were asked for.
        stuck: Executions that have not ended in time.
        repeated: Steps that ran again although they were on record.
        repeated_in_process: Steps that ran again although nothing had died.
        repeated_unsafe: Unsafe steps that ran again without a person's word.
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
    recoveries: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        broken = (self.lost, self.stuck, self.repeated, self.repeated_in_process)
        return not (any(broken) or self.repeated_unsafe or self.duplicated)


def judge(
    lines: Iterable[Mapping[str, Any]],
    accepted: Sequence[str],
    found: Mapping[str, bool],
    *,
    total: int,
    kills: int,
    recoveries: Sequence[float],
) -> Verdict:
    """Judge.

    Args:
        lines: What was noted, in order: `begin`, `recorded`, `failed` and `interrupted` by the
            service as it happened; `seen` by the observer for a step that the API has shown to be
            on record; `word` by the observer when it said that an unsafe step had not happened.
        accepted: The executions that were answered with 201.
        found: The executions that are there at the end, and whether each has ended.
        total: How many there are at the end that were asked for from outside.
        kills: How often the service was killed.
        recoveries: How long it took each time until it answered, in seconds.
    """
    verdict = Verdict(len(set(accepted)), kills, recoveries=list(recoveries))
    verdict.lost = [one for one in accepted if one not in found]
    verdict.stuck = [one for one, has_ended in found.items() if not has_ended]
    verdict.duplicated = max(0, total - len(set(accepted)))
    by_key: dict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines:
        by_key[line["execution"], line["step"]].append(line)
    for (execution, step), noted in by_key.items():
        _judge_step(verdict, f"{execution}:{step}", noted)
    return verdict


def _judge_step(verdict: Verdict, name: str, noted: Sequence[Mapping[str, Any]]) -> None:
    on_record, words, previous = False, 0, None
    for line in noted:
        what = line["what"]
        if what == "begin":
            verdict.steps += 1
            if on_record:
                verdict.repeated.append(name)
            if previous is not None:
                if previous == line["pid"]:
                    verdict.repeated_in_process.append(name)
                verdict.in_flight += 1
                if line["effects"] == "unsafe":
                    words -= 1
                    if words < 0:
                        verdict.repeated_unsafe.append(name)
            previous = line["pid"]
        elif what in ("recorded", "seen"):
            on_record = True
        elif what == "word":
            words += 1
        else:
            previous = None
