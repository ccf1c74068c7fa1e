"""What runs here, and what of it is no longer wanted."""

from moderately.domain.execution import Claim, Execution
from moderately.engine.runs import Run, Runs
from moderately.protocol.vocabulary import Status


def execution(fence: int, status: Status = Status.RUNNING) -> Execution:
    return Execution("exec_1", "t", "a", "1", status, 1, 1, {}, fence=fence)


def runs_of(*fences: int) -> Runs:
    runs = Runs()
    for fence in fences:
        runs.add(Run(Claim(execution(fence), fence), 1))
    return runs


def fences(runs: list[Run]) -> list[int]:
    return [run.claim.fence for run in runs]


def test_late_word_of_an_earlier_run_leaves_the_newer_one_alone() -> None:
    runs = runs_of(1, 2)
    assert fences(runs.outdated(execution(1, Status.PENDING))) == [1]
    assert fences(runs.outdated(execution(2))) == [1]
    assert fences(runs.outdated(execution(2, Status.CANCELLED))) == [1, 2]
    assert fences(runs.outdated(execution(3))) == [1, 2]


def test_a_run_is_there_until_its_code_has_ended() -> None:
    runs = runs_of(1, 2)
    assert (len(runs), list(runs.ids)) == (2, ["exec_1"])
    runs.remove(Claim(execution(1), 1))
    runs.remove(Claim(execution(1), 1))
    assert runs.get("exec_1", 1) is None
    assert fences(list(runs)) == [2]
    runs.remove(Claim(execution(2), 2))
    assert not runs
    assert list(runs.ids) == []
